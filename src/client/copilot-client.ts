/** The client library: sessions as objects, over one connection to a Temporal server. */
import { type ConnectOptions, ServerLink } from '../connection/server-link.ts';
import { createSession, type CreateOptions } from './creation/create-session.ts';
import type { ListedStatus } from './reading/session-queries.ts';
import { type Inbox, type InboxFilter, readInbox } from './listing/inbox.ts';
import { checkInput } from './checked-input.ts';
import {
  countByStatus,
  countSessions,
  type ListFilter,
  listSessions,
  type SessionPage,
} from './listing/session-list.ts';
import { SessionHandle } from './session/session-handle.ts';
import { TeamDirectory } from './creation/team-directory.ts';
import { importSession, type ImportOptions } from './creation/import-session.ts';
import { SessionId } from '../contracts/session.ts';

/**
 * Owns a connection; close it when done.
 *
 *     const client = await CopilotClient.connect();
 *     const session = await client.create({ message: 'Hello' });
 *     const turn = await session.send('What did I say?');
 *     await client.close();
 */
export class CopilotClient {
  readonly #link: ServerLink;
  readonly #teams: TeamDirectory;

  private constructor(link: ServerLink) {
    this.#link = link;
    this.#teams = new TeamDirectory(link);
  }

  /** @throws CopilotError `ServerUnreachable` after 3 s, `InvalidConfig` */
  static async connect(options: ConnectOptions = {}): Promise<CopilotClient> {
    return new CopilotClient(await ServerLink.open(options));
  }

  /** `host:port` of the server. */
  get address(): string {
    return this.#link.server.address;
  }

  get namespace(): string {
    return this.#link.namespace;
  }

  /** The Web UI, where it is known: COPILOT_UI_URL, else that of a server which this program started in this home folder. */
  get uiUrl(): string | undefined {
    return this.#link.server.uiUrl;
  }

  /**
   * Starts a session, with its first message where there is one.
   * @throws CopilotError `InvalidInput`, `UnknownMode`, `TeamNotFound`, `InvalidTeam`, `SessionExists`, `NoWorker`, `ServerUnreachable`
   */
  async create(options: CreateOptions = {}): Promise<SessionHandle> {
    const { id, existed, messageId } = await createSession(this.#link, this.#teams, options);
    const session = new SessionHandle(this.#link, id);
    if (existed && options.message !== undefined) await session.send(options.message, { messageId, wait: false });
    return session;
  }

  /**
   * Makes a session of an exported one: it goes on where that one was, also when that one is gone.
   * @param file what `SessionHandle.export` gave
   * @throws CopilotError `InvalidInput` that names the field, `SessionExists`, `ServerUnreachable`
   */
  async import(file: unknown, options: ImportOptions = {}): Promise<SessionHandle> {
    return new SessionHandle(this.#link, await importSession(this.#link, file, options));
  }

  /**
   * The session of this id, whether there is one or not.
   * @throws CopilotError `InvalidInput` for what cannot be an id
   */
  session(id: string): SessionHandle {
    return new SessionHandle(this.#link, checkInput(SessionId, id, 'session id'));
  }

  /**
   * Sessions, newest updated first. A session that was just created or changed may take a moment to show so.
   * @throws CopilotError `InvalidInput`, `ServerUnreachable`
   */
  async list(filter: ListFilter = {}): Promise<SessionPage> {
    return await listSessions(this.#link, filter);
  }

  /** @throws CopilotError `InvalidInput`, `ServerUnreachable` */
  async count(filter: Omit<ListFilter, 'limit' | 'after'> = {}): Promise<number> {
    return await countSessions(this.#link, filter);
  }

  /** @throws CopilotError `InvalidInput`, `ServerUnreachable` */
  async countByStatus(
    filter: Omit<ListFilter, 'limit' | 'after' | 'status'> = {},
  ): Promise<Record<ListedStatus, number>> {
    return await countByStatus(this.#link, filter);
  }

  /**
   * What waits for people in all open sessions, oldest first. A request that was just made or decided may take a
   * moment to show so. Sessions whose worker is away are named apart, and cost no error.
   * @throws CopilotError `InvalidInput`, `ServerUnreachable`
   */
  async inbox(filter: InboxFilter = {}): Promise<Inbox> {
    return await readInbox(this.#link, filter);
  }

  /** Calls that are under way end with CopilotError `InvalidInput`; what the server has taken goes on. */
  async close(): Promise<void> {
    await this.#link.close();
  }
}
