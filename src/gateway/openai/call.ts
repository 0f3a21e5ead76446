/** What the requests of the OpenAI API are handled with. */
import type { Context } from 'hono';
import type { CopilotClient, SessionHandle } from '../../client.ts';
import { parseJson } from '../../contracts/json.ts';
import type { Principal, Right } from '../principals/principal.ts';

export interface Caller {
  readonly client: CopilotClient;
  readonly principal: Principal;
  /** Aborts when the caller goes away. */
  readonly signal: AbortSignal;
}

export interface OpenAiCall extends Caller {
  readonly context: Context;
  /** A session that the caller has this right to. */
  readonly find: (sessionId: string, right: Right) => Promise<SessionHandle>;
}

/** Signs the caller in before the work. */
export type Handle = (work: (call: OpenAiCall) => Promise<Response>) => (context: Context) => Promise<Response>;

/** The body of a request. What is wrong with it is said by whoever checks it. */
export async function bodyOf({ req }: Context): Promise<unknown> {
  const text = await req.text();
  return text === '' ? {} : parseJson(text);
}
