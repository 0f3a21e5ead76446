/** A provider before a scripted server of chat completions, new for each test. */
import type { ModelMessage, ModelReply, ModelRequest, Provider } from '../../src/models/model.ts';
import { openAi } from '../../src/models/openai/provider.ts';
import { type ApiAnswer, type ApiRequest, type ApiServer, NOTHING_SCRIPTED, startApiServer } from './api-server.ts';

export const HELLO: readonly ModelMessage[] = [{ role: 'user', text: 'Hello' }];

export interface ChatWorld {
  /** Set by each test. `call` counts from 1. */
  respond: (request: ApiRequest, call: number) => ApiAnswer;
  readonly requests: readonly ApiRequest[];
  /** What the provider learnt to do without. */
  readonly lessons: readonly string[];
  /** Asks the model `m`; `more` changes the request. */
  ask(more?: Partial<ModelRequest>): Promise<ModelReply>;
}

/** Call it in a `describe`. */
export function useChatServer(): ChatWorld {
  let server: ApiServer;
  let provider: Provider;
  let lessons: string[];

  beforeEach(async () => {
    lessons = [];
    server = await startApiServer((request, call) => world.respond(request, call));
    provider = openAi({ baseUrl: `${server.url}/v1`, name: 'local' });
  });
  afterEach(async () => {
    await provider.close();
    await server.close();
  });

  const world: ChatWorld = {
    respond: () => NOTHING_SCRIPTED,
    get requests() {
      return server.requests;
    },
    get lessons() {
      return lessons;
    },
    ask: (more = {}) =>
      provider.model('m').reply({
        system: 'Be brief.',
        messages: HELLO,
        signal: AbortSignal.timeout(5_000),
        onLesson: ({ gaveUp }) => lessons.push(gaveUp),
        ...more,
      }),
  };
  return world;
}
