/** What a session tells: reading it changes nothing. */
import type {
  Change,
  ContextDiff,
  ContextPoint,
  ContextSize,
  ContextView,
  SnapshotInfo,
} from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { SessionExport } from '../../contracts/export.ts';
import type { Usage } from '../../contracts/json.ts';
import * as messages from '../../contracts/messages.ts';
import type { LoadedSession, PlanView, TranscriptPage } from '../../contracts/messages.ts';
import type { DecidedRequest, PendingRequest } from '../../contracts/request.ts';
import type { TurnView } from '../../contracts/turn.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { follow, type FollowEvent, type FollowOptions } from '../follow/follower.ts';
import {
  querySession,
  describeSession,
  type ListedStatus,
  readResult,
  type SessionDescription,
  type SessionReport,
} from './session-queries.ts';
import { contextPoint } from '../session/context-changes.ts';
import { wholeExport, wholeTranscript } from './whole-conversation.ts';
import { queryContextDiff } from './snapshots.ts';

/** The reading half of a session's handle. */
export class SessionReader {
  readonly id: string;
  /** Address of the session in the Web UI, where that is known. */
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
   * What `save` replaces, with the version that it has.
   * @throws CopilotError `WrongState` where the session is closed, `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async load({ signal }: { signal?: AbortSignal } = {}): Promise<LoadedSession> {
    const { status } = await describeSession(this.#link, this.id, { signal });
    if (status !== undefined) throw this.#notLoadable(status);
    const loaded = await querySession(this.#link, this.id, messages.load, [], { signal });
    if (loaded.status === 'active' || loaded.status === 'suspended') return loaded;
    throw this.#notLoadable(loaded.status);
  }

  /**
   * The whole session as one JSON value, open or closed, for `CopilotClient.import`. What runs or waits, ephemeral
   * values and files of the workspace are not in it. Messages that a summary stands for are, as far back as the
   * server still has them.
   * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async export({ signal }: { signal?: AbortSignal } = {}): Promise<SessionExport> {
    return await wholeExport(this.#link, this.id, { signal });
  }

  /**
   * Everything about the session but its conversation. Of a completed or expired one it needs no worker.
   * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async info({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<SessionReport> {
    const { status, pendingCalls } = await describeSession(this.#link, this.id, { signal });
    if (status === 'completed' || status === 'expired') {
      return { ...(await readResult(this.#link, this.id, { signal })).info, pendingCalls };
    }
    const info = await querySession(this.#link, this.id, messages.info, [], { signal });
    return { ...info, ...(status === undefined ? {} : { status }), pendingCalls };
  }

  /**
   * What the server knows of the session, without a worker.
   * @throws CopilotError `SessionNotFound`, `ServerUnreachable`
   */
  async describe({ signal }: { signal?: AbortSignal } = {}): Promise<SessionDescription> {
    return await describeSession(this.#link, this.id, { signal });
  }

  /**
   * Messages of the live conversation from index `from` on. With `all`, of the whole one: with the messages
   * themselves that a summary stands for, as far back as the server still has them.
   */
  async transcript({
    from = 0,
    all = false,
    signal,
  }: { from?: number; all?: boolean; signal?: AbortSignal } = {}): Promise<TranscriptPage> {
    if (all) return await wholeTranscript(this.#link, this.id, { from, signal });
    return await querySession(this.#link, this.id, messages.transcript, [from], { signal });
  }

  /** The newest turns with a number of at least `from`, and those that wait. */
  async turns({ from = 0, signal }: { from?: number; signal?: AbortSignal | undefined } = {}): Promise<
    readonly TurnView[]
  > {
    return await querySession(this.#link, this.id, messages.turns, [from], { signal });
  }

  /** The plan of the latest turn that has one. */
  async plan({ signal }: { signal?: AbortSignal } = {}): Promise<PlanView | null> {
    return await querySession(this.#link, this.id, messages.plan, [], { signal });
  }

  async context({ signal }: { signal?: AbortSignal } = {}): Promise<ContextView> {
    return await querySession(this.#link, this.id, messages.context, [], { signal });
  }

  /** Snapshots of the context, oldest first, without their data. */
  async snapshots({ signal }: { signal?: AbortSignal } = {}): Promise<readonly SnapshotInfo[]> {
    return await querySession(this.#link, this.id, messages.snapshots, [], { signal });
  }

  /** The newest changes of the context, oldest first. */
  async changes({ signal }: { signal?: AbortSignal } = {}): Promise<readonly Change[]> {
    return await querySession(this.#link, this.id, messages.changes, [], { signal });
  }

  /** Sizes of the context in bytes, by key and in all. */
  async contextSize({ signal }: { signal?: AbortSignal } = {}): Promise<ContextSize> {
    return await querySession(this.#link, this.id, messages.contextSize, [], { signal });
  }

  /**
   * What differs between two snapshots, or a snapshot and the present context.
   * @throws CopilotError `SnapshotNotFound`
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
   * What waits for a person, oldest first.
   * @throws as `info`
   */
  async requests({ signal }: { signal?: AbortSignal } = {}): Promise<readonly PendingRequest[]> {
    return (await this.info({ signal })).pendingApprovals;
  }

  /** The 50 newest requests that were decided, expired or withdrawn, oldest first: who decided what, and when. */
  async decisions({ signal }: { signal?: AbortSignal } = {}): Promise<readonly DecidedRequest[]> {
    return await querySession(this.#link, this.id, messages.decisions, [], { signal });
  }

  async usage({ signal }: { signal?: AbortSignal } = {}): Promise<{
    total: Usage;
    byAgent: Readonly<Record<string, Usage>>;
  }> {
    return await querySession(this.#link, this.id, messages.usage, [], { signal });
  }

  /**
   * Number of the next event: `follow({ from })` with it gives what happens from now on, whenever it begins.
   * With `withTurn`, number of the first event of the turn that has begun and not ended, where there is one.
   */
  async position({ withTurn = false, signal }: { withTurn?: boolean; signal?: AbortSignal } = {}): Promise<number> {
    const from = withTurn ? 0 : Number.MAX_SAFE_INTEGER;
    const { next, events } = await querySession(this.#link, this.id, messages.progress, [from], { signal });
    const latest = events.findLast(({ type }) => type === 'turn-started' || type === 'turn-ended');
    return latest?.type === 'turn-started' ? latest.seq : next;
  }

  /** What happens in the session, with the text of its models as it comes: see {@link follow}. */
  follow(options: FollowOptions = {}): AsyncGenerator<FollowEvent, void, undefined> {
    return follow(this.#link, this.id, options);
  }

  #notLoadable(status: ListedStatus): CopilotError {
    const wayOut = `What still works: info, export and fork (copilot show, export or fork ${this.id}).`;
    return new CopilotError('WrongState', { needs: 'active or suspended', status, wayOut });
  }
}
