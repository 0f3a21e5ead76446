/** Lists and counts sessions by Temporal's visibility queries. */
import type { WorkflowExecutionInfo } from '@temporalio/client';
import { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import { SESSION_WORKFLOW } from '../../contracts/messages.ts';
import {
  copilotMode,
  copilotName,
  copilotPhase,
  copilotStatus,
  copilotLastActiveAt,
  copilotStep,
  copilotUpdatedAt,
  copilotUser,
} from '../../contracts/search-attributes.ts';
import { SessionStatus } from '../../contracts/session.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { isCutOff } from '../reading/cut-off.ts';
import { closedStatus, type ListedStatus } from '../reading/session-queries.ts';
import { quote, runsById } from '../reading/session-runs.ts';
import { checkInput } from '../checked-input.ts';
import { newest, newestOf, type Place, type UpdatedIndex } from './newest-first.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

const PAGE_SIZE = 1_000;
const MAX_LIMIT = 1_000;
const LIST_TIMEOUT_MS = 30_000;

const LISTED_STATUSES = [
  'active',
  'suspended',
  'completed',
  'expired',
  'terminated',
  'failed',
] as const satisfies readonly ListedStatus[];
const FilterText = z.string().min(1, 'it is empty').max(200);

/** Which sessions are listed. All conditions must hold. */
export const ListFilter = z.strictObject({
  /** Owner. */
  user: FilterText.optional(),
  status: z.enum(LISTED_STATUSES).optional(),
  mode: FilterText.optional(),
  /** The whole title. */
  name: FilterText.optional(),
  /** Beginning of the title. On SQLite, which `copilot dev` uses, case does not matter. */
  namePrefix: FilterText.optional(),
  /** Rows on a page, 1 to 1,000. Default 100. */
  limit: z.int().min(1).max(MAX_LIMIT).optional(),
  /** `next` of the previous page. */
  after: z.string().optional(),
});
export type ListFilter = z.input<typeof ListFilter>;
type Filter = Omit<z.output<typeof ListFilter>, 'limit' | 'after'>;

/** A session in a list. Times are ISO 8601 in UTC. */
export interface SessionRow {
  readonly id: string;
  readonly name: string;
  readonly user: string | null;
  readonly mode: string;
  readonly status: ListedStatus;
  readonly phase: string;
  readonly step: number | null;
  readonly createdAt: string;
  /** As of the last change that was written to the list. */
  readonly lastActiveAt: string;
  readonly updatedAt: string;
}

/** One page of a list. */
export interface SessionPage {
  readonly sessions: readonly SessionRow[];
  /** Cursor for `after`; null on the last page. */
  readonly next: string | null;
}

/** The run that a row shows. A reset, or a start under an old id, leaves older runs of the same id. */
interface RowRun {
  readonly run: { readonly id: string; readonly isOpen: boolean };
}

type PlacedRow = SessionRow & Place & RowRun;

/** @throws CopilotError `InvalidInput`, `ServerUnreachable` */
export async function listSessions(link: ServerLink, given: ListFilter = {}): Promise<SessionPage> {
  const { limit = 100, after, ...filter } = checkInput(ListFilter, given, '');
  const place = after === undefined ? undefined : readCursor(after);
  const wanted = { count: limit + 1, ...(place === undefined ? {} : { after: place }) };
  const listQuery = buildListQuery(filter);
  const rows = listQuery.matches
    ? newestOf(await latestRuns(link, (await fetchRows(link, listQuery.query)).filter(listQuery.matches)), wanted)
    : await newest(visibilityIndex(link, listQuery.query), wanted);
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    sessions: page.map(({ updatedMs: _, run: __, ...row }) => row),
    next: rows.length > limit && last ? writeCursor(last) : null,
  };
}

/** @throws CopilotError `InvalidInput`, `ServerUnreachable` */
export async function countSessions(
  link: ServerLink,
  given: Omit<ListFilter, 'limit' | 'after'> = {},
): Promise<number> {
  const filter = checkInput(ListFilter.omit({ limit: true, after: true }), given, '');
  const { query, matches } = buildListQuery(filter);
  // Only closed runs can have a later one of the same id.
  const isOpen = filter.status === 'active' || filter.status === 'suspended';
  if (isOpen && matches === undefined) return await count(link, query);
  return (await latestRuns(link, (await fetchRows(link, query)).filter(matches ?? (() => true)))).length;
}

/** The number of sessions of each status. @throws CopilotError `InvalidInput`, `ServerUnreachable` */
export async function countByStatus(
  link: ServerLink,
  given: Omit<ListFilter, 'limit' | 'after' | 'status'> = {},
): Promise<Record<ListedStatus, number>> {
  const filter = checkInput(ListFilter.omit({ limit: true, after: true, status: true }), given, '');
  const counts = await Promise.all(LISTED_STATUSES.map((status) => countSessions(link, { ...filter, status })));
  return Object.fromEntries(LISTED_STATUSES.map((status, index) => [status, counts[index] ?? 0])) as Record<
    ListedStatus,
    number
  >; // has them all
}

/** A session has one run that did not continue as new, unless somebody reset it or started another under its id. */
const SESSION_RUNS = `WorkflowType = ${quote(SESSION_WORKFLOW)} AND ExecutionStatus != 'ContinuedAsNew'`;

/** The visibility query, and what it cannot express. */
export interface ListQuery {
  readonly query: string;
  /** Set if the query gives more sessions than the filter wants. */
  readonly matches?: (row: Pick<SessionRow, 'user' | 'mode' | 'name'>) => boolean;
}

/** https://docs.temporal.io/list-filter */
export function buildListQuery(filter: Filter): ListQuery {
  const { status, user, mode, name, namePrefix } = filter;
  const texts = [
    ...(user === undefined ? [] : [textCondition(copilotUser.name, user)]),
    ...(mode === undefined ? [] : [textCondition(copilotMode.name, mode)]),
    ...(name === undefined ? [] : [textCondition(copilotName.name, name)]),
    ...(namePrefix === undefined ? [] : [textCondition(copilotName.name, namePrefix, 'STARTS_WITH')]),
  ];
  const query = [
    SESSION_RUNS,
    ...(status === undefined ? [] : [statusQuery(status)]),
    ...texts.flatMap(({ condition }) => condition ?? []),
  ].join(' AND ');
  if (texts.every(({ isExact }) => isExact)) return { query };
  return {
    query,
    matches: (row) =>
      (user === undefined || row.user === user) &&
      (mode === undefined || row.mode === mode) &&
      (name === undefined || row.name === name) &&
      (namePrefix === undefined || row.name.startsWith(namePrefix)),
  };
}

/**
 * SQL visibility of server 1.29 searches for `\"` if the value has `"`, doubles backslashes, and drops quotes at the ends.
 * So such a value is queried by its beginning, and the caller checks the rest.
 */
function textCondition(attribute: string, value: string, operator = '='): { condition?: string; isExact: boolean } {
  if (!/["\\]|^'|'$/.test(value)) return { condition: `${attribute} ${operator} ${quote(value)}`, isExact: true };
  const beginning = value.replace(/["\\].*$/s, '').replace(/'+$/, '');
  if (beginning === '' || beginning.startsWith("'")) return { isExact: false };
  return { condition: `${attribute} STARTS_WITH ${quote(beginning)}`, isExact: false };
}

function statusQuery(status: ListedStatus): string {
  switch (status) {
    case 'completed':
      // A session that waits for its archive has not closed its workflow yet.
      return (
        `(ExecutionStatus IN ('Completed', 'Canceled') AND ${copilotStatus.name} != 'expired'` +
        ` OR ExecutionStatus = 'Running' AND ${copilotStatus.name} = 'completed')`
      );
    case 'expired':
      return `ExecutionStatus IN ('Completed', 'Running') AND ${copilotStatus.name} = 'expired'`;
    case 'terminated':
      return "ExecutionStatus = 'Terminated'";
    case 'failed':
      return "ExecutionStatus IN ('Failed', 'TimedOut')";
    default:
      return `ExecutionStatus = 'Running' AND ${copilotStatus.name} = ${quote(status)}`;
  }
}

function visibilityIndex(link: ServerLink, base: string): UpdatedIndex<PlacedRow> {
  const between = (fromMs: number, toMs: number): string =>
    [
      base,
      ...(fromMs > 0 ? [`${copilotUpdatedAt.name} >= ${quote(new Date(fromMs).toISOString())}`] : []),
      // Not `<=`, because SQLite compares times as text, and only literals lose their trailing zeros.
      ...(Number.isFinite(toMs) ? [`${copilotUpdatedAt.name} < ${quote(new Date(toMs + 1).toISOString())}`] : []),
    ].join(' AND ');
  return {
    count: (fromMs, toMs) => count(link, between(fromMs, toMs)),
    fetch: (fromMs, toMs, max) => fetchRows(link, between(fromMs, toMs), max),
    select: (rows) => latestRuns(link, rows),
  };
}

async function count(link: ServerLink, query: string): Promise<number> {
  try {
    return (await link.call(() => link.client.workflow.count(query))).count;
  } catch (error) {
    throw await link.explain(error);
  }
}

/** Without the rows of runs that a later run of the same session has replaced. */
async function latestRuns(link: ServerLink, rows: readonly PlacedRow[]): Promise<PlacedRow[]> {
  const closed = rows.filter(({ run }) => !run.isOpen).map(({ id }) => id);
  const runs = await runsById(link, [...new Set(closed)], { condition: SESSION_RUNS });
  return rows.filter(({ id, run }) => run.isOpen || latestOf(runs.get(id) ?? [])?.runId === run.id);
}

/** The run that is open, else the one that ended last. */
function latestOf(runs: readonly WorkflowExecutionInfo[]): WorkflowExecutionInfo | undefined {
  const endMs = ({ closeTime }: WorkflowExecutionInfo): number => closeTime?.getTime() ?? Number.POSITIVE_INFINITY;
  return runs.toSorted((a, b) => endMs(b) - endMs(a))[0];
}

/** The first `max` rows of the server, in no useful order. */
async function fetchRows(link: ServerLink, query: string, max = Number.MAX_SAFE_INTEGER): Promise<PlacedRow[]> {
  const rows: PlacedRow[] = [];
  try {
    await link.call(
      async () => {
        for await (const execution of link.lister.workflow.list({ query, pageSize: Math.min(max, PAGE_SIZE) })) {
          rows.push(toRow(execution));
          if (rows.length >= max) break;
        }
      },
      { timeoutMs: LIST_TIMEOUT_MS },
    );
  } catch (error) {
    throw await link.explain(error);
  }
  return rows;
}

function toRow(execution: WorkflowExecutionInfo): PlacedRow {
  const { typedSearchAttributes: attributes, workflowId: id, startTime, memo } = execution;
  const updated = attributes.get(copilotUpdatedAt) ?? startTime;
  const createdAt = memo?.['createdAt'];
  const status =
    closedStatus(execution.status.name, attributes.get(copilotStatus)) ??
    SessionStatus.catch('active').parse(attributes.get(copilotStatus));
  return {
    id,
    updatedMs: updated.getTime(),
    run: { id: execution.runId, isOpen: execution.status.name === 'RUNNING' },
    name: attributes.get(copilotName) ?? id,
    user: attributes.get(copilotUser) ?? null,
    mode: attributes.get(copilotMode) ?? '',
    status,
    // The attributes of a session that was ended from outside say what it did then.
    phase: isCutOff(status) ? 'idle' : (attributes.get(copilotPhase) ?? 'idle'),
    step: isCutOff(status) ? null : (attributes.get(copilotStep) ?? null),
    createdAt: typeof createdAt === 'string' ? createdAt : startTime.toISOString(),
    lastActiveAt: (attributes.get(copilotLastActiveAt) ?? updated).toISOString(),
    updatedAt: updated.toISOString(),
  };
}

function writeCursor({ updatedMs, id }: Place): string {
  return Buffer.from(JSON.stringify([updatedMs, id])).toString('base64url');
}

const Cursor = z.tuple([z.number().min(0), z.string()]);

function readCursor(cursor: string): Place {
  try {
    const [updatedMs, id] = Cursor.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    return { updatedMs, id };
  } catch (cause) {
    throw new CopilotError(
      'InvalidInput',
      { what: `after ("${beginningOf(cursor, 80)}")`, problem: 'use `next` of the previous page, unchanged' },
      { cause },
    );
  }
}
