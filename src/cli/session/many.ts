/** One command for many sessions: `copilot <verb> --all` with the filters of `list`, after a yes. */
import type { CopilotClient } from '../../client/copilot-client.ts';
import type { ListedStatus } from '../../client/reading/session-queries.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { type CommonFlags, withClient } from '../connected.ts';
import { confirm, isTerminal, paint, printResult, say, sayJson } from '../terminal.ts';

/** Sessions that are changed at a time. */
const CONCURRENCY = 8;
const PAGE_SIZE = 1_000;

/** Flags of the commands that take one session, or many. */
export interface ManyFlags extends CommonFlags {
  readonly all?: boolean;
  readonly yes?: boolean;
  readonly user?: string;
  readonly status?: string;
  readonly mode?: string;
  readonly namePrefix?: string;
}

/** Arguments of a command whose first may be an id: with `--all` there is none. */
export function shiftArguments(
  { all }: ManyFlags,
  first: string | undefined,
  second: string | undefined,
): [id: string | undefined, argument: string | undefined] {
  return all && second === undefined ? [undefined, first] : [first, second];
}

interface Change<Result extends object> {
  /** For the question, such as `suspend`. */
  readonly verb: string;
  /** Statuses of sessions that the command can change. Others are passed over. Default: all. */
  readonly fits?: readonly ListedStatus[];
  readonly work: (session: SessionHandle) => Promise<Result>;
  readonly show: (id: string, result: Result) => string;
}

/**
 * Changes the session of this id, or with `--all` every one that the filters match. Sets exit code 1 if some failed.
 * @throws CopilotError `InvalidInput` without id and `--all`, with both, or if nobody can be asked
 */
export async function changeSessions<Result extends object>(
  id: string | undefined,
  flags: ManyFlags,
  change: Change<Result>,
): Promise<void> {
  const { verb, work, show } = change;
  checkTarget(id, flags, verb);
  await withClient(async (client) => {
    if (id === undefined) return await changeAll(client, flags, change);
    const result = await work(client.session(id));
    printResult(flags.json, { sessionId: id, ...result }, () => show(id, result));
  });
}

/** @throws CopilotError `InvalidInput` */
function checkTarget(id: string | undefined, { all, user, status, mode, namePrefix }: ManyFlags, verb: string): void {
  const fail = (problem: string): never => {
    throw new CopilotError('InvalidInput', { what: verb, problem });
  };
  if (all && id !== undefined) fail(`it names session ${id} and --all; use one of them`);
  if (all) return;
  if (id === undefined) fail('name a session, or pass --all for every session that the filters match');
  const isFiltered = [user, status, mode, namePrefix].some((filter) => filter !== undefined);
  if (isFiltered) fail('filters go with --all');
}

async function changeAll<Result extends object>(
  client: CopilotClient,
  flags: ManyFlags,
  { verb, fits, work, show }: Change<Result>,
): Promise<void> {
  const { json, yes } = flags;
  const ids = await matching(client, flags, fits);
  if (ids.length === 0) return printResult(json, [], () => 'No session matches.');
  const what = `${verb} ${ids.length} ${ids.length === 1 ? 'session' : 'sessions'}`;
  if (!yes && !(await isConfirmed(what))) return printResult(json, [], () => 'Nothing was changed.');
  let failures = 0;
  const reports: object[] = [];
  const changeOne = async (id: string): Promise<void> => {
    try {
      const result = await work(client.session(id));
      reports.push({ sessionId: id, ok: true, ...result });
      if (!json) say(show(id, result));
    } catch (error) {
      failures++;
      const { type = 'Internal', message } = error instanceof CopilotError ? error : { message: String(error) };
      reports.push({ sessionId: id, ok: false, error: { type, message } });
      if (!json) say(`${id}: ${paint('red', 'failed:')} ${message}`);
    }
  };
  const left = ids.values();
  const takeTurns = async (): Promise<void> => {
    for (const id of left) await changeOne(id);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, takeTurns));
  if (json) sayJson(reports);
  else say(paint('bold', `${verb}: ${ids.length - failures} done, ${failures} failed`));
  if (failures > 0) process.exitCode = 1;
}

/** Ids of the sessions that match, all pages. */
async function matching(
  client: CopilotClient,
  { user, status, mode, namePrefix }: ManyFlags,
  fits: readonly ListedStatus[] | undefined,
): Promise<string[]> {
  // The client checks the status, and its error lists the valid ones.
  const filter = { user, mode, namePrefix, status: status as ListedStatus | undefined, limit: PAGE_SIZE };
  const ids: string[] = [];
  for (let after: string | undefined; ;) {
    const { sessions, next } = await client.list({ ...filter, after });
    ids.push(...sessions.filter((row) => fits?.includes(row.status) ?? true).map((row) => row.id));
    if (next === null) return ids;
    after = next;
  }
}

/**
 * Asks on the terminal.
 * @param what what will be done, such as `delete 3 sessions`
 * @throws CopilotError `InvalidInput` if there is no terminal to ask on
 */
export async function isConfirmed(what: string, consequence = ''): Promise<boolean> {
  if (!isTerminal.stdin || !isTerminal.stderr) {
    const problem = `${consequence === '' ? '' : 'it cannot be undone; '}confirm with --yes`;
    throw new CopilotError('InvalidInput', { what, problem });
  }
  return await confirm(`${what.charAt(0).toUpperCase()}${what.slice(1)}${consequence}?`);
}
