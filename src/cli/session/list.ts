/** `copilot list`. */
import type { CopilotClient } from '../../client/copilot-client.ts';
import type { ListFilter, SessionRow } from '../../client/listing/session-list.ts';
import { type CommonFlags, withClient } from '../connected.ts';
import { optional, parseWholeNumber } from '../numbers.ts';
import { table } from '../table.ts';
import { printResult, shorten } from '../terminal.ts';

export interface ListFlags extends CommonFlags {
  readonly status?: string;
  readonly user?: string;
  readonly mode?: string;
  readonly name?: string;
  readonly namePrefix?: string;
  readonly limit?: string;
  readonly after?: string;
  readonly count?: boolean;
}

export async function runList({ json, status, limit, after, count, ...filter }: ListFlags): Promise<void> {
  // The client checks the status, and its error lists the valid ones.
  const wanted = { ...filter, status: status as SessionRow['status'] | undefined };
  await withClient(async (client) => {
    if (count) return await countSessions(client, wanted, json);
    const page = await client.list({
      ...wanted,
      limit: optional(parseWholeNumber, '--limit', limit),
      after,
    });
    printResult(json, page, () => listText(page.sessions, page.next));
  });
}

async function countSessions(
  client: CopilotClient,
  { status, ...filter }: Omit<ListFilter, 'limit' | 'after'>,
  json: boolean | undefined,
): Promise<void> {
  if (status !== undefined) {
    const count = await client.count({ ...filter, status });
    return printResult(json, { count }, () => String(count));
  }
  const byStatus = await client.countByStatus(filter);
  const count = Object.values(byStatus).reduce((sum, number) => sum + number, 0);
  const rows = [...Object.entries(byStatus), ['all', count] as const];
  printResult(json, { count, byStatus }, () =>
    table(
      ['STATUS', 'COUNT'],
      rows.map(([name, number]) => [name, String(number)]),
    ),
  );
}

function listText(sessions: readonly SessionRow[], next: string | null): string {
  if (sessions.length === 0) return 'No sessions.';
  const rows = sessions.map(({ id, name, user, mode, status, phase, updatedAt }) => [
    id,
    shorten(name, 40),
    user ?? '',
    mode,
    status,
    phase,
    updatedAt,
  ]);
  const more = next === null ? [] : [`More: copilot list --after ${next}`];
  return [table(['ID', 'NAME', 'USER', 'MODE', 'STATUS', 'PHASE', 'UPDATED'], rows), ...more].join('\n');
}
