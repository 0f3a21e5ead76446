/**
 * Prints Mocha's usual output and writes the counts to the file that `--reporter-option counts=FILE` names. A run that
 * crashes writes no file.
 */
import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** Full titles of tests that neither passed nor failed. */
  readonly skipped: readonly string[];
  /** Full titles, each with its reason. */
  readonly failures: readonly string[];
}

/** Enough to see why a test failed if only the end of the output is kept. */
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
    const skipped: string[] = [];
    runner.on('pending', (test) => skipped.push(test.fullTitle()));
    runner.on('fail', (test, error: Error) => reasons.push(`${test.fullTitle()}\n${reason(error)}`));
    runner.once('end', () => {
      const { passes, failures } = this.stats;
      const counts: Counts = {
        passed: passes,
        failed: failures,
        skipped,
        failures: reasons,
      };
      // Synchronous, since mocha ends the process right after this.
      writeFileSync(file, JSON.stringify(counts));
    });
  }
}
