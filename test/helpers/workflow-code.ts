/** The workflow code as webpack makes it of the source, once for all tests of a process. */
import { DefaultLogger } from '@temporalio/worker';
import { buildBundle } from '../../src/worker/bundle/bundle.ts';

let built: Promise<string> | undefined;

export function workflowCode(): Promise<string> {
  return (built ??= buildBundle(new DefaultLogger('ERROR', () => {})));
}
