/**
 * A model that answers a message by the name in it, such as `[a-17]`, and sums up when it is asked to. It notes when it
 * was asked about which message and keeps nothing else, so that a session may be as long as one likes.
 */
import { startChatServer } from '../../dev/offline-model/chat-server.ts';
import { type ChatRequest, sendReply, WireError } from '../../dev/offline-model/wire.ts';
import { readCall } from './team-script.ts';

export interface EchoModel {
  readonly baseUrl: string;
  /** By the name of the message: when its calls began, in ms since the epoch. */
  readonly calls: ReadonlyMap<string, readonly number[]>;
  /** Summaries that it was asked for. */
  readonly summaries: number;
  close(): Promise<void>;
}

export async function startEchoModel(): Promise<EchoModel> {
  const calls = new Map<string, number[]>();
  let summaries = 0;
  const server = await startChatServer({
    model: 'echo',
    onChat: async ({ body, response }) => {
      const request = body as ChatRequest; // of our own client, which other tests check
      const { phase, last } = readCall({
        ...request,
        messages: [...request.messages.slice(0, 1), ...request.messages.slice(-1)],
      });
      if (phase === 'summary') {
        summaries += 1;
        return sendReply(response, request, { model: 'echo', text: `summary ${summaries}`, toolCalls: [] });
      }
      const name = nameIn(last);
      if (name === undefined) throw new WireError(400, `A message without a name: ${last.slice(0, 100)}`);
      calls.set(name, [...(calls.get(name) ?? []), Date.now()]);
      await sendReply(response, request, { model: 'echo', text: echo(last), toolCalls: [], withoutUsage: true });
    },
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
export function nameIn(message: string): string | undefined {
  return /^\[([^\]]+)\]/.exec(message)?.[1];
}
