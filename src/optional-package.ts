/** Packages that only hosts of sessions need. `npm install --omit=optional` leaves them out. */
import { CopilotError } from './contracts/errors.ts';

/**
 * Called before one of them is loaded, so that nobody gets Node's own error.
 * @param what what needs it, such as `startWorker`
 * @throws CopilotError `PackageMissing`
 */
export function requirePackage(name: '@temporalio/worker' | 'openai', what: string): void {
  try {
    import.meta.resolve(name);
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND';
    // A bundler that has packed the package may know no `resolve`.
    if (isMissing) throw new CopilotError('PackageMissing', { what, package: name }, { cause });
  }
}
