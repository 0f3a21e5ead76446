/** The running turn: how it begins, what it does next, how it ends. Turns run one after another. */
import { type ImageReference, imagesField } from '../../../contracts/image.ts';
import type {
  NextStep,
  RunningTurn,
  SessionState,
  Turn,
  TurnOutcome,
  TurnState,
  UnsettledCall,
} from '../../../contracts/session-state.ts';
import { MAX_EFFECTS } from '../../../contracts/limits.ts';
import { findMode } from '../../../contracts/team.ts';
import type { Phase, Route } from '../../../contracts/turn.ts';
import type { LiveSession } from '../live-session.ts';
import { endTurnSpan } from '../spans.ts';
import { keepEndedTurn } from '../state/ended-turns.ts';
import { answeringAgent } from '../policies.ts';
import { closingMessages } from './closing-messages.ts';

/** A step that was put in the place of the running one, which has to stop. */
type Redirection = Extract<NextStep, { kind: 'end' | 'restart' }>;

export class TurnLifecycle {
  readonly #session: LiveSession;
  readonly #state: SessionState;

  constructor(session: LiveSession, state: SessionState) {
    this.#session = session;
    this.#state = state;
  }

  /** What the running turn does next, or is doing. */
  get next(): NextStep | undefined {
    const state = this.#state.current?.state;
    return state?.status === 'running' ? state.next : undefined;
  }

  /** What somebody wants instead of the running phase: that the turn ends, or that it goes back to a step. */
  get redirection(): Redirection | undefined {
    const { next } = this;
    return next?.kind === 'end' || next?.kind === 'restart' ? next : undefined;
  }

  /** Whether somebody asked the running turn to end. */
  get isInterrupted(): boolean {
    return this.redirection?.kind === 'end';
  }

  find(turnId: string): RunningTurn | undefined {
    const { recent, current, queue } = this.#state;
    if (current?.id === turnId) return current;
    return recent.find(({ id }) => id === turnId) ?? queue.find(({ id }) => id === turnId);
  }

  // Begin and end

  /** The running turn, or the first that waits, which begins. */
  begin(): RunningTurn {
    const state = this.#state;
    if (state.current) return state.current;
    const turn = state.queue.shift();
    if (!turn) throw new TypeError('a turn was to begin, and none waits'); // the loop has checked `mayStart`
    state.current = turn;
    const { phaseContext, settings, view } = this.#session;
    const now = new Date().toISOString();
    settings.forgetPosition();
    settings.useNextTeam();
    turn.number = state.turnCount += 1;
    turn.startedAt = now;
    state.lastActiveAt = now;
    const preset = findMode(state.team.definition, state.mode);
    const agent = answeringAgent(state);
    turn.agent = agent;
    if (!preset || preset.route === 'router') {
      turn.state = { status: 'running', next: { kind: 'route' } };
    } else {
      turn.route = { kind: preset.route, reason: `mode ${state.mode}` };
      const next: NextStep = preset.route === 'planned' ? { kind: 'plan' } : { kind: 'one-shot', agent };
      turn.state = { status: 'running', next };
    }
    phaseContext.rememberTask(turn.text);
    view.record({ type: 'turn-started', turnId: turn.id, number: turn.number, text: turn.text });
    return turn;
  }

  end(outcome: TurnOutcome): void {
    const state = this.#state;
    const turn = this.#running;
    const { conversation, listeners, phaseContext, requests, view } = this.#session;
    requests.withdraw(turn);
    turn.state = endedState(outcome);
    phaseContext.snapshot('after', turn);
    turn.phase = 'idle';
    if (outcome.status === 'completed') turn.reply = outcome.reply;
    turn.endedAt = new Date().toISOString();
    state.lastActiveAt = turn.endedAt;
    this.#countResponse(turn);
    conversation.append(closingMessages(turn, outcome));
    turn.transcribed = 1 + turn.answers.length;
    state.current = null;
    keepEndedTurn(state, turn);
    endTurnSpan(turn, state.team.definition.name);
    view.record({ type: 'turn-ended', turnId: turn.id, number: turn.number, status: outcome.status });
    view.touch();
    view.publishTurn();
    listeners.turnEnded(turn);
  }

  /** Makes the turn that ended last the running one again. */
  takeUp(next: NextStep): void {
    const turn = this.#state.recent.pop();
    if (!turn) throw new TypeError('a turn was to be taken up, and none has ended'); // callers have found it
    turn.state = { status: 'running', next };
    turn.takenUp += 1;
    turn.models = {};
    turn.endedAt = null;
    this.#state.current = turn;
  }

  /** Takes up the turn that failed last, unless another has started since. @returns whether there is one */
  resumeFailed(): boolean {
    const turn = this.#state.recent.at(-1);
    if (this.#state.current || turn?.state.status !== 'failed' || !turn.state.resumeAt) return false;
    for (const step of turn.steps) {
      if (step.status !== 'failed') continue;
      step.status = 'pending';
      step.attempts = 0;
    }
    this.takeUp(turn.state.resumeAt);
    return true;
  }

  // What comes next

  /**
   * Goes on with what a phase says.
   * @param performed the step of that phase. If somebody redirected the turn meanwhile, the redirection stays; only an
   *   end that the turn reached by itself takes the place of an interruption.
   */
  advance(performed: NextStep, following: NextStep): void {
    const isRedirected = this.next !== performed;
    if (isRedirected && !(this.isInterrupted && following.kind === 'end')) return;
    this.#running.state = { status: 'running', next: following };
  }

  /**
   * Ends the running turn with what it has.
   * @param turnId only if it is this one
   * @returns whether it was running
   */
  interrupt(turnId?: string): boolean {
    const turn = this.#state.current;
    if (!turn || this.isInterrupted || (turnId !== undefined && turn.id !== turnId)) return false;
    this.#redirect({ kind: 'end', outcome: { status: 'interrupted' } });
    return true;
  }

  /** Has the running turn go back to a step as soon as what runs has stopped. An interruption stays. */
  restart(number: number): void {
    if (!this.isInterrupted) this.#redirect({ kind: 'restart', number });
  }

  /** Goes on with a turn whose conversation was shortened, or could not be. */
  goOnShortened(): void {
    const { next } = this;
    if (next?.kind !== 'shorten') return;
    this.#running.isShortened = true;
    this.advance(next, next.before);
  }

  #redirect(next: Redirection): void {
    this.#running.state = { status: 'running', next };
    this.#session.calls.stopAll();
    this.#session.requests.withdraw(this.#running);
  }

  // What its phases find out

  setPhase(phase: Phase): void {
    const turn = this.#running;
    const { phaseContext, view } = this.#session;
    if (turn.phase !== phase) {
      phaseContext.snapshot('after', turn);
      turn.phase = phase;
      phaseContext.snapshot('before', turn);
    }
    view.touch();
    // Routing and direct answers are short. The steps of a plan are listed one by one when they begin.
    if (phase !== 'routing' && phase !== 'one-shot' && phase !== 'executing') view.publish();
  }

  setRoute(kind: Route, reason: string, agent: string, task: string): void {
    Object.assign(this.#running, { route: { kind, reason }, agent, task });
  }

  setAgent(agent: string): void {
    this.#running.agent = agent;
  }

  /** @param index place among the agent's models */
  useModel(agent: string, index: number): void {
    this.#running.models[agent] = index;
  }

  /** The reply so far. */
  setReply(text: string): void {
    this.#running.reply = text;
  }

  addAnswer(questions: readonly string[], answer: string, images: readonly ImageReference[]): void {
    this.#running.answers.push({ questions, answer, ...imagesField(images) });
  }

  addArtifacts(paths: readonly string[], stepNumber: number | undefined): void {
    const turn = this.#running;
    turn.artifacts = [...new Set([...turn.artifacts, ...paths])];
    const step = turn.steps.find(({ number }) => number === stepNumber);
    if (step) step.artifacts = [...new Set([...step.artifacts, ...paths])];
  }

  /** Remembers a call that took effect, for agents that begin the same work again. */
  addEffect(part: string, what: string): void {
    const { effects } = this.#running;
    effects.push({ part, what });
    if (effects.length > MAX_EFFECTS) effects.shift();
  }

  /** Remembers a call until somebody says whether it took effect. */
  addUnknownCall(call: UnsettledCall): void {
    this.settleCall(call.key);
    this.#running.unknownCalls.push(call);
  }

  settleCall(key: string): void {
    const turn = this.#running;
    turn.unknownCalls = turn.unknownCalls.filter((call) => call.key !== key);
  }

  get #running(): Turn {
    const { current } = this.#state;
    if (!current) throw new TypeError('no turn runs'); // phases run within one
    return current;
  }

  #countResponse({ startedAt, endedAt, waitedMs }: Turn): void {
    if (startedAt === null || endedAt === null) return;
    const { responses } = this.#state;
    responses.count += 1;
    responses.totalMs += Date.parse(endedAt) - Date.parse(startedAt) - waitedMs;
  }
}

function endedState(outcome: TurnOutcome): TurnState {
  return outcome.status === 'completed' ? { status: 'completed' } : outcome;
}
