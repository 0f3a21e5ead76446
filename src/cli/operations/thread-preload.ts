/** The threads of `copilot worker` that run workflow code. */
import { extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import threads from 'node:worker_threads';

const PRELOADED = join(import.meta.dirname, '../../worker', `workflow-threads${extname(import.meta.filename)}`);
/** What the SDK starts for workflow code. */
const WORKFLOW_THREAD = /[\\/]workflow-worker-thread(\.js)?$/;

/**
 * From now on the threads for workflow code start with the file above. The SDK has no option for what it takes away, so
 * either the process starts with the file, or its threads do.
 */
export function preloadWorkflowThreads(): void {
  const execArgv = [...process.execArgv, '--import', pathToFileURL(PRELOADED).href];
  threads.Worker = class extends threads.Worker {
    constructor(file: string | URL, options: threads.WorkerOptions = {}) {
      super(file, WORKFLOW_THREAD.test(String(file)) ? { execArgv, ...options } : options);
    }
  };
}
