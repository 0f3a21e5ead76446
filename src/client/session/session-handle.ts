/** One session, from the outside. */
import type { ContextState, ContextValues, SnapshotRef } from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { imagesField } from '../../contracts/image.ts';
import type { Json } from '../../contracts/json.ts';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import type { ChangeReport, PlanView, SnapshotReport } from '../../contracts/messages.ts';
import type { DecidedRequest, Decision } from '../../contracts/request.ts';
import { type Analytics, QueuedMessage } from '../../contracts/session.ts';
import { isSettled, type TurnView } from '../../contracts/turn.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { attachFiles } from '../creation/attachments.ts';
import { newUlid } from '../new-ulid.ts';
import { deliver, submit } from './delivery.ts';
import { checkInput } from '../checked-input.ts';
import { describeSession, readResult } from '../reading/session-queries.ts';
import { SessionReader } from '../reading/session-reader.ts';
import { configurePayload, type ConfigureOptions } from './configuration.ts';
import * as changes from './context-changes.ts';
import type {
  ChangeOptions,
  MergeContextOptions,
  SavedSession,
  SetContextOptions,
  SnapshotOptions,
} from './context-changes.ts';
import { deleteSession } from './deletion.ts';
import { type FilesOf, SessionFiles } from './files.ts';
import { nameFiles } from './message-files.ts';
import { nudging } from '../follow/followed-calls.ts';
import { forkSession, type ForkOptions } from '../creation/fork-session.ts';
import { awaitSettledTurn } from './turn-end.ts';
import type { DecideOptions, InterruptOptions, PlanEdit, RateOptions, SendOptions, StatusReport } from './options.ts';
import { streamTurn, type TurnStream } from './turn-stream.ts';
import { traceSending } from '../../tracing/send-span.ts';
import { dropUndefined } from '../defined-fields.ts';

/** How long `complete` waits until the session has closed. */
const CLOSE_TIMEOUT_MS = 10_000;

/**
 * One session, by its id. Creating a handle sends nothing; if the session does not exist, the first call throws
 * `SessionNotFound`.
 */
export class SessionHandle extends SessionReader {
  /** The files in the session's workspace. */
  readonly files: SessionFiles;
  readonly #link: ServerLink;

  constructor(link: ServerLink, id: string) {
    super(link, id);
    this.#link = link;
    this.files = new SessionFiles(link, (signal) => this.#filesOf(signal));
  }

  /**
   * Sends a message exactly once and returns its turn. Unless `wait` is false the turn is settled: completed, failed,
   * interrupted, suspended, or waiting for a person.
   * @throws CopilotError `InvalidInput`, `SessionNotFound`, `SessionClosed`, `WrongState` (suspended), `QueueFull`,
   *   `NoWorker`, `ServerUnreachable`
   */
  async send(text: string, options: SendOptions = {}): Promise<TurnView> {
    const { messageId = newUlid(), attach = [], files = [], signal } = options;
    const message = await this.#checked({ messageId, text }, files, signal);
    if (attach.length === 0) return await this.#send(message, options);
    const copies = await attachFiles(this.#link, await this.#filesOf(signal), attach, signal);
    const images = [...(message.images ?? []), ...copies.images];
    try {
      return await this.#send({ ...message, ...imagesField(images) }, options);
    } catch (error) {
      // A message that may still arrive needs its files.
      if (error instanceof CopilotError && !error.retryable) await copies.undo();
      throw error;
    }
  }

  async #checked(
    message: QueuedMessage,
    paths: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<QueuedMessage> {
    const whole = paths.length === 0 ? message : await nameFiles(message, { files: this.files, paths, signal });
    return checkInput(QueuedMessage, whole, '');
  }

  async #filesOf(signal: AbortSignal | undefined): Promise<FilesOf> {
    const { workspace } = (await this.info({ signal })).config;
    return { sessionId: this.id, ...dropUndefined({ workspace }) };
  }

  async #send(message: QueuedMessage, options: SendOptions): Promise<TurnView> {
    return await traceSending(this.#link.traces, this.id, message, (traced) => this.#deliver(traced, options));
  }

  async #deliver(message: QueuedMessage, options: SendOptions): Promise<TurnView> {
    const { signal, retryForMs, wait = true } = options;
    const { messageId } = message;
    const delivery = { updateId: messageId, signal, retryForMs };
    if (wait) {
      const view = await deliver(this.#link, this.id, messages.send, message, delivery);
      return isSettled(view.status) ? view : await this.awaitTurn(view.id, options);
    }
    await submit(this.#link, this.id, messages.send, message, delivery);
    // The message was sent before, and its turn ended so long ago that the session has forgotten it.
    return (
      (await this.#turnOf(message, signal)) ?? (await deliver(this.#link, this.id, messages.send, message, delivery))
    );
  }

  /**
   * Sends a message as `send` does, and gives the events of its turn while they happen, over restarts of workers and
   * server. The iteration ends with the turn; while the turn waits for a person, it waits too.
   *
   *     const stream = session.stream('What is 2 + 3?');
   *     for await (const event of stream) if (event.type === 'token') process.stdout.write(event.text);
   *     const turn = await stream.result();
   */
  stream(text: string, options: Omit<SendOptions, 'wait'> = {}): TurnStream {
    const { signal } = options;
    return streamTurn(
      this.send(text, { ...options, wait: false }),
      (turnId) => this.follow({ turnId, signal }),
      (turnId) => this.awaitTurn(turnId, options),
    );
  }

  /**
   * Waits until the turn is settled.
   * @throws CopilotError `InvalidInput` if there is no such turn, `SessionNotFound`, `SessionClosed`, `NoWorker`,
   *   `ServerUnreachable`
   */
  async awaitTurn(turnId: string, options: Pick<SendOptions, 'signal' | 'retryForMs'> = {}): Promise<TurnView> {
    return await awaitSettledTurn(this.#link, this.id, turnId, options);
  }

  /**
   * Suspends the session. The running activity is finished and its result kept; with `now` it is cancelled and repeated
   * later. Nothing new starts.
   * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async suspend({
    reason,
    now = false,
    signal,
  }: { reason?: string; now?: boolean; signal?: AbortSignal } = {}): Promise<StatusReport> {
    return await this.#changeStatus(dropUndefined({ status: 'suspended' as const, now, reason }), signal);
  }

  /**
   * Resumes a suspended session where it stopped, or retries the failed step of its last turn. Then sends the message,
   * if there is one; its turn is returned and not waited for.
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

  /**
   * Stops the running turn and keeps its text. A message, if given, is run next; its turn is returned and not waited
   * for.
   * @throws as `send`, but never `QueueFull`, because the message goes before the queued ones
   */
  async interrupt(options: InterruptOptions = {}): Promise<StatusReport & { readonly turn?: TurnView }> {
    const { turnId, reason, message: text, messageId = newUlid(), files = [], signal } = options;
    const message = text === undefined ? undefined : await this.#checked({ messageId, text }, files, signal);
    const interrupt = async (traced?: QueuedMessage): Promise<StatusReport> => {
      const payload = checkInput(payloads.InterruptPayload, dropUndefined({ turnId, reason, message: traced }), '');
      const delivery = { signal, updateId: traced?.messageId };
      return await nudging(this.#link, this.id, deliver(this.#link, this.id, messages.interrupt, payload, delivery));
    };
    if (message === undefined) return await this.#unlessClosed(interrupt());
    const report = await traceSending(this.#link.traces, this.id, message, interrupt);
    const turn = await this.#turnOf(message, signal);
    return { ...report, ...dropUndefined({ turn }) };
  }

  /**
   * Removes a queued message. `changed` is false if no message of this id is queued.
   * @throws CopilotError `InvalidInput`, `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async unqueue(messageId: string, { signal }: { signal?: AbortSignal } = {}): Promise<StatusReport> {
    const payload = checkInput(payloads.UnqueuePayload, { messageId }, '');
    return await this.#unlessClosed(deliver(this.#link, this.id, messages.unqueue, payload, { signal }));
  }

  /**
   * Decides a request. `requests` lists those that wait, with their options.
   * @throws CopilotError `AlreadyDecided`, which names the first decision; `RequestNotFound`; `InvalidInput` if the
   *   request does not have this option, or a text is missing; `DigestMismatch`; `NotShownWhole` if a request whose
   *   `isCut` is true is approved without its digest; `SessionNotFound`, `SessionClosed`, `NoWorker`,
   *   `ServerUnreachable`
   */
  async decide(requestId: string, decision: Decision, options: DecideOptions = {}): Promise<DecidedRequest> {
    const { signal, ...given } = options;
    const payload = checkInput(payloads.DecidePayload, dropUndefined({ requestId, decision, ...given }), '');
    return await deliver(this.#link, this.id, messages.decide, payload, { signal });
  }

  /**
   * Changes settings of the session from its next call on. Null resets a setting to its default.
   * @throws CopilotError `InvalidInput`, `UnknownMode`, `VersionConflict`, `SessionNotFound`, `SessionClosed`,
   *   `NoWorker`, `ServerUnreachable`; with `refreshTeam` also `TeamNotFound` and `InvalidTeam`
   */
  async configure(options: ConfigureOptions): Promise<ChangeReport> {
    const { signal } = options;
    const payload = await configurePayload(this.#link, this.id, options);
    return await deliver(this.#link, this.id, messages.configure, payload, { signal });
  }

  /**
   * Changes steps of the plan that have not run, or restarts the plan at a step. The edits apply in this order, all or
   * none.
   * @throws CopilotError `InvalidInput` for an impossible edit, `WrongState` if there is no plan to edit,
   *   `VersionConflict`, `SessionNotFound`, `SessionClosed`, `NoWorker`, `ServerUnreachable`
   */
  async editPlan(edits: readonly PlanEdit[], options: ChangeOptions = {}): Promise<PlanView> {
    const { expectedVersion, signal } = options;
    const payload = checkInput(payloads.EditPlanPayload, dropUndefined({ edits: [...edits], expectedVersion }), '');
    return await deliver(this.#link, this.id, messages.editPlan, payload, { signal });
  }

  /**
   * Records a person's rating of the session, or of one turn.
   * @param rating 1 to 5
   * @throws CopilotError `InvalidInput`, `SessionNotFound`, `SessionClosed`, `NoWorker`, `ServerUnreachable`
   */
  async rate(rating: number, { turnId, comment, by, signal }: RateOptions = {}): Promise<Analytics> {
    const payload = checkInput(payloads.RatePayload, dropUndefined({ rating, turnId, comment, by }), '');
    return await deliver(this.#link, this.id, messages.rate, payload, { signal });
  }

  /**
   * Completes the session and waits up to 10 s until it has archived its export and closed. It stays readable. If the
   * archive cannot be written, the report says so, and the session stays open until it can.
   * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async complete({ signal }: { signal?: AbortSignal } = {}): Promise<StatusReport> {
    const report = await this.#changeStatus({ status: 'completed' }, signal);
    // The decision is durable. Without a worker, the session archives itself and closes when one comes.
    const closed = await readResult(this.#link, this.id, { signal, timeoutMs: CLOSE_TIMEOUT_MS }).catch(() => {
      signal?.throwIfAborted();
      return undefined;
    });
    const archiveProblem = closed === undefined ? await this.#archiveProblem(signal) : closed.archiveProblem;
    return { ...report, ...(archiveProblem ? { archiveProblem } : {}) };
  }

  /**
   * Replaces conversation, context, phase and step, and the plan if given. Not while a turn runs or is queued.
   * @throws CopilotError `WrongState` if the session is not active, `VersionConflict`, `InvalidInput`, `ReservedKey`,
   *   `SessionNotFound`, `SessionClosed`, `NoWorker`, `ServerUnreachable`
   */
  async save(session: SavedSession, options: ChangeOptions = {}): Promise<ChangeReport> {
    const payload = changes.savePayload(session, options);
    return await deliver(this.#link, this.id, messages.save, payload, { signal: options.signal });
  }

  /**
   * Sets one value of the context.
   * @throws CopilotError `ProtectedKey` if a protected key has another value, `ReservedKey` if only the session itself
   *   writes the key; also as `save`
   */
  async setContext(key: string, value: Json, options: SetContextOptions = {}): Promise<ChangeReport> {
    return await this.#edit(changes.setEdit(key, value, options), options);
  }

  /**
   * Deletes one value of the context. Deleting a key that is not set changes nothing.
   * @throws CopilotError `ProtectedKey`, `ReservedKey`; also as `save`
   */
  async deleteContext(key: string, options: ChangeOptions = {}): Promise<ChangeReport> {
    return await this.#edit(changes.deleteEdit(key), options);
  }

  /**
   * Sets several values as one change. Protected keys keep their values and are reported as skipped.
   * @throws CopilotError `ReservedKey`; also as `save`
   */
  async updateContext(values: ContextValues, options: ChangeOptions = {}): Promise<ChangeReport> {
    return await this.#edit(changes.updateEdit(values), options);
  }

  /**
   * Merges values as one change. Keys that keep their values are reported as skipped.
   * @throws CopilotError `ReservedKey`; also as `save`
   */
  async mergeContext(values: ContextValues, options: MergeContextOptions = {}): Promise<ChangeReport> {
    return await this.#edit(changes.mergeEdit(values, options), options);
  }

  /** Removes all ephemeral values from the context. @throws as `save` */
  async clearEphemeral(options: ChangeOptions = {}): Promise<ChangeReport> {
    return await this.#edit({ op: 'clear' }, options);
  }

  /** Takes a snapshot of the context; it becomes the `latest`. @throws as `save` */
  async snapshot(reason: string, options: SnapshotOptions = {}): Promise<SnapshotReport> {
    const payload = changes.snapshotPayload(reason, options);
    return await deliver(this.#link, this.id, messages.takeSnapshot, payload, { signal: options.signal });
  }

  /**
   * Takes the context back to what `savedContext` gave, as one new version: its values replace the present ones, and its
   * snapshots and log come back beside later ones. Protected keys, keys of the session itself and ephemeral values stay.
   * @throws CopilotError `InvalidInput` if it is not a saved context; also as `save`
   */
  async loadContext(saved: ContextState, options: ChangeOptions = {}): Promise<ChangeReport> {
    const payload = changes.loadPayload(saved, options);
    return await deliver(this.#link, this.id, messages.loadContext, payload, { signal: options.signal });
  }

  /**
   * Restores the context from a snapshot, as a new version. Protected keys keep their values.
   * @throws CopilotError `SnapshotNotFound`; also as `save`
   */
  async restoreContext(snapshot: SnapshotRef, options: ChangeOptions = {}): Promise<ChangeReport> {
    const payload = changes.restorePayload(snapshot, options);
    return await deliver(this.#link, this.id, messages.restoreContext, payload, { signal: options.signal });
  }

  /**
   * Creates a session with the conversation and context of this one: as of a turn, a snapshot, or now. This session may
   * be closed. The fork gets a new workspace without the files of this one.
   * @throws CopilotError `InvalidInput` if there is no such turn, `SnapshotNotFound`, `SessionExists`,
   *   `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async fork(options: ForkOptions = {}): Promise<SessionHandle> {
    return new SessionHandle(this.#link, await forkSession(this.#link, this.id, options));
  }

  /**
   * Ends the session if it is open, and deletes its history, its stored payloads, its archive and its workspace. A
   * folder that was passed as workspace stays. Returns when the session can no longer be found or listed. That takes a
   * second or two, or minutes if the session has just ended and the server has Temporal's own settings.
   * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`; `StoreUnavailable` if the payload store fails;
   *   `Internal` if the server does not delete the session within 5 minutes
   */
  async delete({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    await deleteSession(this.#link, this.id, { signal });
  }

  /** Why the archive has been tried without success. Undefined if it has not, or if nobody can say. */
  async #archiveProblem(signal: AbortSignal | undefined): Promise<string | undefined> {
    try {
      const { pendingCalls } = await describeSession(this.#link, this.id, { signal });
      return pendingCalls.find(({ lastError }) => lastError?.type === 'ArchiveUnavailable')?.lastError?.message;
    } catch {
      signal?.throwIfAborted();
      return undefined;
    }
  }

  /** The turn that the message started, or whose question it answered. */
  async #turnOf({ messageId, text }: QueuedMessage, signal: AbortSignal | undefined): Promise<TurnView | undefined> {
    const turns = await this.turns({ signal });
    const turn = turns.find((candidate) => candidate.messageId === messageId);
    if (turn) return turn;
    const answered = (await this.decisions({ ...(signal ? { signal } : {}) })).findLast(
      ({ kind, verdict }) => kind === 'input' && verdict.text === text,
    );
    return turns.find(({ id }) => id === answered?.turnId);
  }

  async #edit(edit: payloads.EditContextPayload['edit'], options: ChangeOptions): Promise<ChangeReport> {
    const payload = changes.editPayload(edit, options);
    return await deliver(this.#link, this.id, messages.editContext, payload, { signal: options.signal });
  }

  async #changeStatus(change: payloads.ChangeStatusPayload, signal: AbortSignal | undefined): Promise<StatusReport> {
    const payload = checkInput(payloads.ChangeStatusPayload, change, '');
    const changed = deliver(this.#link, this.id, messages.changeStatus, payload, { signal });
    const cancels = change.status === 'completed' || change.now === true;
    return await this.#unlessClosed(cancels ? nudging(this.#link, this.id, changed) : changed);
  }

  /** A closed session does not change any more; the report says so instead of an error. */
  async #unlessClosed(change: Promise<StatusReport>): Promise<StatusReport> {
    try {
      return await change;
    } catch (error) {
      if (!(error instanceof CopilotError) || error.type !== 'SessionClosed') throw error;
      const { status } = await describeSession(this.#link, this.id);
      return { changed: false, status: status ?? 'completed' };
    }
  }
}
