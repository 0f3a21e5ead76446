/** The context of a phase: snapshots before and after it, and a working copy that is kept only if the phase ends well. */
import { ApplicationFailure } from '@temporalio/workflow';
import { type ContextWarning, MAX_SNAPSHOTS, MAX_SNAPSHOTS_BYTES, RECORDS_KEY } from '../../contracts/context.ts';
import { isJsonObject, type Json } from '../../contracts/json.ts';
import type { RunningTurn } from '../../contracts/session-state.ts';
import { compacted } from './values/compact.ts';
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
      const { skipped } = this.#context.join(this.#work, new Date().toISOString());
      for (const key of skipped)
        this.#note(`Context key "${key}" was set while a phase ran. It keeps that value, not the one of the phase.`);
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

  /** Writes what an agent wants remembered into the copy of its phase. Long texts in it are shortened. */
  remember(key: string, value: Json): void {
    // Somebody may have set it since the agent was told that it can.
    if (!this.#work.isHeld(key)) this.#write(this.#work, key, value, { compact: true });
  }

  /** Keeps what a phase has found out under {@link RECORDS_KEY}. Long texts in it are shortened. */
  record(records: Readonly<Partial<Record<'route' | 'plan' | 'results', Json>>>): void {
    const known = this.#work.get(RECORDS_KEY, { isolate: false });
    const short = Object.fromEntries(Object.entries(records).map(([name, value]) => [name, compacted(value)]));
    this.#write(this.#work, RECORDS_KEY, { ...(isJsonObject(known) ? known : {}), ...short });
  }

  /** Writes the text of a turn into the context. A long text is shortened. */
  rememberTask(text: string): void {
    const key = this.#context.has('initial_task') ? 'current_task' : 'initial_task';
    this.#write(this.#context, key, text, { compact: true });
    this.noteWarnings();
  }

  #write(context: DurableContext, key: string, value: Json, options = {}): void {
    const problem = attemptProblem(() => context.set(key, value, new Date().toISOString(), options));
    if (problem !== undefined) this.#note(problem);
  }

  /** Why an agent cannot set this value, or undefined. */
  problem(key: string, value: Json): string | undefined {
    if (this.#work.isHeld(key) || this.#context.isHeld(key)) {
      return `"${key}" was set by a person or a program, and only they change it. Use another key.`;
    }
    return attemptProblem(() => this.#work.branch().set(key, value, new Date().toISOString()));
  }

  snapshot(side: 'before' | 'after', { phase, number }: RunningTurn): void {
    if (phase === 'idle') return;
    this.#context.markPhase(`${side}_${phase}_phase`, { turn: number, phase }, new Date().toISOString());
    this.noteWarnings();
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
    : `Snapshots ${warning.ids.join(', ')} of people or programs were dropped, since a session keeps ${MAX_SNAPSHOTS} snapshots and ${MAX_SNAPSHOTS_BYTES} bytes of them.`;
}
