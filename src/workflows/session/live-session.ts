/** The running session: its state, who follows it, and what stops it. */
import {
  CancellationScope,
  CancelledFailure,
  condition,
  isCancellation,
  setCurrentDetails,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Answered } from '../../contracts/activities.ts';
import { NO_USAGE, utf8Bytes } from '../../contracts/json.ts';
import {
  DEFAULT_HISTORY_LIMIT,
  DEFAULT_IDLE_TIMEOUT_MS,
  MAX_NOTES,
  MAX_QUEUED_BYTES,
  MAX_QUEUED_MESSAGES,
  MAX_REMEMBERED_MESSAGES,
  MAX_WAITING_HANDLERS,
} from '../../contracts/limits.ts';
import type { ProgressChange, ProgressPage } from '../../contracts/progress.ts';
import {
  copilotAwaiting,
  copilotLastActiveAt,
  copilotMode,
  copilotPhase,
  copilotStatus,
  copilotStep,
  copilotUpdatedAt,
} from '../../contracts/search-attributes.ts';
import type { QueuedMessage, SessionInfo, SessionState, Turn } from '../../contracts/session.ts';
import { isSettled, type Phase, type TurnView } from '../../contracts/turn.ts';
import { isTooHeavy } from './carried-state.ts';
import { DurableContext } from '../context/context.ts';
import { PhaseContext } from '../context/phase-context.ts';
import { budgetOf } from './policies.ts';
import { ProgressLog } from './progress-log.ts';
import { Requests } from './state/requests.ts';
import { spend } from './state/spending.ts';
import { detailsMarkdown } from '../views/details.ts';
import { allTurns, sessionInfo, statusOf, turnView } from '../views/views.ts';

interface CallOptions<T> {
  /** Whether `suspend({now: true})` may stop it. Default true. */
  readonly isStoppable?: boolean;
  /** Whether a result is only what there was when the call was stopped. Default: never. */
  readonly isPartial?: (result: T) => boolean;
}

/** A turn in the middle moves later than one that is about to begin: most end soon, and their callers wait. */
const MID_TURN_SHARE = 1.5;

/** Owns the state of one run, from restore to continue-as-new or the end. */
export class LiveSession {
  readonly state: SessionState;
  readonly context: DurableContext;
  readonly requests: Requests;
  readonly phaseContext: PhaseContext;
  /** Set when the run is about to be continued as new: nobody waits any more. */
  isMoving = false;
  /** Set when somebody wants the session in another run, and so on the current build. */
  isMoveWanted = false;

  readonly #log: ProgressLog;
  #waiting = 0;
  #published: number;
  /** What lists say that the session waits for. */
  #awaiting: string | null;
  /**
   * The scopes of what runs now: what `suspend({now: true})` may stop, and what it may not. They serve call after
   * call until they are cancelled, since a scope is five promises, and each of them costs in every replay.
   */
  #stoppable = new CancellationScope();
  #unstoppable = new CancellationScope();

  constructor(state: SessionState) {
    this.state = state;
    this.context = new DurableContext(state.context);
    this.requests = new Requests(this);
    this.phaseContext = new PhaseContext(this.context, (text) => this.note(text));
    this.#log = new ProgressLog(state);
    // A carried session is listed already; a new one is listed by its start.
    this.#published = this.#listed();
    this.#awaiting = this.requests.waiting[0]?.kind ?? null;
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

  /** Whether the run should be left: another one is wanted, or a cold worker would replay too much of this one. */
  get shouldMove(): boolean {
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    const limit = this.state.config.historyLimit ?? DEFAULT_HISTORY_LIMIT;
    return (historyLength >= limit || continueAsNewSuggested || this.isMoveWanted) && !isTooHeavy(this);
  }

  /** Whether even a turn that would soon end should go on in the next run, where it can stop. */
  get mustMove(): boolean {
    const { config } = this.state;
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    const limit = MID_TURN_SHARE * (config.historyLimit ?? DEFAULT_HISTORY_LIMIT);
    // The server suggests it also for few events that are large, such as signals of strangers.
    const isDue = historyLength >= limit || continueAsNewSuggested || this.isMoveWanted;
    return isDue && !isTooHeavy(this);
  }

  /** Whether calls are counted against a limit. */
  get hasBudget(): boolean {
    return Object.keys(budgetOf(this.state)).length > 0;
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

  rememberMessage(messageId: string, turnId: string): void {
    const { remembered } = this.state;
    remembered.push([messageId, turnId]);
    if (remembered.length > MAX_REMEMBERED_MESSAGES) remembered.shift();
  }

  /** The id of the turn that this message became, also when that turn itself is no longer kept. */
  rememberedTurnId(messageId: string): string | undefined {
    return this.state.remembered.find(([known]) => known === messageId)?.[1];
  }

  /** @param isFirst puts it before whatever waits */
  enqueue({ messageId, text }: QueuedMessage, isFirst = false): Turn {
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
      works: [],
      reply: '',
      questions: [],
      artifacts: [],
      usage: NO_USAGE,
    };
    if (isFirst) state.queue.unshift(turn);
    else state.queue.push(turn);
    this.rememberMessage(messageId, turn.id);
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
        await condition(() => this.state.status !== 'suspended' || this.isStopped);
      }
      if (this.isStopped) throw new CancelledFailure('interrupted');
      const scope = isStoppable ? this.#stoppable : this.#unstoppable;
      try {
        const result = await scope.run(work);
        if (this.isStopped || !isPartial(result)) return result;
      } catch (error) {
        if (!isCancellation(error) || this.isStopped || !scope.consideredCancelled || isCancelled()) throw error;
      }
    }
  }

  /** Takes up the turn that failed last, where no other has started since. @returns whether there is one */
  resumeFailed(): boolean {
    const turn = this.state.recent.at(-1);
    if (this.state.current || turn?.status !== 'failed' || !turn.resumeAt) return false;
    for (const step of turn.steps)
      if (step.status === 'failed') Object.assign(step, { status: 'pending', attempts: 0 });
    this.takeUp(turn, turn.resumeAt);
    return true;
  }

  /** Makes the turn that ended last the one in hand again. */
  takeUp(turn: Turn, next: Turn['next']): void {
    this.state.recent.pop();
    turn.next = next;
    turn.takenUp = (turn.takenUp ?? 0) + 1;
    turn.status = 'running';
    delete turn.error;
    delete turn.resumeAt;
    delete turn.endedAt;
    delete turn.isInterrupted;
    this.state.current = turn;
  }

  /** Whether the running turn was told to end, as against a call that was only stopped by `suspend`. */
  get isInterrupted(): boolean {
    return this.state.current?.isInterrupted === true;
  }

  /** Whether what runs has to stop for good: its turn ends, or begins again at another step. */
  get isStopped(): boolean {
    return this.isInterrupted || this.isClosing || this.state.current?.restartAt !== undefined;
  }

  /** Ends the running turn with what it has. @returns whether there was one */
  interrupt(): boolean {
    const { current } = this.state;
    if (!current || current.isInterrupted) return false;
    current.isInterrupted = true;
    this.stopAll();
    this.requests.withdraw(current);
    return true;
  }

  /** The end of a turn's last phase. */
  endPhase(turn: Turn): void {
    this.phaseContext.snapshot('after', turn);
    turn.phase = 'idle';
  }

  /** Ends the session, and the running turn with what it has. */
  close(status: 'completed' | 'expired'): void {
    this.state.status = status;
    delete this.state.suspendReason;
    this.interrupt();
    this.stopAll();
    this.record({ type: 'session', status });
    this.touch();
  }

  /** Stops what may be stopped, for it to be done again later. */
  stopCalls(): void {
    this.#stoppable.cancel();
    this.#stoppable = new CancellationScope();
  }

  /** Stops whatever runs. */
  stopAll(): void {
    this.stopCalls();
    this.#unstoppable.cancel();
    this.#unstoppable = new CancellationScope();
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
      this.phaseContext.snapshot('after', turn);
      turn.phase = phase;
      this.phaseContext.snapshot('before', turn);
    }
    this.touch();
    const isShort = phase === 'routing' || phase === 'one-shot';
    // Its steps are listed one by one, as they begin.
    if (!isShort && phase !== 'executing') this.publish();
  }

  record(change: ProgressChange): void {
    this.#log.append(change);
    this.#showDetails();
  }

  note(text: string): void {
    this.state.notes.push({ at: new Date().toISOString(), text });
    if (this.state.notes.length > MAX_NOTES) this.state.notes.shift();
    this.record({ type: 'note', text });
  }

  progress(from: number): ProgressPage {
    return this.#log.page(from);
  }

  countUsage(turn: Turn, agent: string, { usage, model, instance, worker }: Answered): void {
    spend(this.state, turn, `${agent}/${model}`, usage);
    this.state.lastWorker = { identity: worker, instance };
  }

  /**
   * Makes lists show the present state: one event where something listed has changed, none otherwise. A turn
   * that is routed or answered directly is listed when it ends: it is short, and `info` is exact at any time.
   */
  publish(): void {
    const listed = this.#listed();
    if (listed === this.#published) return;
    this.#published = listed;
    const { status, phase, step, updatedAt, lastActiveAt, mode } = this.info;
    const awaiting = this.requests.waiting[0]?.kind ?? null;
    upsertSearchAttributes([
      { key: copilotStatus, value: status },
      { key: copilotPhase, value: phase ?? 'idle' },
      { key: copilotUpdatedAt, value: new Date(updatedAt) },
      { key: copilotLastActiveAt, value: new Date(lastActiveAt) },
      { key: copilotMode, value: mode },
      { key: copilotStep, value: typeof step === 'number' ? step : null },
      ...(awaiting === this.#awaiting ? [] : [{ key: copilotAwaiting, value: awaiting }]),
    ]);
    this.#awaiting = awaiting;
  }

  #listed(): number {
    return this.state.version;
  }

  #showDetails(): void {
    setCurrentDetails(detailsMarkdown(this.info, this.state.current ?? this.state.recent.at(-1)));
  }
}

/** Whether the workflow itself was asked to end, from the Web UI for example. */
function isCancelled(): boolean {
  return CancellationScope.current().consideredCancelled;
}
