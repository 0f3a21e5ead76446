/** One session, from the outside. */
import type { ContextValues, SnapshotRef } from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { Json } from '../../contracts/json.ts';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import type { ChangeReport, PlanView } from '../../contracts/messages.ts';
import type { DecidedRequest, Decision } from '../../contracts/request.ts';
import { type Analytics, QueuedMessage } from '../../contracts/session.ts';
import { isSettled, type TurnView } from '../../contracts/turn.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { newUlid } from '../creation/create-session.ts';
import { deliver, submit } from './delivery.ts';
import { checkInput } from '../checked-input.ts';
import { describeSession, type ListedStatus, readResult } from '../reading/session-queries.ts';
import { SessionReader } from '../reading/session-reader.ts';
import { configurePayload, type ConfigureOptions } from './configuration.ts';
import * as changes from './context-changes.ts';
import type { ChangeOptions, MergeContextOptions, SavedSession, SetContextOptions } from './context-changes.ts';
import { deleteSession } from './deletion.ts';
import { forkSession, type ForkOptions } from '../creation/fork-session.ts';
import { turnEnd } from './turn-end.ts';

/** How long `complete` waits for the session to close. */
const CLOSE_TIMEOUT_MS = 10_000;

export interface SendOptions {
  /** The same id is the same message, however often and by whomever it is sent. Default: a new one. */
  readonly messageId?: string | undefined;
  /** Ends the waiting, not the turn. */
  readonly signal?: AbortSignal | undefined;
  /** Whether to wait for the turn's outcome, or only until the session has the message for good. Default true. */
  readonly wait?: boolean | undefined;
  /**
   * Gives up after so long without an answer of server or worker, in ms. Default: as the client was connected. Where
   * the server knows of no worker at all, `NoWorker` comes after some 15 s; sending the same `messageId` again is safe.
   */
  readonly retryForMs?: number | undefined;
}

/** A change of a plan; step numbers are those before it. */
export type PlanEdit = payloads.EditPlanPayload['edits'][number];

export interface StatusReport {
  /** Whether this call changed anything. */
  readonly changed: boolean;
  readonly status: ListedStatus;
}

export interface DecideOptions {
  /** Who decides, for the record. Default `unknown`. */
  readonly by?: string | undefined;
  /** Feedback with `modify` and `redo`, the answer with `answer`: there it is needed. A reason with the others. */
  readonly text?: string | undefined;
  /** New limit of the budget with `raise`, in the unit of the old one. Default: twice the old one. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RateOptions {
  /** Default: the whole session. */
  readonly turnId?: string | undefined;
  readonly comment?: string | undefined;
  readonly by?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface InterruptOptions {
  readonly reason?: string | undefined;
  /** Goes on with this at once, before whatever waits. */
  readonly message?: string | undefined;
  /** The same id is the same message. Default: a new one. */
  readonly messageId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * One session by its id. Making one sends nothing: a session that does not exist shows itself as
 * `SessionNotFound` with the first call.
 */
export class SessionHandle extends SessionReader {
  readonly #link: ServerLink;

  constructor(link: ServerLink, id: string) {
    super(link, id);
    this.#link = link;
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
    if (wait) {
      const view = await deliver(this.#link, this.id, messages.send, message, delivery);
      return isSettled(view.status) ? view : await this.awaitTurn(view.id, options);
    }
    await submit(this.#link, this.id, messages.send, message, delivery);
    // Ended long ago and forgotten by the session: the message had been sent before.
    return (
      (await this.#turnOf(message, signal)) ?? (await deliver(this.#link, this.id, messages.send, message, delivery))
    );
  }

  /**
   * Waits until the turn is settled.
   * @throws CopilotError `InvalidInput` where there is no such turn, `SessionNotFound`, `SessionClosed`, `NoWorker`, `ServerUnreachable`
   */
  async awaitTurn(turnId: string, options: Pick<SendOptions, 'signal' | 'retryForMs'> = {}): Promise<TurnView> {
    return await turnEnd(this.#link, this.id, turnId, options);
  }

  /** Lets the running activity end, unless `now`, and starts nothing new. */
  async suspend({
    reason,
    now = false,
    signal,
  }: { reason?: string; now?: boolean; signal?: AbortSignal } = {}): Promise<StatusReport> {
    const because = reason === undefined ? {} : { reason };
    return await this.#changeStatus({ status: 'suspended', now, ...because }, signal);
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

  /**
   * Ends the running turn with the text that it has; the session goes on. With a message, it goes on with that: its
   * turn is given, to be followed or awaited.
   * @throws CopilotError with a message as `send`, `QueueFull` apart: it goes before what waits
   */
  async interrupt({ reason, message: text, messageId = newUlid(), signal }: InterruptOptions = {}): Promise<
    StatusReport & { readonly turn?: TurnView }
  > {
    const message = text === undefined ? undefined : { messageId, text };
    const given = { ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) };
    const payload = checkInput(payloads.InterruptPayload, given, '');
    const delivery = { signal, ...(message === undefined ? {} : { updateId: messageId }) };
    const interrupted = deliver(this.#link, this.id, messages.interrupt, payload, delivery);
    if (message === undefined) return await this.#unlessClosed(interrupted);
    const report = await interrupted;
    const turn = await this.#turnOf(message, signal);
    return { ...report, ...(turn === undefined ? {} : { turn }) };
  }

  /** Takes back a message that waits. `changed` is false where none of this id does. */
  async unqueue(messageId: string, { signal }: { signal?: AbortSignal } = {}): Promise<StatusReport> {
    const payload = checkInput(payloads.UnqueuePayload, { messageId }, '');
    return await this.#unlessClosed(deliver(this.#link, this.id, messages.unqueue, payload, { signal }));
  }

  /**
   * Decides a request that waits; `requests` gives them with the decisions that they take.
   * @throws CopilotError `AlreadyDecided`, which names the first decision; `RequestNotFound`; `InvalidInput` for a
   *   decision that this request does not take, or that needs a text; `SessionNotFound`, `SessionClosed`, `NoWorker`,
   *   `ServerUnreachable`
   */
  async decide(requestId: string, decision: Decision, options: DecideOptions = {}): Promise<DecidedRequest> {
    const { by, text, limit, signal } = options;
    const given = {
      requestId,
      decision,
      ...(by === undefined ? {} : { by }),
      ...(text === undefined ? {} : { text }),
      ...(limit === undefined ? {} : { limit }),
    };
    return await deliver(this.#link, this.id, messages.decide, checkInput(payloads.DecidePayload, given, ''), {
      signal,
    });
  }

  /**
   * Changes settings of the session from its next call on; null takes one back to its default.
   * @throws CopilotError `InvalidInput`, `UnknownMode`, `VersionConflict`, `SessionNotFound`, `SessionClosed`,
   *   `NoWorker`, `ServerUnreachable`; with `refreshTeam` also `TeamNotFound` and `InvalidTeam`
   */
  async configure(options: ConfigureOptions): Promise<ChangeReport> {
    const { signal } = options;
    const payload = await configurePayload(this.#link, this.id, options);
    return await deliver(this.#link, this.id, messages.configure, payload, { signal });
  }

  /**
   * Changes steps of the plan that have not run, in the order given, all or none; or runs it again from a step on.
   * @throws CopilotError `InvalidInput` for a change that cannot be made, `WrongState` where there is no such plan,
   *   `VersionConflict`, `SessionNotFound`, `SessionClosed`, `NoWorker`, `ServerUnreachable`
   */
  async editPlan(edits: readonly PlanEdit[], options: ChangeOptions = {}): Promise<PlanView> {
    const { expectedVersion, signal } = options;
    const given = { edits: [...edits], ...(expectedVersion === undefined ? {} : { expectedVersion }) };
    return await deliver(this.#link, this.id, messages.editPlan, checkInput(payloads.EditPlanPayload, given, ''), {
      signal,
    });
  }

  /**
   * Notes what a person thinks of the session, or of one turn.
   * @param rating 1 to 5
   * @throws CopilotError `InvalidInput`, `SessionNotFound`, `SessionClosed`, `NoWorker`, `ServerUnreachable`
   */
  async rate(rating: number, { turnId, comment, by, signal }: RateOptions = {}): Promise<Analytics> {
    const given = {
      rating,
      ...(turnId === undefined ? {} : { turnId }),
      ...(comment === undefined ? {} : { comment }),
      ...(by === undefined ? {} : { by }),
    };
    return await deliver(this.#link, this.id, messages.rate, checkInput(payloads.RatePayload, given, ''), { signal });
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

  /** The turn that a message became, or whose question it answered. */
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
}
