/** The process that reads tables. It takes one request and answers once. */
import { enableCompileCache, flushCompileCache } from 'node:module';
import type { EngineAnswer, EngineRequest } from '../request.ts';

// Before anything else is loaded, since only later modules gain.
enableCompileCache();

process.once('message', (request) => {
  const send = (answer: EngineAnswer): void => {
    // Whoever gets the answer kills this process, which would write the cache at its end.
    flushCompileCache();
    process.send?.(answer, () => process.disconnect());
  };
  process.once('unhandledRejection', (error) => send({ failed: String(error) }));
  void import('./answer.ts')
    // The parent sends nothing but requests.
    .then(({ answerTo }) => answerTo(request as EngineRequest))
    .then(send);
});
