/** Sessions of a real worker whose models a scripted HTTP server plays. */
import type { TurnView, SessionHandle } from '../../src/client.ts';
import { type ApiAnswer, type ApiRequest, type ApiServer, startApiServer } from './api-server.ts';
import { startWorldOf, type TeamChanges } from './own-team.ts';
import type { World, WorldOptions } from './world.ts';

/** `call` counts from 1 for each `ask`. */
export type Respond = (request: ApiRequest, call: number) => ApiAnswer | Promise<ApiAnswer>;

export interface ServerSessions {
  readonly world: World;
  readonly api: ApiServer;
  /** One turn of a new session, or of a given one, and the requests that it made. */
  ask(respond: Respond, question?: Question): Promise<Asked>;
}

export interface Question {
  readonly text?: string;
  /** Default `one-shot`. */
  readonly mode?: string;
  readonly team?: string;
  readonly session?: SessionHandle;
}

export interface Asked {
  readonly session: SessionHandle;
  readonly turn: TurnView;
  readonly bodies: readonly ApiRequest['body'][];
}

/** Call it in a `describe`. */
export function useServerSessions(
  teams: Readonly<Record<string, TeamChanges>>,
  options: WorldOptions = {},
): ServerSessions {
  let respond: Respond;
  let from = 0;
  let api: ApiServer;
  let world: World;

  before(async () => {
    api = await startApiServer((request) => respond(request, api.requests.length - from));
    world = await startWorldOf(teams, { ...options, env: { OPENAI_BASE_URL: `${api.url}/v1`, ...options.env } });
  });
  after(async () => {
    await world.stop();
    await api.close();
  });

  return {
    get world() {
      return world;
    },
    get api() {
      return api;
    },
    async ask(given, { text = 'What is 19 * 23?', mode = 'one-shot', team = 'default', session: own } = {}) {
      respond = given;
      from = api.requests.length;
      const session = own ?? (await world.copilot.create({ mode, team }));
      const turn = await session.send(text);
      return { session, turn, bodies: api.requests.slice(from).map(({ body }) => body) };
    },
  };
}

/** What the tools of a request gave. */
export function resultsIn(body: ApiRequest['body']): string[] {
  return body.messages
    .filter(({ role }: { role: string }) => role === 'tool')
    .map(({ content }: { content: string }) => content);
}
