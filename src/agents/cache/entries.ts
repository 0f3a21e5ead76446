/** Entries of the agent cache: the teams of a digest, and the private agents of sessions. */
import type { CacheEntry, CloseRequest } from '../../contracts/worker-report.ts';
import type { PrivateAgent } from './private-agent.ts';
import type { Team } from '../team.ts';

/** A team instance that is open or opening. */
export interface Instance {
  readonly id: string;
  readonly team: Promise<Team>;
}

export interface SharedEntry {
  readonly kind: 'shared';
  readonly digest: string;
  readonly slots: (Instance | undefined)[];
  /** Name of the team, once it is known. */
  name?: string;
  leases: number;
  /** Slot of the next new session. */
  next: number;
  usedAt: number;
}

export interface PrivateEntry extends PrivateAgent {
  readonly kind: 'private';
  readonly digest: string;
  /** Identifies the override and the team instance that it was made from. */
  readonly made: string;
  usedAt: number;
}

export type Entry = SharedEntry | PrivateEntry;

/** How many characters of a digest are enough to select it. */
const DIGEST_PREFIX = 8;

/** Whether no lease uses it. */
export function isFree(entry: Entry): boolean {
  return entry.kind === 'private' || entry.leases === 0;
}

export function instancesOf(entry: Entry): Instance[] {
  return entry.kind === 'shared' ? entry.slots.filter((slot) => slot !== undefined) : [];
}

/** `team@digest` or `agentId#sessionId`. */
export function keyOf(entry: Entry): string {
  if (entry.kind === 'shared') return `${entry.name ?? '?'}@${entry.digest}`;
  const { base_agent_id, session_id } = entry.facts.metadata;
  return `${base_agent_id}#${session_id}`;
}

export function describeEntry(entry: Entry, isClosing: boolean): CacheEntry {
  const key = keyOf(entry);
  const idleMs = Math.round(performance.now() - entry.usedAt);
  if (entry.kind === 'private') return { kind: 'private', key, ...entry.facts, idleMs };
  const instances = instancesOf(entry).map(({ id }) => id);
  return { kind: 'shared', key, leases: entry.leases, instances, isClosing, idleMs };
}

export function isSelected(entry: Entry, { key, digest, session, all }: CloseRequest): boolean {
  if (all) return true;
  if (digest !== undefined) return digest.length >= DIGEST_PREFIX && entry.digest.startsWith(digest);
  if (session !== undefined) return entry.kind === 'private' && entry.facts.metadata.session_id === session;
  if (key === undefined) return false;
  if (entry.kind === 'private') return keyOf(entry) === key;
  const digestPart = key.slice(key.lastIndexOf('@') + 1);
  return digestPart.length >= DIGEST_PREFIX && keyOf(entry).startsWith(key);
}
