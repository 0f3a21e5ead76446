/** `copilot replay`: checks that sessions replay on the present workflow code. */
import { CopilotError } from '../../contracts/errors.ts';
import type { Replayed } from '../../worker/bundle/replay.ts';
import type { CommonFlags } from '../connected.ts';
import { paint, remark, say, sayJson } from '../terminal.ts';

export interface ReplayFlags extends CommonFlags {
  readonly all?: boolean;
  readonly since?: string;
}

/** Sets exit code 1 if a session does not replay. */
export async function runReplay(ids: readonly string[], flags: ReplayFlags): Promise<void> {
  const since = sinceOf(flags);
  if (ids.length > 0 === (flags.all === true)) {
    const problem = 'name sessions, or pass --all for every session';
    throw new CopilotError('InvalidInput', { what: 'What to replay', problem });
  }
  const { replaySessions } = await import('../../worker/bundle/replay.ts');
  const replayed: Replayed[] = [];
  for await (const one of replaySessions({ ...(flags.all ? {} : { ids }), ...(since ? { since } : {}) })) {
    replayed.push(one);
    if (!flags.json) sayOne(one);
  }
  const failed = replayed.filter(({ problem }) => problem !== null).length;
  if (flags.json) sayJson(replayed);
  else remark(`${replayed.length - failed} replay, ${failed} do not`);
  if (failed > 0) process.exitCode = 1;
}

function sayOne({ sessionId, problem }: Replayed): void {
  if (problem === null) say(`${paint('green', '✓')} ${sessionId}`);
  else say(`${paint('red', '✗')} ${sessionId}  ${problem}`);
}

function sinceOf({ all, since }: ReplayFlags): Date | undefined {
  if (since === undefined) return undefined;
  const time = new Date(since);
  if (Number.isNaN(time.getTime()) || !all) {
    const problem = all ? 'use a time such as 2026-11-01 or 2026-11-01T12:00:00Z' : 'it needs --all';
    throw new CopilotError('InvalidInput', { what: `--since ${since}`, problem });
  }
  return time;
}
