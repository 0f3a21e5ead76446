/** The context of a phase: snapshots before and after it, and a working copy that is kept only if the phase ends well. */
import { ApplicationFailure } from '@temporalio/workflow';
import type { ContextWarning } from '../../contracts/context.ts';
import type { Json } from '../../contracts/json.ts';
import type { RunningTurn } from '../../contracts/session-state.ts';
import type { DurableContext } from './context.ts';

/** A value that does not fit becomes a note. It must not fail the turn or the session. */
export class PhaseContext {
  readonly #context: DurableContext;
  readonly #note: (text: string) => void;
  /** What the running phase reads and writes; between phases the context itself. */
  #work: DurableContext;

  constructor(context: DurableContext, note: (text: string) => void) {
    this.#context = context;
    this.#note = note;
    this.#work = context;
  }

  /** Gives the next phase a copy of the context, so that a phase that throws changes nothing. */
  begin(): void {
    this.#work = this.#context.branch();
  }

  /** Takes the results of a phase into the context. */
  keep(): void {
    const problem = attemptProblem(() => {
      const { conflicts } = this.#context.join(this.#work, new Date().toISOString());
      for (const key of conflicts)
        this.#note(`Context key "${key}" was changed while a phase ran. The result of the phase replaced that value.`);
    });
    if (problem !== undefined) this.#note(problem);
    this.noteWarnings();
    this.drop();
  }

  /** Leaves the context as it was before the phase. */
  drop(): void {
    this.#work = this.#context;
  }

  /** Takes the results so far into the context, and goes on with a new copy. */
  commit(): void {
    this.keep();
    this.begin();
  }

  /** Values as they were when the running phase began, with what it has written since. */
  pick(keys: readonly string[]): Record<string, Json> {
    return this.#work.pick(keys);
  }

  keys(): string[] {
    return this.#work.keys();
  }

  /** Writes a result of the running phase into its copy. Long texts in it are shortened. */
  remember(key: string, value: Json): void {
    const problem = attemptProblem(() => this.#work.set(key, value, new Date().toISOString(), { compact: true }));
    if (problem !== undefined) this.#note(problem);
  }

  /** Writes the text of a turn into the context. A long text is shortened. */
  rememberTask(text: string): void {
    const key = this.#context.has('initial_task') ? 'current_task' : 'initial_task';
    const problem = attemptProblem(() => this.#context.set(key, text, new Date().toISOString(), { compact: true }));
    if (problem !== undefined) this.#note(problem);
    this.noteWarnings();
  }

  /** Why a value does not fit under a key, or undefined. */
  problem(key: string, value: Json): string | undefined {
    return attemptProblem(() => this.#work.branch().set(key, value, new Date().toISOString()));
  }

  snapshot(side: 'before' | 'after', { phase, number }: RunningTurn): void {
    if (phase === 'idle') return;
    this.#context.checkpoint(`${side}_${phase}_phase`, { turn: number, phase }, new Date().toISOString());
  }

  /** Turns what the context warns of into notes. */
  noteWarnings(): void {
    for (const warning of this.#context.takeWarnings()) this.#note(warningText(warning));
  }
}

function attemptProblem(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (!(error instanceof ApplicationFailure)) throw error;
    return error.message;
  }
}

function warningText(warning: ContextWarning): string {
  return warning.kind === 'size'
    ? `The context has grown to ${warning.bytes} bytes, most of it in ${warning.largest.join(', ')}.`
    : `Snapshots ${warning.ids.join(', ')} of the context were dropped: together they were larger than ${warning.limitBytes} bytes.`;
}
