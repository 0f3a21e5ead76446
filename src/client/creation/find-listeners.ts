/** Whether there are webhooks for a session that is about to begin. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { SessionStart } from '../../contracts/session.ts';
import { MAX_LISTENERS_AGE_MS, webhooksId } from '../../contracts/webhooks.ts';

type Asked = Pick<Client, 'workflow'>;

/** Asks the server only, so it takes no worker and less than a worker's answer. Undefined if that cannot be told. */
export async function findListeners(client: Asked, user: string | undefined): Promise<SessionStart['listeners']> {
  return await askFor(user, (owner) => isOpen(client, owner));
}

interface Known {
  /** When the server was asked, by `performance.now`. */
  readonly askedAt: number;
  readonly isOpen: Promise<boolean>;
}

const remembered = new WeakMap<Asked, Map<string | null, Known>>();

/**
 * As {@link findListeners}, for a session that this client starts now. What the server said may be up to
 * {@link MAX_LISTENERS_AGE_MS} old: who adds the first webhook gets an answer only when sessions know of it that were
 * started meanwhile.
 */
export async function recentListeners(client: Asked, user: string | undefined): Promise<SessionStart['listeners']> {
  const known = remembered.get(client) ?? new Map<string | null, Known>();
  remembered.set(client, known);
  const now = performance.now();
  for (const [owner, { askedAt }] of known) if (now - askedAt >= MAX_LISTENERS_AGE_MS) known.delete(owner);
  return await askFor(user, (owner) => {
    const entry = known.get(owner) ?? { askedAt: now, isOpen: isOpen(client, owner) };
    known.set(owner, entry);
    return entry.isOpen;
  });
}

async function askFor(
  user: string | undefined,
  ask: (owner: string | null) => Promise<boolean>,
): Promise<SessionStart['listeners']> {
  try {
    const [own, all] = await Promise.all([user === undefined ? false : ask(user), ask(null)]);
    return { own, all };
  } catch {
    return undefined;
  }
}

async function isOpen({ workflow }: Asked, owner: string | null): Promise<boolean> {
  try {
    return (await workflow.getHandle(webhooksId(owner)).describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
