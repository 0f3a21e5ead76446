/** The running session: its state, who follows it, and what stops it. */
import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  isCancellation,
  setCurrentDetails,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Answered } from '../contracts/activities.ts';
import { addUsage, type Json, NO_USAGE, utf8Bytes } from '../contracts/json.ts';
import {
  DEFAULT_HISTORY_LIMIT,
  DEFAULT_IDLE_TIMEOUT_MS,
  MAX_NOTES,
  MAX_PROGRESS_EVENTS,
  MAX_QUEUED_BYTES,
  MAX_QUEUED_MESSAGES,
  MAX_REMEMBERED_MESSAGES,
  MAX_WAITING_HANDLERS,
} from '../contracts/limits.ts';
import type { ProgressChange, ProgressEvent, ProgressPage } from '../contracts/progress.ts';
import { copilotPhase, copilotStatus, copilotUpdatedAt } from '../contracts/search-attributes.ts';
import type { QueuedMessage, SessionInfo, SessionState, Turn } from '../contracts/session.ts';
import { isSettled, type Phase, type TurnView } from '../contracts/turn.ts';
import { DurableContext } from './context.ts';
import { detailsMarkdown } from './views/details.ts';
import { allTurns, sessionInfo, statusOf, turnView } from './views/views.ts';

interface CallOptions<T> {
  /** Whether `suspend({now: true})` may stop it. Default true. */
  readonly isStoppable?: boolean;
  /** Whether a result is only what there was when the call was stopped. Default: never. */
  readonly isPartial?: (result: T) => boolean;
}

/** Owns the state of one run, from restore to continue-as-new or the end. */
export class LiveSession {
  readonly state: SessionState;
  readonly context: DurableContext;
  /** Set when the run is about to be continued as new: nobody waits any more. */
  isMoving = false;

  /** What the running phase writes to. */
  #work: DurableContext;
  readonly #firstSeq: number;
  readonly #events: ProgressEvent[] = [];
  #waiting = 0;
  #published = '';
  /**
   * The scopes of what runs now: what `suspend({now: true})` may stop, and what it may not. They serve call after
   * call until they are cancelled, since a scope is five promises, and each of them costs in every replay.
   */
  #stoppable = new CancellationScope();
  #unstoppable = new CancellationScope();

  constructor(state: SessionState) {
    this.state = state;
    this.context = new DurableContext(state.context);
    this.#work = this.context;
    this.#firstSeq = state.progressSeq;
    // A carried session is listed already; a new one is listed by its start.
    this.#published = this.#listed();
    this.#showDetails();
  }

  get info(): SessionInfo {
    return sessionInfo(this.state, this.context.version);
  }

  get isClosing(): boolean {
    return this.state.status === 'completed' || this.state.status === 'expired';
  }

  /** Whether it waits for a message. */
  get isIdle(): boolean {
    const { status, current, queue } = this.state;
    return status === 'active' && current === undefined && queue.length === 0;
  }

  /** Milliseconds until the session may expire, as far as is known now; undefined where it never does. */
  get idleLeftMs(): number | undefined {
    const { config, lastActiveAt } = this.state;
    const timeoutMs = config.idleTimeoutMs === undefined ? DEFAULT_IDLE_TIMEOUT_MS : config.idleTimeoutMs;
    if (timeoutMs === null) return undefined;
    return this.isIdle ? Date.parse(lastActiveAt) + timeoutMs - Date.now() : timeoutMs;
  }

  /** Whether there is a turn to run, or one to end. */
  get mayStart(): boolean {
    const { status, current, queue } = this.state;
    return this.isInterrupted || (status === 'active' && (current !== undefined || queue.length > 0));
  }

  /** Whether the run has grown so far that a cold worker would replay too much. */
  get isLong(): boolean {
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    return historyLength >= (this.state.config.historyLimit ?? DEFAULT_HISTORY_LIMIT) || continueAsNewSuggested;
  }

  get canWait(): boolean {
    return this.#waiting < MAX_WAITING_HANDLERS;
  }

  // Turns

  findTurn(turnId: string): Turn | undefined {
    return allTurns(this.state).find(({ id }) => id === turnId);
  }

  get isQueueFull(): boolean {
    const { queue } = this.state;
    return (
      queue.length >= MAX_QUEUED_MESSAGES ||
      queue.reduce((sum, { text }) => sum + utf8Bytes(text), 0) > MAX_QUEUED_BYTES
    );
  }

  /** The id of the turn that this message became, also when that turn itself is no longer kept. */
  rememberedTurnId(messageId: string): string | undefined {
    return this.state.remembered.find(([known]) => known === messageId)?.[1];
  }

  enqueue({ messageId, text }: QueuedMessage): Turn {
    const { state } = this;
    const turn: Turn = {
      id: `turn-${(state.messageCount += 1)}`,
      messageId,
      text,
      number: 0,
      status: 'queued',
      phase: 'idle',
      next: { kind: 'route' },
      task: text,
      steps: [],
      reply: '',
      questions: [],
      artifacts: [],
      usage: NO_USAGE,
    };
    state.queue.push(turn);
    state.remembered.push([messageId, turn.id]);
    if (state.remembered.length > MAX_REMEMBERED_MESSAGES) state.remembered.shift();
    this.record({ type: 'queued', turnId: turn.id, messageId });
    return turn;
  }

  /** Waits until the turn is settled, or until waiting for it makes no sense; then gives its view. */
  follow(turn: Turn): TurnView | Promise<TurnView> {
    const isOver = () => this.isMoving || isSettled(statusOf(turn, this.state));
    return isOver() || !this.canWait ? turnView(turn, this.state) : this.#wait(turn, isOver);
  }

  async #wait(turn: Turn, isOver: () => boolean): Promise<TurnView> {
    this.#waiting += 1;
    try {
      await condition(isOver);
      return turnView(turn, this.state);
    } finally {
      this.#waiting -= 1;
    }
  }

  // Running and stopping

  /**
   * Runs one activity when the session is active. `suspend` lets it end, and `suspend({now: true})` stops it:
   * then it is done again when the session goes on, unless it gave a whole result all the same.
   * @throws CancelledFailure where the turn was interrupted and there is no result
   */
  async call<T>(work: () => Promise<T>, options: CallOptions<T> = {}): Promise<T> {
    const { isStoppable = true, isPartial = () => false } = options;
    for (;;) {
      if (this.state.status === 'suspended') {
        this.publish();
        await condition(() => this.state.status !== 'suspended' || this.isInterrupted);
      }
      if (this.isInterrupted) throw new CancelledFailure('interrupted');
      const scope = isStoppable ? this.#stoppable : this.#unstoppable;
      try {
        const result = await scope.run(work);
        if (this.isInterrupted || !isPartial(result)) return result;
      } catch (error) {
        if (!isCancellation(error) || this.isInterrupted || !scope.consideredCancelled || isCancelled()) throw error;
      }
    }
  }

  /** Takes up the turn that failed last, where no other has started since. @returns whether there is one */
  resumeFailed(): boolean {
    const turn = this.state.recent.at(-1);
    if (this.state.current || turn?.status !== 'failed' || !turn.resumeAt) return false;
    this.state.recent.pop();
    turn.next = turn.resumeAt;
    turn.status = 'running';
    delete turn.error;
    delete turn.resumeAt;
    delete turn.endedAt;
    for (const step of turn.steps)
      if (step.status === 'failed') Object.assign(step, { status: 'pending', attempts: 0 });
    this.state.current = turn;
    return true;
  }

  /** Whether the running turn was told to end, as against a call that was only stopped by `suspend`. */
  get isInterrupted(): boolean {
    return this.state.current?.isInterrupted === true;
  }

  /** Ends the running turn with what it has. @returns whether there was one */
  interrupt(): boolean {
    const { current } = this.state;
    if (!current || current.isInterrupted) return false;
    current.isInterrupted = true;
    this.stopCalls();
    this.#unstoppable.cancel();
    this.#unstoppable = new CancellationScope();
    return true;
  }

  /** Gives the next phase a copy of the context to write to: what throws leaves the context as it was. */
  beginWork(): void {
    this.#work = this.context.branch();
  }

  /** Takes the results of a phase into the context. */
  keepWork(): void {
    this.context.join(this.#work, new Date().toISOString());
    this.noteWarnings();
  }

  /** Writes a result of the running phase into its copy of the context; one that does not fit is noted. */
  remember(key: string, value: Json): void {
    try {
      this.#work.set(key, value, new Date().toISOString());
    } catch (error) {
      if (!(error instanceof ApplicationFailure)) throw error;
      this.note(error.message);
    }
  }

  /** Turns what the context warns of into notes. */
  noteWarnings(): void {
    for (const warning of this.context.takeWarnings()) {
      this.note(
        warning.kind === 'size'
          ? `The context has grown to ${warning.bytes} bytes, most of it in ${warning.largest.join(', ')}.`
          : `Snapshots ${warning.ids.join(', ')} of the context were dropped: together they were larger than ${warning.limitBytes} bytes.`,
      );
    }
  }

  /** The end of a turn's last phase. */
  endPhase(turn: Turn): void {
    this.#snapshot('after', turn);
    turn.phase = 'idle';
  }

  #snapshot(side: 'before' | 'after', { phase, number }: Turn): void {
    if (phase === 'idle') return;
    this.context.checkpoint(`${side}_${phase}_phase`, { turn: number, phase }, new Date().toISOString());
  }

  /** Ends the session, and the running turn with what it has. */
  close(status: 'completed' | 'expired'): void {
    this.state.status = status;
    delete this.state.suspendReason;
    this.interrupt();
    this.record({ type: 'session', status });
    this.touch();
  }

  /** Stops what may be stopped, for it to be done again later. */
  stopCalls(): void {
    this.#stoppable.cancel();
    this.#stoppable = new CancellationScope();
  }

  // What others see

  /** Notes a change that readers can see. */
  touch(): void {
    this.state.version += 1;
    this.state.updatedAt = new Date().toISOString();
    this.#showDetails();
  }

  setPhase(turn: Turn, phase: Phase): void {
    if (turn.phase !== phase) {
      this.#snapshot('after', turn);
      turn.phase = phase;
      this.#snapshot('before', turn);
    }
    this.touch();
    if (phase !== 'routing' && phase !== 'one-shot') this.publish();
  }

  record(change: ProgressChange): void {
    this.#events.push({ seq: this.state.progressSeq, at: new Date().toISOString(), ...change });
    this.state.progressSeq += 1;
    if (this.#events.length > MAX_PROGRESS_EVENTS) this.#events.shift();
    this.#showDetails();
  }

  note(text: string): void {
    this.state.notes.push({ at: new Date().toISOString(), text });
    if (this.state.notes.length > MAX_NOTES) this.state.notes.shift();
    this.record({ type: 'note', text });
  }

  progress(from: number): ProgressPage {
    return {
      runId: workflowInfo().runId,
      first: this.#firstSeq,
      next: this.state.progressSeq,
      events: this.#events.filter(({ seq }) => seq >= from),
    };
  }

  countUsage(turn: Turn, agent: string, { usage, model, instance, worker }: Answered): void {
    const key = `${agent}/${model}`;
    turn.usage = addUsage(turn.usage, usage);
    this.state.usage[key] = addUsage(this.state.usage[key] ?? NO_USAGE, usage);
    this.state.lastWorker = { identity: worker, instance };
  }

  countTool(agent: string): void {
    this.state.usage[`${agent}/tools`] = addUsage(this.state.usage[`${agent}/tools`] ?? NO_USAGE, { toolCalls: 1 });
  }

  /**
   * Makes lists show the present state: one event where something listed has changed, none otherwise. A turn
   * that is routed or answered directly is listed when it ends: it is short, and `info` is exact at any time.
   */
  publish(): void {
    const listed = this.#listed();
    if (listed === this.#published) return;
    this.#published = listed;
    const { status, phase, updatedAt } = this.info;
    upsertSearchAttributes([
      { key: copilotStatus, value: status },
      { key: copilotPhase, value: phase ?? 'idle' },
      { key: copilotUpdatedAt, value: new Date(updatedAt) },
    ]);
  }

  #listed(): string {
    const { status, phase, turns } = this.info;
    return `${status} ${phase} ${turns}`;
  }

  #showDetails(): void {
    setCurrentDetails(detailsMarkdown(this.info, this.state.current ?? this.state.recent.at(-1)));
  }
}

/** Whether the workflow itself was asked to end, from the Web UI for example. */
function isCancelled(): boolean {
  return CancellationScope.current().consideredCancelled;
}
