/** Tells a session who follows it: a sign of life once a minute, by a query, which adds nothing to its history. */
import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { attached, type AttachedClient, type AttachPayload } from '../../contracts/attached.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { querySession } from './session-queries.ts';

/** Of the five minutes after which a client counts as gone. */
const INTERVAL_MS = 60_000;
/** Who follows for a turn that is shorter than this gives no sign, since it would cost more than it says. */
const FIRST_SIGN_MS = 1_000;
/** How long the end of a following may wait until the session knows of it. */
const LEAVE_MS = 500;

/** Who follows. Default kind: a program that uses the client library. */
export type FollowsAs = Pick<AttachedClient, 'name'> & Partial<Pick<AttachedClient, 'kind'>>;

/** The person and the machine, such as `ada@laptop`. */
export function thisProgram(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A container's user may have no name.
    return `${process.pid}@${hostname()}`;
  }
}

/** Asks who follows a session, and gives signs of life for some. @throws as `SessionHandle.turns` */
export async function askAttached(
  link: ServerLink,
  sessionId: string,
  { here = [], left = [] }: Partial<Pick<AttachPayload, 'here' | 'left'>> = {},
  signal?: AbortSignal,
): Promise<readonly AttachedClient[]> {
  const payload: AttachPayload = { now: new Date().toISOString(), here: [...here], left: [...left] };
  return await querySession(link, sessionId, attached, [payload], { signal });
}

/**
 * Gives signs of life until the client leaves. A sign that does not arrive is made up for by the next one.
 * @returns to be called when the client leaves; settles when the session knows, or soon after if nobody answers
 */
export function announceFollower(
  link: ServerLink,
  sessionId: string,
  { name, kind = 'library' }: FollowsAs,
): () => Promise<void> {
  const client: AttachedClient = { id: randomUUID(), name, kind, since: new Date().toISOString() };
  let hasAnnounced = false;
  const announce = (): void => {
    hasAnnounced = true;
    askAttached(link, sessionId, { here: [client] }).catch(() => undefined);
  };
  let interval: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    announce();
    interval = setInterval(announce, INTERVAL_MS).unref();
  }, FIRST_SIGN_MS).unref();
  return async () => {
    clearTimeout(first);
    clearInterval(interval);
    if (!hasAnnounced) return;
    const signal = AbortSignal.timeout(LEAVE_MS);
    await askAttached(link, sessionId, { left: [client.id] }, signal).catch(() => undefined);
  };
}
