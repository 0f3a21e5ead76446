/** `copilot suspend`, `interrupt` and `complete`. */
import type { SessionHandle, StatusReport } from '../../client/session/session-handle.ts';
import { type CommonFlags, withClient } from '../connected.ts';
import { printResult } from '../terminal.ts';

export async function runSuspend(
  id: string,
  flags: CommonFlags & { readonly reason?: string; readonly now?: boolean },
): Promise<void> {
  const { reason, now } = flags;
  const options = { ...(reason === undefined ? {} : { reason }), ...(now === undefined ? {} : { now }) };
  await change(id, flags, (session) => session.suspend(options), 'nothing changed');
}

export async function runInterrupt(id: string, flags: CommonFlags): Promise<void> {
  await change(id, flags, (session) => session.interrupt(), 'no turn was running');
}

export async function runComplete(id: string, flags: CommonFlags): Promise<void> {
  await change(id, flags, (session) => session.complete(), 'nothing changed');
}

async function change(
  id: string,
  { json }: CommonFlags,
  work: (session: SessionHandle) => Promise<StatusReport>,
  unchanged: string,
): Promise<void> {
  await withClient(async (client) => {
    const { changed, status } = await work(client.session(id));
    printResult(json, { sessionId: id, changed, status }, () => `${id} is ${status}${changed ? '' : `: ${unchanged}`}`);
  });
}
