/** Whether a Temporal server is there, for probes. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionLike } from '@temporalio/client';

/** Probes of Kubernetes wait for a second by default. */
const TIMEOUT_MS = 800;

export async function answers(connection: ConnectionLike): Promise<boolean> {
  const ask = connection.withDeadline(Date.now() + TIMEOUT_MS, () => connection.workflowService.getSystemInfo({}));
  const asked = ask.then(
    () => true,
    () => false,
  );
  // The SDK may try again beyond its deadline.
  return await Promise.race([asked, sleep(TIMEOUT_MS, false, { ref: false })]);
}
