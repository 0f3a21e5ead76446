/** The client library: sessions as objects, over one connection to a Temporal server. */
import { describeGuess } from '../connection/address/server-address.ts';
import { type ConnectOptions, ServerLink } from '../connection/server-link.ts';
import type { SessionExport } from '../contracts/export.ts';
import { FoundId } from '../contracts/session.ts';
import { checkInput } from './checked-input.ts';
import { createSession, type CreateOptions } from './creation/create-session.ts';
import { checkExport, type Imported, importSession, type ImportOptions } from './creation/import-session.ts';
import { TeamDirectory } from './creation/team-directory.ts';
import { type Inbox, type InboxFilter, readInbox } from './listing/inbox.ts';
import {
  countByStatus,
  countSessions,
  type ListFilter,
  listSessions,
  type SessionPage,
} from './listing/session-list.ts';
import type { ListedStatus } from './reading/session-queries.ts';
import { download } from './session/files.ts';
import { SessionHandle } from './session/session-handle.ts';
import { Webhooks } from './webhooks.ts';

/** A session with what its file would be allowed by its own word. */
export type ImportedSession = SessionHandle & Pick<Imported, 'grants'>;

/**
 * A connection to a Temporal server, and the sessions there. Close it when you are done.
 *
 *     const client = await CopilotClient.connect();
 *     const session = await client.create({ message: 'Hello' });
 *     const turn = await session.send('What did I say?');
 *     await client.close();
 */
export class CopilotClient {
  readonly #link: ServerLink;
  readonly #teams: TeamDirectory;
  /** Webhooks that tell what happens in sessions. */
  readonly webhooks: Webhooks;

  private constructor(link: ServerLink) {
    this.#link = link;
    this.#teams = new TeamDirectory(link);
    this.webhooks = new Webhooks(link);
  }

  /**
   * Connects to a server. Workers need not run yet.
   * @throws CopilotError `ServerUnreachable` after 3 s; `WrongConnection`, which names the setting of TLS or the API key
   *   that is wrong; `InvalidConfig`
   */
  static async connect(options: ConnectOptions = {}): Promise<CopilotClient> {
    return new CopilotClient(await ServerLink.open(options));
  }

  /** `host:port` of the server. */
  get address(): string {
    return this.#link.server.address;
  }

  /**
   * One sentence for people if nobody named the server: which one is used, and why. While the server of the home folder
   * is down, calls that change something throw CopilotError `HomeServerDown`.
   */
  get guess(): string | undefined {
    return describeGuess(this.#link.server);
  }

  /** Temporal namespace of the sessions. */
  get namespace(): string {
    return this.#link.namespace;
  }

  /** Address of the Web UI: COPILOT_UI_URL, else that of a server which was started from this home folder. */
  get uiUrl(): string | undefined {
    return this.#link.server.uiUrl;
  }

  /**
   * Creates a session, optionally with its first message, and does not wait for a turn. If anything is wrong, nothing
   * is left behind.
   * @throws CopilotError `InvalidInput`, `UnknownMode`, `TeamNotFound`, `InvalidTeam`, `SessionExists`, `NoWorker`,
   *   `ServerUnreachable`
   */
  async create(options: CreateOptions = {}): Promise<SessionHandle> {
    const { id, existed, messageId } = await createSession(this.#link, this.#teams, options);
    const session = new SessionHandle(this.#link, id);
    if (existed && options.message !== undefined) await session.send(options.message, { messageId, wait: false });
    return session;
  }

  /**
   * Creates a session that continues where an exported one stopped. The old session need not exist any more. What the
   * file would be allowed by its own word is left out unless you pass `trust`; `grants` of the result lists it.
   * @param file what `SessionHandle.export` gave
   * @throws CopilotError `InvalidInput` that names the field, `SessionExists`, `ServerUnreachable`
   */
  async import(file: unknown, options: ImportOptions = {}): Promise<ImportedSession> {
    const { id, grants } = await importSession(this.#link, file, options);
    return Object.assign(new SessionHandle(this.#link, id), { grants });
  }

  /**
   * The export that the workers' archive has of a closed session, for `import`: also if the server has forgotten it.
   * @throws CopilotError `FileNotFound` if the archive has none, `NoWorker`, `ServerUnreachable`
   */
  async archived(id: string, { signal }: { signal?: AbortSignal } = {}): Promise<SessionExport> {
    const sessionId = checkInput(FoundId, id, 'session id');
    const content = await download(this.#link, { sessionId }, undefined, { signal });
    return checkExport(JSON.parse(Buffer.from(content).toString()));
  }

  /**
   * A handle for the session with this id. It sends nothing; if there is no such session, the handle's first call says
   * so.
   * @throws CopilotError `InvalidInput` if the text cannot be an id
   */
  session(id: string): SessionHandle {
    return new SessionHandle(this.#link, checkInput(FoundId, id, 'session id'));
  }

  /**
   * One page of sessions, newest updated first. The server's lists follow a change after a moment. While turns of a
   * session follow each other quickly, its times in lists may be up to 15 s early, and stay so until it changes again.
   * @throws CopilotError `InvalidInput`, `ServerUnreachable`
   */
  async list(filter: ListFilter = {}): Promise<SessionPage> {
    return await listSessions(this.#link, filter);
  }

  /**
   * The number of sessions that match the filter.
   * @throws CopilotError `InvalidInput`, `ServerUnreachable`
   */
  async count(filter: Omit<ListFilter, 'limit' | 'after'> = {}): Promise<number> {
    return await countSessions(this.#link, filter);
  }

  /**
   * The number of sessions of each status.
   * @throws CopilotError `InvalidInput`, `ServerUnreachable`
   */
  async countByStatus(
    filter: Omit<ListFilter, 'limit' | 'after' | 'status'> = {},
  ): Promise<Record<ListedStatus, number>> {
    return await countByStatus(this.#link, filter);
  }

  /**
   * The requests that wait for people in all open sessions, oldest first. The server's lists follow a change after a
   * moment. Sessions whose worker is away are listed apart and cause no error.
   * @throws CopilotError `InvalidInput`, `ServerUnreachable`
   */
  async inbox(filter: InboxFilter = {}): Promise<Inbox> {
    return await readInbox(this.#link, filter);
  }

  /** Whether the server answers now, within a second. */
  async serverAnswers(): Promise<boolean> {
    return await this.#link.answers();
  }

  /** Closes the connection. Running calls end with CopilotError `InvalidInput`; what the server has accepted goes on. */
  async close(): Promise<void> {
    await this.#link.close();
  }
}
