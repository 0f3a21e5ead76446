/** The threads of `copilot worker` that run workflow code. */
import { extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import threads from 'node:worker_threads';

const PRELOADED = join(import.meta.dirname, '../../worker', `quiet-promises${extname(import.meta.filename)}`);
/** What the SDK starts for workflow code. */
const WORKFLOW_THREAD = /[\\/]workflow-worker-thread(\.js)?$/;

/**
 * From now on the SDK takes no stacks of promises. The SDK has no option for that: it is the process that has to start
 * with the file, or its threads.
 */
export function leaveOutPromiseStacks(): void {
  const execArgv = ['--import', pathToFileURL(PRELOADED).href];
  threads.Worker = class extends threads.Worker {
    constructor(file: string | URL, options: threads.WorkerOptions = {}) {
      super(file, WORKFLOW_THREAD.test(String(file)) ? { execArgv, ...options } : options);
    }
  };
}
