/** Runs a call of a model whose text followers see while it is written. */
import { MAX_HEARTBEAT_TEXT } from '../contracts/limits.ts';
import { endOf, type StreamHeartbeat } from '../contracts/progress.ts';
import { WrittenText } from '../direct-text/written-text.ts';
import type { WorkerParts } from './agent-call.ts';
import { type ActivityScope, inScope } from './scope.ts';

/** A call that ends sooner needs no heartbeat that says where its text is. */
const ANNOUNCE_DELAY_MS = 100;

/**
 * Heartbeats carry the end of what was written. While somebody reads it from this worker directly, they are slow: so
 * whoever can only read heartbeats gets it later then.
 * @throws as `inScope`
 */
export async function inModelCall<T>(
  { texts }: WorkerParts,
  work: (scope: ActivityScope, written: WrittenText) => Promise<T>,
): Promise<T> {
  return await inScope(async (scope) => {
    const written = new WrittenText(() => scope.report(details));
    const served = texts?.open({
      written,
      beat: scope.beat,
      onFollowers: (count) => scope.slowDown(count > 0),
    });
    const details = (): StreamHeartbeat => ({
      attempt: scope.attempt,
      ...endOf(written.text, MAX_HEARTBEAT_TEXT),
      ...(written.reasoning === '' ? {} : { reasoning: endOf(written.reasoning, MAX_HEARTBEAT_TEXT) }),
      ...(served === undefined ? {} : { direct: served.address }),
    });
    const announcement = served && setTimeout(() => scope.report(details), ANNOUNCE_DELAY_MS);
    try {
      return await work(scope, written);
    } finally {
      clearTimeout(announcement);
      served?.close();
    }
  });
}
