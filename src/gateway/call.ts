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
import type { StreamLimit, WorkLimit } from './principals/limits.ts';
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
  /** Whether the caller's key or token still counts. Never fails. */
  readonly isSignedIn: () => Promise<boolean>;
  /** To be taken before anything is done for an answer that is streamed. */
  readonly place: StreamPlace;
  readonly streams: Omit<ProtocolStreams, 'limit'>;
  /** A session that the caller has this right to. */
  readonly find: (sessionId: string, right: Right) => Promise<SessionHandle>;
}

/** The streams of other protocols that are open in a gateway. */
export interface ProtocolStreams {
  readonly limit: StreamLimit;
  /** What a gateway that stops waits for. */
  readonly running: Set<Promise<unknown>>;
  /** Aborts when a gateway that stops waits no longer. */
  readonly stopping: AbortSignal;
}

/** The place of one request among the streams that its caller may have open. */
export class StreamPlace {
  readonly #admit: () => () => void;
  #giveBack: (() => void) | undefined;
  #isKept = false;

  constructor(admit: () => () => void) {
    this.#admit = admit;
  }

  /** @throws GatewayError `TooManyFollowers` */
  take(): void {
    this.#giveBack ??= this.#admit();
  }

  /** The stream begins. @returns what is called when it has ended. @throws GatewayError `TooManyFollowers` */
  keep(): () => void {
    this.take();
    this.#isKept = true;
    return () => this.#giveBack?.();
  }

  /** The request is answered. Without a stream its place is free again. */
  end(): void {
    if (!this.#isKept) this.#giveBack?.();
  }
}

/** Signs the caller in before the work. */
export type Handle = (work: (call: ProtocolCall) => Promise<Response>) => (context: Context) => Promise<Response>;

export interface HandlerParts {
  readonly client: CopilotClient;
  readonly log: Logger;
  /** @throws GatewayError `Unauthorized` */
  readonly signIn: (context: Context) => Promise<Principal>;
  /** Whether the caller of this request may still come in as this principal. Never fails. */
  readonly isStill: (principal: Principal, context: Context) => Promise<boolean>;
  readonly work: WorkLimit;
  readonly streams: ProtocolStreams;
}

export function handler({ client, log, signIn, isStill, work: limit, streams }: HandlerParts): Handle {
  return (work) => async (context) => {
    const principal = await signIn(context);
    const { signal } = context.req.raw;
    const find = async (id: string, right: Right): Promise<SessionHandle> => {
      const found = client.session(id);
      await authorize(principal, right, found, signal);
      return found;
    };
    const admit = (session: SessionHandle) => limit.admit(principal.name, session);
    const isSignedIn = () => isStill(principal, context);
    const place = new StreamPlace(() => streams.limit.admit(principal.name));
    try {
      return await work({ client, principal, signal, context, log, isSignedIn, place, streams, find, admit });
    } finally {
      place.end();
    }
  };
}

/**
 * Streams server-sent events. The turn behind them goes on if the caller goes away, or is no longer signed in.
 * @param work writes the events; its signal aborts when nobody is to get them any more
 * @param failed the event that tells the caller of an error
 * @throws GatewayError `TooManyFollowers`
 */
export function streamTo(
  call: Pick<ProtocolCall, 'context' | 'log' | 'place' | 'isSignedIn' | 'streams'>,
  work: (sse: SSEStreamingApi, left: AbortSignal) => Promise<void>,
  failed: (problem: { readonly type: string; readonly detail: string }) => object,
): Response {
  const { context, log, place, isSignedIn, streams } = call;
  const { running, stopping } = streams;
  const giveBack = place.keep();
  const stream = async (sse: SSEStreamingApi): Promise<void> => {
    const left = new AbortController();
    const stop = (): void => left.abort();
    sse.onAbort(stop);
    stopping.addEventListener('abort', stop);
    const keepAlive = setInterval(() => {
      void sse.write(':\n\n');
      void isSignedIn().then((isStill) => isStill || left.abort());
    }, KEEP_ALIVE_MS);
    try {
      await Promise.race([work(sse, left.signal), aborted(left.signal)]);
    } catch (error) {
      if (left.signal.aborted && !stopping.aborted) return;
      if (!stopping.aborted) log.warn({ err: error, path: context.req.path }, 'an event stream failed');
      await sse.writeSSE({ data: JSON.stringify(failed(stopping.aborted ? STOPPING : (problemOf(error) ?? FAILED))) });
    } finally {
      clearInterval(keepAlive);
      stopping.removeEventListener('abort', stop);
      giveBack();
    }
  };
  return streamSSE(context, async (sse) => {
    const streaming = stream(sse);
    running.add(streaming);
    await streaming.finally(() => running.delete(streaming));
  });
}

async function aborted(signal: AbortSignal): Promise<never> {
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  throw signal.reason;
}

const FAILED = { type: 'Internal', detail: 'The gateway failed. Its log says why.' };
const STOPPING = { type: 'Stopping', detail: 'The gateway stops. The turn goes on; ask for it again.' };

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
