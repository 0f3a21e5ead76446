/** What the requests of other protocols are handled with. */
import type { Context } from 'hono';
import type { CopilotClient, SessionHandle } from '../client.ts';
import { parseJson } from '../contracts/json.ts';
import { authorize } from './authorize.ts';
import type { Principal, Right } from './principals/principal.ts';

export interface Caller {
  readonly client: CopilotClient;
  readonly principal: Principal;
  /** Aborts when the caller goes away. */
  readonly signal: AbortSignal;
}

export interface ProtocolCall extends Caller {
  readonly context: Context;
  /** A session that the caller has this right to. */
  readonly find: (sessionId: string, right: Right) => Promise<SessionHandle>;
}

/** Signs the caller in before the work. */
export type Handle = (work: (call: ProtocolCall) => Promise<Response>) => (context: Context) => Promise<Response>;

export interface HandlerParts {
  readonly client: CopilotClient;
  /** @throws GatewayError `Unauthorized` */
  readonly signIn: (context: Context) => Promise<Principal>;
}

export function handler({ client, signIn }: HandlerParts): Handle {
  return (work) => async (context) => {
    const principal = await signIn(context);
    const { signal } = context.req.raw;
    const find = async (id: string, right: Right): Promise<SessionHandle> => {
      const found = client.session(id);
      await authorize(principal, right, found, signal);
      return found;
    };
    return await work({ client, principal, signal, context, find });
  };
}

/** The body of a request. What is wrong with it is said by whoever checks it. */
export async function bodyOf({ req }: Context): Promise<unknown> {
  const text = await req.text();
  return text === '' ? {} : parseJson(text);
}
