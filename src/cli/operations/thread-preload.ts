/** The threads of `copilot worker` that run workflow code. */
import { extname, join } from 'node:path';
import threads from 'node:worker_threads';

const ENTRY = join(import.meta.dirname, `workflow-thread${extname(import.meta.filename)}`);
/** What the SDK starts for workflow code. */
const WORKFLOW_THREAD = /[\\/]workflow-worker-thread(\.js)?$/;

/**
 * From now on the threads for workflow code begin with the file above. The SDK has no option for what that takes away.
 * They keep the options of this process: given as `execArgv`, those of V8, such as `--max-old-space-size`, are refused.
 */
export function preloadWorkflowThreads(): void {
  threads.Worker = class extends threads.Worker {
    constructor(file: string | URL, options: threads.WorkerOptions = {}) {
      if (WORKFLOW_THREAD.test(String(file))) super(ENTRY, { ...options, argv: [String(file)] });
      else super(file, options);
    }
  };
}
