/**
 * Mocha's usual output, and its counts in the file that `--reporter-option counts=FILE` names. A run that
 * crashes leaves no file.
 */
import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/** What a run of mocha leaves. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** Skipped tests; neither passed nor failed. */
  readonly pending: number;
  /** Full titles, each with its reason. */
  readonly failures: readonly string[];
}

/** Enough to know why it failed where only the end of the output is kept. */
const REASON_LINES = 15;
const REASON_COLUMNS = 300;

function reason(error: Error): string {
  const lines = (error.stack ?? error.message).split('\n').slice(0, REASON_LINES);
  return lines.map((line) => `    ${line.slice(0, REASON_COLUMNS)}`).join('\n');
}

/** Mocha asks for a default export. */
export default class CountingReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const { counts: file } = options.reporterOptions as { counts: string }; // untyped in mocha; only scripts/test.ts runs this
    const reasons: string[] = [];
    runner.on('fail', (test, error: Error) => reasons.push(`${test.fullTitle()}\n${reason(error)}`));
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      const counts: Counts = {
        passed: passes,
        failed: failures,
        pending,
        failures: reasons,
      };
      // Synchronous: mocha ends the process right after.
      writeFileSync(file, JSON.stringify(counts));
    });
  }
}
