/**
 * A script for sessions as long as one likes: a message is answered by the name in it, such as `[a-17]`. The model notes
 * when it was asked about which message, and keeps nothing else.
 */
import { type ModelServer, startModelServer } from './model-server.ts';
import { readCall } from './team-script.ts';

export interface EchoModel extends Pick<ModelServer, 'baseUrl' | 'close'> {
  /** By the name of the message: when its calls began, in ms since the epoch. */
  readonly calls: ReadonlyMap<string, readonly number[]>;
  /** Summaries that it was asked for. */
  readonly summaries: number;
}

export async function startEchoModel(): Promise<EchoModel> {
  const calls = new Map<string, number[]>();
  let summaries = 0;
  const server = await startModelServer({ keepsRequests: false });
  server.respond((request) => {
    const [system, last] = [...request.messages.slice(0, 1), ...request.messages.slice(-1)];
    const call = readCall({ ...request, messages: [system, last].flatMap((message) => message ?? []) });
    if (call.phase === 'summary') return { text: `summary ${(summaries += 1)}` };
    const name = nameIn(call.last);
    if (name === undefined) return undefined;
    calls.set(name, [...(calls.get(name) ?? []), Date.now()]);
    return { text: echo(call.last), withoutUsage: true };
  });
  return {
    baseUrl: server.baseUrl,
    calls,
    get summaries() {
      return summaries;
    },
    close: () => server.close(),
  };
}

/** What a message `[a-17] …` is answered with. */
export function echo(message: string): string {
  return `answer to ${message}`;
}

/** `a-17` of `[a-17] …`. */
function nameIn(message: string): string | undefined {
  return /^\[([^\]]+)\]/.exec(message)?.[1];
}
