/**
 * To be preloaded: `node --import durable-copilot/quiet-promises service.js`. In the threads that run workflow code, the
 * SDK takes a stack of every promise, for the `Call Stack` of the Web UI. That is a third of a worker's CPU. With this
 * file it takes none; sessions and errors are the same.
 */
import v8 from 'node:v8';
import { isMainThread } from 'node:worker_threads';

// Threads inherit preloaded files. Nothing else in the SDK's threads uses promise hooks.
if (!isMainThread) v8.promiseHooks.createHook = () => () => undefined;
