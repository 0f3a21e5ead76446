/** What a worker that hosts sessions needs of Temporal's `Worker`. */
import { getHeapStatistics } from 'node:v8';
import type { WorkerOptions } from '@temporalio/worker';

/** Heap in bytes for everything but sessions. */
const HEAP_OF_WORKER = 512 * 1_024 * 1_024;
/** Heap in bytes for a session. We measured 0.5 to 1 MiB after a planned turn, and a session may carry 1.5 MiB of JSON. */
const HEAP_OF_SESSION = 4 * 1_024 * 1_024;
const MIN_OPEN_SESSIONS = 10;

/**
 * Settings that hosting sessions depends on. A service's own values go before them.
 * @param openSessions sessions that the worker keeps open at a time
 */
export function sessionSettings(openSessions = maxOpenSessions()): Partial<WorkerOptions> {
  return {
    ...FROZEN_TASKS,
    // A stopping worker lets running activities go on for this long. Then it stops them, and another worker runs them.
    shutdownGraceTime: '10s',
    maxCachedWorkflows: openSessions,
    // A session waits this long for the worker that had it before another one may take it. So it is the longest pause
    // after a worker was killed.
    stickyQueueScheduleToStartTimeout: '4s',
    // Text of a running model call reaches followers at most this much later.
    maxHeartbeatThrottleInterval: '100ms',
  };
}

/**
 * Longest time that the SDK lets the workflow code of one task run; its types do not name this option. Its default of 5 s
 * ends the code of a worker that was frozen in the middle of it, as soon as the worker goes on. What it leaves half done
 * then aborts the whole process on Node 22 ("async hook stack has become corrupted"), and can mix up sessions that share
 * a thread.
 */
const FROZEN_TASKS = { isolateExecutionTimeout: '10m' };

/**
 * Sessions that this worker holds open at a time. It replays any other from its history when it needs it. The SDK's own
 * default holds some 2,000, which fills the heap and ends the process.
 */
function maxOpenSessions(): number {
  const heap = getHeapStatistics().heap_size_limit;
  return Math.max(MIN_OPEN_SESSIONS, Math.floor((heap - HEAP_OF_WORKER) / HEAP_OF_SESSION));
}
