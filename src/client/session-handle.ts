/** One session, from the outside. */
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  Change,
  ContextDiff,
  ContextPoint,
  ContextSize,
  ContextValues,
  ContextView,
  SnapshotInfo,
  SnapshotRef,
} from '../contracts/context.ts';
import { CopilotError } from '../contracts/errors.ts';
import type { SessionExport } from '../contracts/export.ts';
import type { Json, Usage } from '../contracts/json.ts';
import * as messages from '../contracts/messages.ts';
import type { ChangeReport, LoadedSession, PlanView, TranscriptPage } from '../contracts/messages.ts';
import { QueuedMessage } from '../contracts/session.ts';
import { isSettled, type TurnView } from '../contracts/turn.ts';
import type { ServerLink } from './connection.ts';
import { newUlid } from './create.ts';
import { deliver, type DeliveryOptions, submit } from './delivery.ts';
import {
  ask,
  describeSession,
  type ListedStatus,
  readResult,
  type SessionDescription,
  type SessionReport,
} from './reading.ts';
import { follow, type FollowEvent, type FollowOptions } from './follow.ts';
import { checkInput } from './input.ts';
import * as changes from './session/context-changes.ts';
import type { ChangeOptions, MergeContextOptions, SavedSession, SetContextOptions } from './session/context-changes.ts';
import { deleteSession } from './session/deletion.ts';
import { forkSession, type ForkOptions } from './session/fork.ts';
import { contextDiff } from './session/snapshots.ts';

/** How long `complete` waits for the session to close. */
const CLOSE_TIMEOUT_MS = 10_000;

/** How often a turn is looked at where too many wait for turns of its session. */
const LOOK_INTERVAL_MS = 500;

export interface SendOptions {
  /** The same id is the same message, however often and by whomever it is sent. Default: a new one. */
  readonly messageId?: string | undefined;
  /** Ends the waiting, not the turn. */
  readonly signal?: AbortSignal | undefined;
  /** Whether to wait for the turn's outcome, or only until the session has the message for good. Default true. */
  readonly wait?: boolean | undefined;
  /** Gives up after so long without server or worker, in ms. Default 60,000. */
  readonly retryForMs?: number | undefined;
}

export interface StatusReport {
  /** Whether this call changed anything. */
  readonly changed: boolean;
  readonly status: ListedStatus;
}

/**
 * One session by its id. Making one sends nothing: a session that does not exist shows itself as
 * `SessionNotFound` with the first call.
 */
export class SessionHandle {
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
   * Sends a message, exactly once, and gives its turn. The turn is settled unless `wait` is false:
   * completed, failed, interrupted, suspended, or waiting for a person.
   * @throws CopilotError `InvalidInput`, `SessionNotFound`, `SessionClosed`, `WrongState` (suspended), `QueueFull`,
   *   `NoWorker`, `ServerUnreachable`
   */
  async send(text: string, options: SendOptions = {}): Promise<TurnView> {
    const { messageId = newUlid(), signal, retryForMs, wait = true } = options;
    const message = checkInput(QueuedMessage, { messageId, text }, '');
    const delivery = { updateId: messageId, signal, retryForMs };
    if (wait) return await this.#settle(await deliver(this.#link, this.id, messages.send, message, delivery), options);
    await submit(this.#link, this.id, messages.send, message, delivery);
    const turn = (await this.turns({ signal })).find((candidate) => candidate.messageId === messageId);
    // Ended long ago and forgotten by the session: the message had been sent before.
    return turn ?? (await deliver(this.#link, this.id, messages.send, message, delivery));
  }

  /**
   * Waits until the turn is settled.
   * @throws CopilotError `InvalidInput` where there is no such turn, `SessionNotFound`, `SessionClosed`, `NoWorker`, `ServerUnreachable`
   */
  async awaitTurn(turnId: string, options: Pick<SendOptions, 'signal' | 'retryForMs'> = {}): Promise<TurnView> {
    const payload = checkInput(messages.AwaitTurnPayload, { turnId }, '');
    for (;;) {
      const view = await this.#waitOnce(payload, options);
      if (view && isSettled(view.status)) return view;
      if (!view) await sleep(LOOK_INTERVAL_MS, undefined, { ...(options.signal ? { signal: options.signal } : {}) });
    }
  }

  /** Lets the running activity end, unless `now`, and starts nothing new. */
  async suspend({
    reason,
    now = false,
    signal,
  }: { reason?: string; now?: boolean; signal?: AbortSignal } = {}): Promise<StatusReport> {
    const report = await this.#changeStatus(
      { status: 'suspended', ...(reason === undefined ? {} : { reason }) },
      signal,
    );
    if (now && report.status === 'suspended') {
      // The update says what holds; only the signal can stop what runs.
      await this.#call(() => this.#link.client.workflow.getHandle(this.id).signal(messages.suspend, { now }), signal);
    }
    return report;
  }

  /**
   * Takes up a suspended session where it stopped, or the failed step of its last turn, and then sends the message.
   * @throws as `send`
   */
  async continue({
    message,
    messageId,
    signal,
  }: { message?: string; messageId?: string; signal?: AbortSignal } = {}): Promise<
    StatusReport & { readonly turn?: TurnView }
  > {
    const text = message === undefined ? undefined : checkInput(QueuedMessage.shape.text, message, 'message');
    const report = await this.#changeStatus({ status: 'active' }, signal);
    return text === undefined ? report : { ...report, turn: await this.send(text, { messageId, signal, wait: false }) };
  }

  /** Ends the running turn with the text that it has; the session goes on. */
  async interrupt({ reason, signal }: { reason?: string; signal?: AbortSignal } = {}): Promise<StatusReport> {
    const payload = checkInput(messages.InterruptPayload, reason === undefined ? {} : { reason }, '');
    return await this.#unlessClosed(deliver(this.#link, this.id, messages.interrupt, payload, { signal }));
  }

  /** Ends the session, and waits until it has left its export in the archive. Reading it still works. */
  async complete({ signal }: { signal?: AbortSignal } = {}): Promise<StatusReport> {
    const report = await this.#changeStatus({ status: 'completed' }, signal);
    // What is decided is durable; where no worker is there to archive it, it closes when one comes.
    await readResult(this.#link, this.id, { signal, timeoutMs: CLOSE_TIMEOUT_MS }).catch(() =>
      signal?.throwIfAborted(),
    );
    return report;
  }

  /**
   * What `save` replaces, with the version that it has.
   * @throws CopilotError `WrongState` where the session is closed, `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async load({ signal }: { signal?: AbortSignal } = {}): Promise<LoadedSession> {
    const { status } = await describeSession(this.#link, this.id, { signal });
    if (status !== undefined) throw this.#notLoadable(status);
    const loaded = await ask(this.#link, this.id, messages.load, [], { signal });
    if (loaded.status === 'active' || loaded.status === 'suspended') return loaded;
    throw this.#notLoadable(loaded.status);
  }

  /**
   * Replaces conversation, context, phase and step, and the plan where there is one. Not while a turn runs or waits.
   * @throws CopilotError `WrongState` where the session is not active, `VersionConflict`, `InvalidInput`,
   *   `SessionNotFound`, `SessionClosed`, `NoWorker`, `ServerUnreachable`
   */
  async save(session: SavedSession, options: ChangeOptions = {}): Promise<ChangeReport> {
    const payload = changes.savePayload(session, options);
    return await deliver(this.#link, this.id, messages.save, payload, { signal: options.signal });
  }

  /**
   * Sets one value of the context.
   * @throws CopilotError `ProtectedKey` where a protected key has another value; also as `save`
   */
  async setContext(key: string, value: Json, options: SetContextOptions = {}): Promise<ChangeReport> {
    return await this.#edit(changes.setEdit(key, value, options), options);
  }

  /** @throws CopilotError `ProtectedKey`; also as `save` */
  async deleteContext(key: string, options: ChangeOptions = {}): Promise<ChangeReport> {
    return await this.#edit(changes.deleteEdit(key), options);
  }

  /** Sets several values as one change. Protected keys keep theirs and are named as skipped. @throws as `save` */
  async updateContext(values: ContextValues, options: ChangeOptions = {}): Promise<ChangeReport> {
    return await this.#edit(changes.updateEdit(values), options);
  }

  /** Merges values in as one change; keys that keep theirs are named as skipped. @throws as `save` */
  async mergeContext(values: ContextValues, options: MergeContextOptions = {}): Promise<ChangeReport> {
    return await this.#edit(changes.mergeEdit(values, options), options);
  }

  /** Takes a snapshot of the context; it becomes the `latest`. @throws as `save` */
  async snapshot(reason: string, options: ChangeOptions = {}): Promise<ChangeReport> {
    return await this.#edit(changes.snapshotEdit(reason), options);
  }

  /**
   * Goes back to a snapshot of the context, as a new version. Protected keys keep their value.
   * @throws CopilotError `SnapshotNotFound`; also as `save`
   */
  async restoreContext(snapshot: SnapshotRef, options: ChangeOptions = {}): Promise<ChangeReport> {
    const payload = changes.restorePayload(snapshot, options);
    return await deliver(this.#link, this.id, messages.restoreContext, payload, { signal: options.signal });
  }

  /**
   * The whole session as one JSON value, open or closed, for `CopilotClient.import`. What runs or waits, ephemeral
   * values and files of the workspace are not in it.
   * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async export({ signal }: { signal?: AbortSignal } = {}): Promise<SessionExport> {
    return await ask(this.#link, this.id, messages.exportSession, [], { signal });
  }

  /**
   * A new session that knows what this one knew after a turn or at a snapshot, or all that it knows now. This one may
   * be closed. The fork has a workspace of its own, without the files of this one.
   * @throws CopilotError `InvalidInput` for a turn that is not there, `SnapshotNotFound`, `SessionExists`,
   *   `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async fork(options: ForkOptions = {}): Promise<SessionHandle> {
    return new SessionHandle(this.#link, await forkSession(this.#link, this.id, options));
  }

  /**
   * Ends the session if it is open, and removes it with its history, and the workspace folder of its own where that
   * lies on this machine. A folder that was given as workspace stays. Afterwards there is no such session any more;
   * until the server has seen to that, a minute may pass.
   * @throws CopilotError `SessionNotFound`, `ServerUnreachable`
   */
  async delete({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    await deleteSession(this.#link, this.id, { signal });
  }

  /**
   * Everything about the session but its conversation. Of a completed or expired one it needs no worker.
   * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async info({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<SessionReport> {
    const { status } = await describeSession(this.#link, this.id, { signal });
    if (status === 'completed' || status === 'expired') return (await readResult(this.#link, this.id, { signal })).info;
    const info = await ask(this.#link, this.id, messages.info, [], { signal });
    return status === undefined ? info : { ...info, status };
  }

  /**
   * What the server knows of the session, without a worker.
   * @throws CopilotError `SessionNotFound`, `ServerUnreachable`
   */
  async describe({ signal }: { signal?: AbortSignal } = {}): Promise<SessionDescription> {
    return await describeSession(this.#link, this.id, { signal });
  }

  /** Messages from index `from` on. */
  async transcript({ from = 0, signal }: { from?: number; signal?: AbortSignal } = {}): Promise<TranscriptPage> {
    return await ask(this.#link, this.id, messages.transcript, [from], { signal });
  }

  /** The newest turns with a number of at least `from`, and those that wait. */
  async turns({ from = 0, signal }: { from?: number; signal?: AbortSignal | undefined } = {}): Promise<
    readonly TurnView[]
  > {
    return await ask(this.#link, this.id, messages.turns, [from], { signal });
  }

  /** The plan of the latest turn that has one. */
  async plan({ signal }: { signal?: AbortSignal } = {}): Promise<PlanView | null> {
    return await ask(this.#link, this.id, messages.plan, [], { signal });
  }

  async context({ signal }: { signal?: AbortSignal } = {}): Promise<ContextView> {
    return await ask(this.#link, this.id, messages.context, [], { signal });
  }

  /** Snapshots of the context, oldest first, without their data. */
  async snapshots({ signal }: { signal?: AbortSignal } = {}): Promise<readonly SnapshotInfo[]> {
    return await ask(this.#link, this.id, messages.snapshots, [], { signal });
  }

  /** The newest changes of the context, oldest first. */
  async changes({ signal }: { signal?: AbortSignal } = {}): Promise<readonly Change[]> {
    return await ask(this.#link, this.id, messages.changes, [], { signal });
  }

  /** Sizes of the context in bytes, by key and in all. */
  async contextSize({ signal }: { signal?: AbortSignal } = {}): Promise<ContextSize> {
    return await ask(this.#link, this.id, messages.contextSize, [], { signal });
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
    const points: [ContextPoint, ContextPoint] = [changes.contextPoint(from, 'from'), changes.contextPoint(to, 'to')];
    return await contextDiff(this.#link, this.id, points, { ...(signal ? { signal } : {}) });
  }

  async usage({ signal }: { signal?: AbortSignal } = {}): Promise<{
    total: Usage;
    byAgent: Readonly<Record<string, Usage>>;
  }> {
    return await ask(this.#link, this.id, messages.usage, [], { signal });
  }

  /**
   * Number of the next event: `follow({ from })` with it gives what happens from now on, whenever it begins.
   * With `withTurn`, number of the first event of the turn that has begun and not ended, where there is one.
   */
  async position({ withTurn = false, signal }: { withTurn?: boolean; signal?: AbortSignal } = {}): Promise<number> {
    const from = withTurn ? 0 : Number.MAX_SAFE_INTEGER;
    const { next, events } = await ask(this.#link, this.id, messages.progress, [from], { signal });
    const latest = events.findLast(({ type }) => type === 'turn-started' || type === 'turn-ended');
    return latest?.type === 'turn-started' ? latest.seq : next;
  }

  /** What happens in the session, with the text of its models as it comes: see {@link follow}. */
  follow(options: FollowOptions = {}): AsyncGenerator<FollowEvent, void, undefined> {
    return follow(this.#link, this.id, options);
  }

  async #edit(edit: messages.EditContextPayload['edit'], options: ChangeOptions): Promise<ChangeReport> {
    const payload = changes.editPayload(edit, options);
    return await deliver(this.#link, this.id, messages.editContext, payload, { signal: options.signal });
  }

  #notLoadable(status: ListedStatus): CopilotError {
    const wayOut = `What still works: info, export and fork (copilot show, export or fork ${this.id}).`;
    return new CopilotError('WrongState', { needs: 'active or suspended', status, wayOut });
  }

  async #settle(view: TurnView, options: SendOptions): Promise<TurnView> {
    return isSettled(view.status) ? view : await this.awaitTurn(view.id, options);
  }

  /** The turn when it changed hands or ended; undefined where it has to be looked at again. */
  async #waitOnce(payload: messages.AwaitTurnPayload, options: DeliveryOptions): Promise<TurnView | undefined> {
    try {
      return await deliver(this.#link, this.id, messages.awaitTurn, payload, options);
    } catch (error) {
      if (!(error instanceof CopilotError)) throw error;
      if (error.type === 'TooManyWaiting') {
        const turn = (await this.turns(options)).find(({ id }) => id === payload.turnId);
        return turn && isSettled(turn.status) ? turn : undefined;
      }
      // The session ended while its turn ran: the turn was ended with it.
      const turn =
        error.type === 'SessionClosed'
          ? (await this.turns(options)).find(({ id }) => id === payload.turnId)
          : undefined;
      if (turn && isSettled(turn.status)) return turn;
      throw error;
    }
  }

  async #changeStatus(change: messages.ChangeStatusPayload, signal: AbortSignal | undefined): Promise<StatusReport> {
    const payload = checkInput(messages.ChangeStatusPayload, change, '');
    return await this.#unlessClosed(deliver(this.#link, this.id, messages.changeStatus, payload, { signal }));
  }

  /** A closed session changes no more, and says so. */
  async #unlessClosed(change: Promise<StatusReport>): Promise<StatusReport> {
    try {
      return await change;
    } catch (error) {
      if (!(error instanceof CopilotError) || error.type !== 'SessionClosed') throw error;
      const { status } = await describeSession(this.#link, this.id);
      return { changed: false, status: status ?? 'completed' };
    }
  }

  async #call(work: () => Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#link.call(work, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw await this.#link.explain(error, this.id);
    }
  }
}
