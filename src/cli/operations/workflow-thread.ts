/** Begins a thread for workflow code, and goes on with the SDK's file, which its last argument names. */
import { pathToFileURL } from 'node:url';
import '../../worker/workflow-threads.ts';

await import(pathToFileURL(process.argv.at(-1) ?? '').href);
