/** `copilot suspend`, `interrupt` and `complete`. */
import type { ListedStatus } from '../../client/reading/session-queries.ts';
import type { StatusReport } from '../../client/session/options.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { paint } from '../terminal.ts';
import { changeSessions, type ManyFlags } from './many.ts';

const OPEN: readonly ListedStatus[] = ['active', 'suspended'];

export async function runSuspend(
  id: string | undefined,
  flags: ManyFlags & { readonly reason?: string; readonly now?: boolean },
): Promise<void> {
  const { reason, now } = flags;
  const options = { ...(reason === undefined ? {} : { reason }), ...(now === undefined ? {} : { now }) };
  await changeStatus(id, flags, 'suspend', ['active'], (session) => session.suspend(options));
}

export async function runInterrupt(id: string | undefined, flags: ManyFlags): Promise<void> {
  const interrupt = async (session: SessionHandle): Promise<StatusReport> => await session.interrupt();
  await changeStatus(id, flags, 'interrupt', OPEN, interrupt, 'no turn was running');
}

export async function runComplete(id: string | undefined, flags: ManyFlags): Promise<void> {
  await changeStatus(id, flags, 'complete', OPEN, (session) => session.complete());
}

async function changeStatus(
  id: string | undefined,
  flags: ManyFlags,
  verb: string,
  fits: readonly ListedStatus[],
  work: (session: SessionHandle) => Promise<StatusReport>,
  unchanged = 'nothing changed',
): Promise<void> {
  const show = (sessionId: string, { changed, status, archiveProblem }: StatusReport): string =>
    [
      `${sessionId} is ${status}${changed ? '' : `: ${unchanged}`}`,
      ...(archiveProblem ? [paint('yellow', `! Not archived yet: ${archiveProblem}`)] : []),
    ].join('\n');
  await changeSessions(id, flags, { verb, fits, work, show });
}
