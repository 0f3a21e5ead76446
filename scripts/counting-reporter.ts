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
  /** Full titles. */
  readonly failures: readonly string[];
}

/** Mocha asks for a default export. */
export default class CountingReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const { counts: file } = options.reporterOptions as { counts: string }; // untyped in mocha; only scripts/test.ts runs this
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      const counts: Counts = {
        passed: passes,
        failed: failures,
        pending,
        failures: this.failures.map((test) => test.fullTitle()),
      };
      // Synchronous: mocha ends the process right after.
      writeFileSync(file, JSON.stringify(counts));
    });
  }
}
