/** Preloaded into workers: on SIGUSR2 each of their threads collects its garbage, so that what it keeps can be compared. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const threads = new BroadcastChannel('collect-garbage');
threads.unref();
if (isMainThread) {
  process.on('SIGUSR2', () => {
    collect();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- this is no window
    threads.postMessage(undefined);
  });
} else {
  threads.addEventListener('message', () => collect());
}
