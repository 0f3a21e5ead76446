/** The calls that read a session. None of them changes it. */
import type {
  Change,
  ContextDiff,
  ContextPoint,
  ContextSize,
  ContextState,
  ContextView,
  Snapshot,
  SnapshotInfo,
  SnapshotRef,
} from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { SessionExport } from '../../contracts/export.ts';
import type { Json, Usage } from '../../contracts/json.ts';
import * as messages from '../../contracts/messages.ts';
import type { LoadedSession, PlanView, TranscriptPage } from '../../contracts/messages.ts';
import { DEFAULT_IDLE_TIMEOUT_MS } from '../../contracts/limits.ts';
import type { SessionInfo } from '../../contracts/session.ts';
import type { DecidedRequest, PendingRequest } from '../../contracts/request.ts';
import type { TurnView } from '../../contracts/turn.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { followSession, type Following, type FollowOptions } from '../follow/follower.ts';
import { askAttached } from './presence.ts';
import type { AttachedClient, AttachPayload } from '../../contracts/attached.ts';
import {
  querySession,
  describeSession,
  type ListedStatus,
  readResult,
  type SessionDescription,
  type SessionReport,
} from './session-queries.ts';
import { isCutOff, readTurns, withoutWork } from './cut-off.ts';
import { contextValue } from './context-value.ts';
import { contextPoint, snapshotRef } from '../session/context-changes.ts';
import { wholeExport, wholeTranscript } from './whole-conversation.ts';
import { queryContextDiff, querySnapshot } from './snapshots.ts';

/** When an idle session expires. */
function expiryOf({ status, phase, queueLength, lastActiveAt, config }: SessionInfo): string | null {
  const { idleTimeoutMs = DEFAULT_IDLE_TIMEOUT_MS } = config;
  const isIdle = status === 'active' && queueLength === 0 && (phase === 'idle' || phase === 'init');
  return isIdle && idleTimeoutMs !== null ? new Date(Date.parse(lastActiveAt) + idleTimeoutMs).toISOString() : null;
}

/** The reading half of a {@link SessionHandle}. Unless noted, its calls need a worker. */
export class SessionReader {
  /** Id of the session. */
  readonly id: string;
  /** Address of the session in the Web UI, if the Web UI is known. */
  readonly webUrl: string | undefined;
  readonly #link: ServerLink;

  constructor(link: ServerLink, id: string) {
    const { uiUrl } = link.server;
    this.#link = link;
    this.id = id;
    this.webUrl =
      uiUrl === undefined
        ? undefined
        : `${uiUrl}/namespaces/${encodeURIComponent(link.namespace)}/workflows/${encodeURIComponent(id)}`;
  }

  /**
   * What `save` replaces, with the current version.
   * @throws CopilotError `WrongState` if the session is closed, `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async load({ signal }: { signal?: AbortSignal } = {}): Promise<LoadedSession> {
    const { status } = await describeSession(this.#link, this.id, { signal });
    if (status !== undefined) throw this.#notLoadable(status);
    const loaded = await querySession(this.#link, this.id, messages.load, [], { signal });
    if (loaded.status === 'active' || loaded.status === 'suspended') return loaded;
    throw this.#notLoadable(loaded.status);
  }

  /**
   * The whole session, open or closed, as one JSON value for `CopilotClient.import`. It includes messages that a summary
   * has replaced, as far back as the server still has them. It does not include running and queued turns, ephemeral
   * values and files of the workspace.
   * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async export({ signal }: { signal?: AbortSignal } = {}): Promise<SessionExport> {
    return await wholeExport(this.#link, this.id, { signal });
  }

  /**
   * Everything about the session except its conversation. For a completed or expired session no worker is needed.
   * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async info({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<SessionReport> {
    const { status, pendingCalls, outsideActs } = await describeSession(this.#link, this.id, { signal });
    if (status === 'completed' || status === 'expired') {
      const { info } = await readResult(this.#link, this.id, { signal });
      return { ...info, pendingCalls, outsideActs, expiresAt: null };
    }
    const read = await querySession(this.#link, this.id, messages.info, [], { signal });
    const info = isCutOff(status) ? withoutWork(read) : read;
    const expiresAt = status === undefined ? expiryOf(info) : null;
    return { ...info, ...(status === undefined ? {} : { status }), pendingCalls, outsideActs, expiresAt };
  }

  /**
   * What the server knows about the session. No worker is needed.
   * @throws CopilotError `SessionNotFound`, `ServerUnreachable`
   */
  async describe({ signal }: { signal?: AbortSignal } = {}): Promise<SessionDescription> {
    return await describeSession(this.#link, this.id, { signal });
  }

  /**
   * Messages of the conversation from index `from` on. With `all`, the messages that a summary has replaced are
   * included, as far back as the server still has them, and `from` counts from the first of them.
   * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async transcript({
    from = 0,
    all = false,
    signal,
  }: { from?: number; all?: boolean; signal?: AbortSignal } = {}): Promise<TranscriptPage> {
    if (all) return await wholeTranscript(this.#link, this.id, { from, signal });
    return await querySession(this.#link, this.id, messages.transcript, [from], { signal });
  }

  /**
   * The newest turns with a number of at least `from`, and the queued ones. If the session was terminated or failed while
   * they ran or waited, they are `interrupted`.
   * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async turns({ from = 0, signal }: { from?: number; signal?: AbortSignal | undefined } = {}): Promise<
    readonly TurnView[]
  > {
    return await readTurns(this.#link, this.id, { from, signal });
  }

  /** The plan of the latest turn that has one, or null. @throws as `turns` */
  async plan({ signal }: { signal?: AbortSignal } = {}): Promise<PlanView | null> {
    return await querySession(this.#link, this.id, messages.plan, [], { signal });
  }

  /** The context: its values, version and protected keys. @throws as `turns` */
  async context({ signal }: { signal?: AbortSignal } = {}): Promise<ContextView> {
    return await querySession(this.#link, this.id, messages.context, [], { signal });
  }

  /**
   * One value of the context, or `fallback` if the key has none. A path such as `copilot.plan` reads a part of a value.
   * @throws as `turns`
   */
  async getContext(key: string, fallback?: Json, options: { signal?: AbortSignal } = {}): Promise<Json | undefined> {
    const value = contextValue((await this.context(options)).values, key);
    return value === undefined ? fallback : value;
  }

  /** Whether a key of the context has a value, ephemeral or not. @throws as `turns` */
  async hasContext(key: string, options: { signal?: AbortSignal } = {}): Promise<boolean> {
    return contextValue((await this.context(options)).values, key) !== undefined;
  }

  /**
   * The whole context for `loadContext`: values, snapshots and log, without ephemeral values.
   * @throws as `turns`
   */
  async savedContext({ signal }: { signal?: AbortSignal } = {}): Promise<ContextState> {
    return (await querySession(this.#link, this.id, messages.exportSession, [], { signal })).context;
  }

  /** One snapshot of the context with its data and metadata. @throws CopilotError `SnapshotNotFound`; also as `turns` */
  async getSnapshot(wanted: SnapshotRef, { signal }: { signal?: AbortSignal } = {}): Promise<Snapshot> {
    return await querySnapshot(this.#link, this.id, snapshotRef(wanted), { ...(signal ? { signal } : {}) });
  }

  /** Snapshots of the context, oldest first, without their data. @throws as `turns` */
  async snapshots({ signal }: { signal?: AbortSignal } = {}): Promise<readonly SnapshotInfo[]> {
    return await querySession(this.#link, this.id, messages.snapshots, [], { signal });
  }

  /** The newest changes of the context, at most 200, oldest first. @throws as `turns` */
  async changes({ signal }: { signal?: AbortSignal } = {}): Promise<readonly Change[]> {
    return await querySession(this.#link, this.id, messages.changes, [], { signal });
  }

  /** Size of the context in bytes, by key and in total. @throws as `turns` */
  async contextSize({ signal }: { signal?: AbortSignal } = {}): Promise<ContextSize> {
    return await querySession(this.#link, this.id, messages.contextSize, [], { signal });
  }

  /**
   * The difference between two snapshots, or between a snapshot and the present context.
   * @throws CopilotError `SnapshotNotFound`; also as `turns`
   */
  async contextDiff(
    from: ContextPoint,
    to: ContextPoint = 'present',
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<ContextDiff> {
    const points: [ContextPoint, ContextPoint] = [contextPoint(from, 'from'), contextPoint(to, 'to')];
    return await queryContextDiff(this.#link, this.id, points, { ...(signal ? { signal } : {}) });
  }

  /**
   * The requests that wait for a person, oldest first.
   * @throws as `info`
   */
  async requests({ signal }: { signal?: AbortSignal } = {}): Promise<readonly PendingRequest[]> {
    return (await this.info({ signal })).pendingApprovals;
  }

  /**
   * One request: as long as it waits with all of its arguments or steps, however long they are; afterwards its record.
   * @throws CopilotError `RequestNotFound`, `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async request(
    requestId: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<PendingRequest | DecidedRequest> {
    const found = await querySession(this.#link, this.id, messages.request, [requestId], { signal });
    if (found) return found;
    const waiting = (await this.requests(signal ? { signal } : {})).map(({ id }) => id).join(', ') || 'none';
    throw new CopilotError('RequestNotFound', { requestId, waiting });
  }

  /**
   * The 50 newest requests that were decided, expired or withdrawn, oldest first, each with its decision, person and
   * time.
   * @throws as `turns`
   */
  async decisions({ signal }: { signal?: AbortSignal } = {}): Promise<readonly DecidedRequest[]> {
    return await querySession(this.#link, this.id, messages.decisions, [], { signal });
  }

  /** Tokens, calls and cost of the session, in total and by agent. @throws as `turns` */
  async usage({ signal }: { signal?: AbortSignal } = {}): Promise<{
    total: Usage;
    byAgent: Readonly<Record<string, Usage>>;
  }> {
    return await querySession(this.#link, this.id, messages.usage, [], { signal });
  }

  /**
   * Number of the next event. `follow({ from })` with it gives everything from now on, even if it starts later. With
   * `withTurn` it is the number of the first event of the running turn, if one is running.
   * @throws as `turns`
   */
  async position({ withTurn = false, signal }: { withTurn?: boolean; signal?: AbortSignal } = {}): Promise<number> {
    const from = withTurn ? 0 : Number.MAX_SAFE_INTEGER;
    const { next, events } = await querySession(this.#link, this.id, messages.progress, [from], { signal });
    const latest = events.findLast(({ type }) => type === 'turn-started' || type === 'turn-ended');
    return latest?.type === 'turn-started' ? latest.seq : next;
  }

  /**
   * Follows the session: its events, and the text of its models while they write it. Begins where the session stands at
   * this call, at event `from`, or at the beginning of a turn. Ends when the session has ended (or the turn of `turnId`)
   * or the signal aborts. Waits while server or workers are down.
   * @throws CopilotError `SessionNotFound`; `InvalidInput` if there is no such turn. Both in the iteration.
   */
  follow(options: FollowOptions = {}): Following {
    return followSession(this.#link, this.id, options);
  }

  /**
   * Who follows the session now: with the CLI, by this library, or through a gateway. Known to the worker that holds the
   * session, so one that takes over learns it with the next sign of life, which clients give once a minute; a client without
   * one for five minutes is left out. Nothing of it is in the history.
   * @param signs for programs that follow for others: who is there, and ids of those that have left
   * @throws as `turns`
   */
  async attached({
    here,
    left,
    signal,
  }: Partial<Pick<AttachPayload, 'here' | 'left'>> & { readonly signal?: AbortSignal } = {}): Promise<
    readonly AttachedClient[]
  > {
    return await askAttached(this.#link, this.id, { ...(here && { here }), ...(left && { left }) }, signal);
  }

  #notLoadable(status: ListedStatus): CopilotError {
    const wayOut = `Info, export and fork still work: copilot show, export or fork ${this.id}.`;
    return new CopilotError('WrongState', { needs: 'active or suspended', status, wayOut });
  }
}
