/**
 * To be preloaded: `node --import durable-copilot/workflow-threads service.js`. It takes two costs from the threads in
 * which the SDK runs workflow code, some half of their time. Sessions and their errors are the same.
 *
 * - A stack of every promise, which nothing but the `Call Stack` of the Web UI shows.
 * - A watchdog for each call into workflow code, which is a thread of its own. It ends code that runs for longer than
 *   `isolateExecutionTimeout`; the code of sessions never waits or loops.
 */
import module from 'node:module';
import v8 from 'node:v8';
import { type RunningScriptInNewContextOptions, Script } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

// Threads inherit preloaded files. Nothing else in the SDK's threads uses promise hooks or runs scripts.
if (!isMainThread) {
  // Each thread has to ask for it. It loads the SDK, which takes a quarter less time so.
  module.enableCompileCache();
  // A copy, since Node uses the original itself: on Node 22, `AsyncLocalStorage` depends on it.
  Reflect.set(v8, 'promiseHooks', { ...v8.promiseHooks, createHook: () => () => undefined });
  const script = Script.prototype;
  const run: typeof script.runInContext = Reflect.get(script, 'runInContext');
  script.runInContext = function (context, { timeout: _, ...options }: RunningScriptInNewContextOptions = {}) {
    return run.call(this, context, options);
  };
}
