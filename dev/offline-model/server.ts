/**
 * The embedded model behind the HTTP API of a real one, so that the same client speaks to both. It keeps nothing
 * between requests: any number of workers can use one, or each its own. What it can do stands in `offline/model.ts`.
 */
import { startChatServer, type ChatServer } from './chat-server.ts';
import { OFFLINE_MODEL, offlineReply } from './model.ts';
import { parseChatRequest, sendReply } from './wire.ts';

export interface OfflineModelOptions {
  /** On 127.0.0.1. Default: a free one. */
  readonly port?: number;
  /** Pause before each word of a text, in milliseconds. Default 0. */
  readonly wordDelayMs?: number;
}

/** @throws the error of `listen`, such as EADDRINUSE */
export async function startOfflineModel({ port, wordDelayMs = 0 }: OfflineModelOptions = {}): Promise<ChatServer> {
  return await startChatServer({
    ...(port === undefined ? {} : { port }),
    model: OFFLINE_MODEL,
    async onChat({ body, response }) {
      const chat = parseChatRequest(body);
      await sendReply(response, chat, offlineReply(chat, wordDelayMs));
    },
  });
}
