/** Runs a call of a model whose text followers see while it is written. */
import { MAX_HEARTBEAT_TEXT } from '../contracts/limits.ts';
import { endOf, type StreamHeartbeat } from '../contracts/progress.ts';
import type { TextServer } from '../direct-text/text-server.ts';
import { WrittenText } from '../direct-text/written-text.ts';
import { heartbeatReaders, type WorkerParts } from './agent-call.ts';
import { type ActivityScope, inScope } from './scope.ts';

/** A call that ends sooner needs no heartbeat that says where its text is. */
const ANNOUNCE_DELAY_MS = 100;
/** A follower takes a second to find that it does not reach the worker, and a moment to say so. */
const FIRST_ASK_MS = 2_000;
const ASK_INTERVAL_MS = 5_000;
/** On a busy machine a follower takes longer, so the first questions follow each other quickly. */
const QUICK_ASKS = 4;
const QUICK_INTERVAL_MS = 1_000;
const ASK_AGAIN_MS = 500;

/** @throws as `inScope` */
export async function inModelCall<T>(
  { texts }: WorkerParts,
  work: (scope: ActivityScope, written: WrittenText) => Promise<T>,
): Promise<T> {
  return await inScope(async (scope) => {
    if (texts) return await inServedCall(texts, scope, work);
    const written = new WrittenText(() => scope.report(() => heartbeatOf(scope, written)));
    return await work(scope, written);
  });
}

/**
 * Lets followers that reach this worker read the text from it. Heartbeats carry it as well, and come often unless the
 * session knows that nobody reads them.
 */
async function inServedCall<T>(
  texts: TextServer,
  scope: ActivityScope,
  work: (scope: ActivityScope, written: WrittenText) => Promise<T>,
): Promise<T> {
  const areThere = heartbeatReaders();
  let isSlow = false;
  let followers = 0;
  let asks = 0;
  let asking: NodeJS.Timeout | undefined;
  const askIn = (delayMs: number): void => {
    clearTimeout(asking);
    asking = setTimeout(() => void ask(), delayMs);
  };
  const ask = async (): Promise<void> => {
    const isRead = await areThere().catch(() => undefined);
    if (written.hasEnded) return;
    isSlow = isRead === false;
    scope.slowDown(isSlow);
    // Whoever reads them counts until the call ends.
    if (isRead !== true) askIn(++asks < QUICK_ASKS ? QUICK_INTERVAL_MS : ASK_INTERVAL_MS);
  };
  const details = (): StreamHeartbeat => ({
    ...heartbeatOf(scope, written),
    direct: served.address,
    ...(isSlow ? { isSlow } : {}),
  });
  const written = new WrittenText(() => scope.report(details));
  const onFollowers = (count: number): void => {
    asks = 0;
    askIn(count > followers ? 0 : ASK_AGAIN_MS);
    followers = count;
  };
  const served = texts.open({ written, beat: scope.beat, onFollowers });
  const announcement = setTimeout(() => scope.report(details), ANNOUNCE_DELAY_MS);
  askIn(FIRST_ASK_MS);
  try {
    return await work(scope, written);
  } finally {
    served.close();
    clearTimeout(announcement);
    clearTimeout(asking);
  }
}

function heartbeatOf({ attempt }: ActivityScope, { text, reasoning }: WrittenText): StreamHeartbeat {
  return {
    attempt,
    ...endOf(text, MAX_HEARTBEAT_TEXT),
    ...(reasoning === '' ? {} : { reasoning: endOf(reasoning, MAX_HEARTBEAT_TEXT) }),
  };
}
