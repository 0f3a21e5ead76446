/** Who makes a request of the gateway, and what they may do. */
import { z } from 'zod';

/**
 * - `user`: everything in the sessions that they own.
 * - `approver`: also reads all sessions and decides their requests.
 * - `operator`: everything in all sessions.
 */
export const Role = z.enum(['user', 'approver', 'operator']);
export type Role = z.infer<typeof Role>;

export interface Principal {
  /** Owner of the sessions that they create, and the `by` of their decisions. */
  readonly name: string;
  readonly role: Role;
  /** Whether the request has the cookie of the page. */
  readonly isBrowser?: boolean;
}

/** What a request does with a session. */
export type Right = 'read' | 'decide' | 'write';

/** @param owner owner of the session; null if it has none */
export function mayDo({ name, role }: Principal, right: Right, owner: string | null): boolean {
  return role === 'operator' || owner === name || (role === 'approver' && right !== 'write');
}

/** Whether they see the sessions of others in lists. */
export const seesAll = ({ role }: Principal): boolean => role !== 'user';
