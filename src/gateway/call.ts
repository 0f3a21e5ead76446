/** What the requests of other protocols are handled with. */
import type { Context } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import type { Logger } from 'pino';
import { z } from 'zod';
import { type CopilotClient, CopilotError, type SessionHandle } from '../client.ts';
import { checkInput } from '../client/checked-input.ts';
import { parseJson } from '../contracts/json.ts';
import { authorize } from './authorize.ts';
import { KEEP_ALIVE_MS } from './events/event-stream.ts';
import type { WorkLimit } from './principals/limits.ts';
import { problemOf } from './problem.ts';
import type { Principal, Right } from './principals/principal.ts';

export interface Caller {
  readonly client: CopilotClient;
  readonly principal: Principal;
  /** Aborts when the caller goes away. */
  readonly signal: AbortSignal;
  /** To be called before a message begins or joins work. @throws GatewayError `TooManyAtWork` */
  readonly admit: (session: SessionHandle) => Promise<unknown>;
}

export interface ProtocolCall extends Caller {
  readonly context: Context;
  readonly log: Logger;
  /** A session that the caller has this right to. */
  readonly find: (sessionId: string, right: Right) => Promise<SessionHandle>;
}

/** Signs the caller in before the work. */
export type Handle = (work: (call: ProtocolCall) => Promise<Response>) => (context: Context) => Promise<Response>;

export interface HandlerParts {
  readonly client: CopilotClient;
  readonly log: Logger;
  /** @throws GatewayError `Unauthorized` */
  readonly signIn: (context: Context) => Promise<Principal>;
  readonly work: WorkLimit;
}

export function handler({ client, log, signIn, work: limit }: HandlerParts): Handle {
  return (work) => async (context) => {
    const principal = await signIn(context);
    const { signal } = context.req.raw;
    const find = async (id: string, right: Right): Promise<SessionHandle> => {
      const found = client.session(id);
      await authorize(principal, right, found, signal);
      return found;
    };
    const admit = (session: SessionHandle) => limit.admit(principal.name, session);
    return await work({ client, principal, signal, context, log, find, admit });
  };
}

/**
 * Streams server-sent events. The turn behind them goes on if the caller goes away.
 * @param work writes the events; its signal aborts when the caller goes away
 * @param failed the event that tells the caller of an error
 */
export function streamTo(
  { context, log }: Pick<ProtocolCall, 'context' | 'log'>,
  work: (sse: SSEStreamingApi, left: AbortSignal) => Promise<void>,
  failed: (problem: { readonly type: string; readonly detail: string }) => object,
): Response {
  return streamSSE(context, async (sse) => {
    const left = new AbortController();
    sse.onAbort(() => left.abort());
    const keepAlive = setInterval(() => void sse.write(':\n\n'), KEEP_ALIVE_MS);
    try {
      await work(sse, left.signal);
    } catch (error) {
      if (left.signal.aborted) return;
      const problem = problemOf(error) ?? { type: 'Internal', detail: 'The gateway failed. Its log says why.' };
      log.warn({ err: error, path: context.req.path }, 'an event stream failed');
      await sse.writeSSE({ data: JSON.stringify(failed(problem)) });
    } finally {
      clearInterval(keepAlive);
    }
  });
}

const MessageId = z.string().min(1).max(200).optional();

/** The caller's own id of a message, before anything is made for it. @throws CopilotError `InvalidInput` */
export function givenMessageId({ req }: Context): string | undefined {
  return checkInput(MessageId, req.header('idempotency-key'), 'idempotency-key');
}

/** The body of a request. @throws CopilotError `InvalidInput` if it is not JSON */
export async function bodyOf({ req }: Context): Promise<unknown> {
  const text = await req.text();
  const value = text === '' ? {} : parseJson(text);
  if (value === undefined) throw new CopilotError('InvalidInput', { what: 'body', problem: 'it is not valid JSON' });
  return value;
}

/** How much of a body that is refused is read, and for how long. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;
const MAX_DISCARD_MS = 5_000;

/** Reads what a caller still sends: most read no answer before they have sent all, and only see a broken connection. */
export async function discardBody({ body }: Request): Promise<void> {
  if (body === null || body.locked) return;
  const reader = body.getReader();
  const timer = setTimeout(() => void reader.cancel(), MAX_DISCARD_MS);
  try {
    for (let bytes = 0; bytes < MAX_DISCARDED_BYTES;) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.byteLength;
    }
  } catch {
    // The caller has left, and needs no answer.
  } finally {
    clearTimeout(timer);
  }
}
