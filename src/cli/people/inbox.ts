/** `copilot inbox`. */
import type { InboxFilter, InboxRequest } from '../../client/listing/inbox.ts';
import { visibleWithBlanks } from '../../contracts/visible-text.ts';
import { type CommonFlags, withClient } from '../connected.ts';
import { optional, parseWholeNumber } from '../numbers.ts';
import { table } from '../table.ts';
import { printResult, remark, shorten } from '../terminal.ts';

export interface InboxFlags extends CommonFlags {
  readonly user?: string;
  readonly kind?: string;
  readonly limit?: string;
}

export async function runInbox({ json, user, kind, limit }: InboxFlags): Promise<void> {
  const filter = {
    user,
    // The client checks the kind, and its error lists the valid ones.
    kind: kind as InboxFilter['kind'],
    limit: optional(parseWholeNumber, '--limit', limit),
  };
  await withClient(async (client) => {
    const found = await client.inbox(filter);
    printResult(json, found, () => (found.requests.length === 0 ? 'No requests wait.' : inboxTable(found.requests)));
    if (json) return;
    if (found.requests.length > 0) remark('See all of a request with: copilot show <session> --request <request>');
    if (found.more > 0) remark(`${found.more} more requests wait; see them with --limit.`);
    for (const { sessionId, kind: waitsFor, problem } of found.unreadable)
      remark(`${sessionId} waits (${waitsFor}) and cannot be read: ${problem}`);
  });
}

function inboxTable(requests: readonly InboxRequest[]): string {
  return table(
    ['SESSION', 'REQUEST', 'KIND', 'USER', 'SINCE', 'EXPIRES', 'QUESTION'],
    requests.map(({ sessionId, id, kind, user, createdAt, expiresAt, question }) => [
      sessionId,
      id,
      kind,
      user ?? '',
      createdAt,
      expiresAt,
      shorten(visibleWithBlanks(question), 80),
    ]),
  );
}
