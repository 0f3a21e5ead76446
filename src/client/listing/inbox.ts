/** Lists the requests that wait for people in all sessions. */
import type { WorkflowExecutionInfo } from '@temporalio/client';
import { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import * as messages from '../../contracts/messages.ts';
import { type PendingRequest, RequestKind } from '../../contracts/request.ts';
import { copilotAwaiting, copilotMode, copilotName, copilotUser } from '../../contracts/search-attributes.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { checkInput } from '../checked-input.ts';
import { ListFilter, buildListQuery } from './session-list.ts';
import { querySession } from '../reading/session-queries.ts';

const LIST_TIMEOUT_MS = 30_000;
const PAGE_SIZE = 1_000;
/** Sessions that are read at the same time. */
const READERS = 8;

/** Which requests are listed. */
export const InboxFilter = z.strictObject({
  /** Owner of the sessions. Default everybody. */
  user: ListFilter.shape.user,
  /** Kind of the requests. Default all. */
  kind: RequestKind.optional(),
  /** Number of requests, 1 to 1,000. Default 100. */
  limit: z.int().min(1).max(1_000).optional(),
});
export type InboxFilter = z.input<typeof InboxFilter>;

/** A request, with the session that it belongs to. */
export type InboxRequest = PendingRequest & {
  readonly sessionId: string;
  readonly sessionName: string;
  readonly user: string | null;
};

/** A session that waits for a person but could not be read. */
export interface UnreadableSession {
  readonly sessionId: string;
  readonly sessionName: string;
  readonly user: string | null;
  /** Kind of the request that has waited longest. */
  readonly kind: string;
  /** Why the session could not be read. */
  readonly problem: string;
}

/** The requests that wait for people. */
export interface Inbox {
  /** Oldest first. */
  readonly requests: readonly InboxRequest[];
  /** Number of further requests beyond `limit`. */
  readonly more: number;
  /** Sessions that could not be read, usually because their worker is away. */
  readonly unreadable: readonly UnreadableSession[];
}

type WaitingSession = Pick<UnreadableSession, 'sessionId' | 'sessionName' | 'user' | 'kind'>;

/**
 * The server's list says which sessions wait, and follows a change after a moment. The requests come from the sessions.
 * @throws CopilotError `InvalidInput`, `ServerUnreachable`
 */
export async function readInbox(link: ServerLink, given: InboxFilter = {}): Promise<Inbox> {
  const { user, kind, limit = 100 } = checkInput(InboxFilter, given, '');
  const waiting = await waitingSessions(link, user);
  const { requests, unreadable } = await readAll(link, waiting);
  const wanted = requests
    .filter((request) => kind === undefined || request.kind === kind)
    .toSorted((a, b) => compare(a.createdAt, b.createdAt) || compare(a.sessionId, b.sessionId));
  return {
    requests: wanted.slice(0, limit),
    more: Math.max(0, wanted.length - limit),
    unreadable: unreadable.toSorted((a, b) => compare(a.sessionId, b.sessionId)),
  };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

async function waitingSessions(link: ServerLink, user: string | undefined): Promise<WaitingSession[]> {
  const { query: sessions, matches = () => true } = buildListQuery(user === undefined ? {} : { user });
  const query = `${sessions} AND ExecutionStatus = 'Running' AND ${copilotAwaiting.name} IS NOT NULL`;
  const found: WaitingSession[] = [];
  try {
    await link.call(
      async () => {
        for await (const execution of link.lister.workflow.list({ query, pageSize: PAGE_SIZE })) {
          const { mode, ...session } = toWaiting(execution);
          if (matches({ user: session.user, name: session.sessionName, mode })) found.push(session);
        }
      },
      { timeoutMs: LIST_TIMEOUT_MS },
    );
    return found;
  } catch (error) {
    throw await link.explain(error);
  }
}

function toWaiting({
  workflowId,
  typedSearchAttributes,
}: WorkflowExecutionInfo): WaitingSession & { readonly mode: string } {
  return {
    sessionId: workflowId,
    sessionName: typedSearchAttributes.get(copilotName) ?? '',
    user: typedSearchAttributes.get(copilotUser) ?? null,
    mode: typedSearchAttributes.get(copilotMode) ?? '',
    kind: typedSearchAttributes.get(copilotAwaiting) ?? '',
  };
}

interface Readings {
  readonly requests: InboxRequest[];
  readonly unreadable: UnreadableSession[];
}

async function readAll(link: ServerLink, sessions: readonly WaitingSession[]): Promise<Readings> {
  const readings: Readings = { requests: [], unreadable: [] };
  const left = [...sessions];
  let hasAnswer = false;
  /** Set once a session did not answer. If none has answered, the others are not asked: each would cost seconds. */
  let absence: unknown;
  const read = async (session: WaitingSession): Promise<void> => {
    try {
      if (absence !== undefined && !hasAnswer) throw absence;
      const { pendingApprovals } = await querySession(link, session.sessionId, messages.info, []);
      hasAnswer = true;
      const { kind: _, ...of } = session;
      readings.requests.push(...pendingApprovals.map((request) => ({ ...request, ...of })));
    } catch (error) {
      const type = error instanceof CopilotError ? error.type : undefined;
      if (type === 'ServerUnreachable') throw error;
      // It was deleted since it was listed.
      if (type === 'SessionNotFound') return;
      if (type === 'NoWorker') absence = error;
      readings.unreadable.push({ ...session, problem: error instanceof Error ? error.message : String(error) });
    }
  };
  const reader = async (): Promise<void> => {
    for (let session = left.shift(); session; session = left.shift()) await read(session);
  };
  await Promise.all(Array.from({ length: READERS }, reader));
  return readings;
}
