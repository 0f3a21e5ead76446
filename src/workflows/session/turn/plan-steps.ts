/** The steps of the running turn's plan: how they begin and end, and how a turn goes back to one. */
import type { RequestedStep } from '../../../contracts/request.ts';
import type { DeepReadonly, NextStep, SessionState, Turn } from '../../../contracts/session-state.ts';
import type { PlannedStep, Step } from '../../../contracts/turn.ts';
import type { LiveSession } from '../live-session.ts';

export type StepView = DeepReadonly<Step>;

export class PlanSteps {
  readonly #session: LiveSession;
  readonly #state: SessionState;

  constructor(session: LiveSession, state: SessionState) {
    this.#session = session;
    this.#state = state;
  }

  /** Makes this the plan of the running turn. */
  record(proposed: readonly PlannedStep[]): void {
    const turn = this.#turn;
    turn.steps = proposed.map((step, index) => newStep(step, index + 1));
    const steps = turn.steps.map(({ number, agent, task }) => ({ number, agent, task }));
    this.#session.view.record({ type: 'planned', turnId: turn.id, steps });
  }

  begin(step: StepView): void {
    const own = this.#own(step);
    own.attempts += 1;
    own.tries += 1;
    own.status = 'in-progress';
    own.startedAt ??= new Date().toISOString();
    const { number, agent, task, attempts } = own;
    const { view } = this.#session;
    view.record({ type: 'step-started', turnId: this.#turn.id, step: number, agent, task, attempt: attempts });
    view.touch();
    view.publish();
  }

  /** Begins a step again, as the person wants it. */
  redo(step: StepView, feedback: string): void {
    const own = this.#own(step);
    own.redos += 1;
    own.attempts = 0;
    own.feedback = feedback;
    this.begin(step);
  }

  end(step: StepView, status: Step['status'], summary: string): void {
    const own = this.#own(step);
    own.status = status;
    own.summary = summary;
    own.endedAt = new Date().toISOString();
    const { view } = this.#session;
    view.touch();
    view.record({ type: 'step-ended', turnId: this.#turn.id, step: own.number, status, summary });
  }

  /** Leaves a step that was stopped or cannot go on. */
  leave(step: StepView, status: 'pending' | 'failed'): void {
    this.#own(step).status = status;
  }

  /** Goes back to a step of the running turn: it and all after it run again. */
  goBackTo(number: number): NextStep {
    return goBack(this.#turn, number);
  }

  /**
   * Puts changed steps in the place of those of the running turn, or of the last one if none runs.
   * @param restartAt step that runs again, with all after it
   */
  change(steps: readonly Step[], restartAt: number | undefined): void {
    const { requests, turns, view } = this.#session;
    const turn = this.#state.current ?? this.#state.recent.at(-1);
    if (!turn) throw new TypeError('a plan was changed and is gone'); // the handler found it
    // The same objects as before: a phase in the middle of a step holds its step.
    const known = new Map(turn.steps.map((step) => [step.key, step]));
    turn.steps = steps.map((step) => Object.assign(known.get(step.key) ?? {}, step));
    if (restartAt !== undefined && turn === this.#state.current) turns.restart(restartAt);
    else if (restartAt !== undefined) turns.takeUp(goBack(turn, restartAt));
    view.record({ type: 'plan-edited', turnId: turn.id });
    requests.replacePlan(turn, turn.steps.map(requestedStep));
    view.touch();
    view.publish();
  }

  get #turn(): Turn {
    const { current } = this.#state;
    if (!current) throw new TypeError('no turn runs'); // steps run within one
    return current;
  }

  /** The step that a phase sees, for its owner. */
  #own({ key }: StepView): Step {
    const step = this.#turn.steps.find((other) => other.key === key);
    if (!step) throw new TypeError(`the plan has no step ${key}`); // steps that have begun stay in the plan
    return step;
  }
}

/** A step that has not run. Its key is its first number. */
export function newStep({ agent, task, notes, alongside }: PlannedStep, number: number, key = number): Step {
  return {
    agent,
    task,
    notes,
    number,
    key,
    status: 'pending',
    attempts: 0,
    tries: 0,
    summary: '',
    artifacts: [],
    alongside,
    redos: 0,
  };
}

/** A step as a request shows it. */
export function requestedStep({ number, agent, task, notes, summary }: StepView): RequestedStep {
  return { number, agent, task, notes, summary };
}

function goBack({ steps }: Turn, number: number): NextStep {
  for (const step of steps.slice(number - 1)) Object.assign(step, { status: 'pending', attempts: 0 });
  return { kind: 'step', number };
}
