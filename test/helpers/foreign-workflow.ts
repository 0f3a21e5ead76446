/** A workflow that calls itself a session and is none: its history is not one that ours would write. */
import { sleep } from '@temporalio/workflow';

export async function copilotSession(): Promise<void> {
  await sleep('1h');
}
