/** What the agent cache is given, and what it gives. */
import type { Logger } from 'pino';
import type { AgentOverride, ResolvedTeam } from '../../contracts/team.ts';
import type { Agent, Team } from '../team.ts';
import type { FindOpenSessions } from './private-agents.ts';

export interface AgentCacheOptions {
  /** Instances per digest, at least 1. */
  readonly poolSize: number;
  /** Maximum number of teams, at least 1. Only teams in use may exceed it. */
  readonly maxEntries: number;
  /** A team that was not used for this long is closed. Default: 30 min. */
  readonly idleMs?: number;
  /** Finds out which sessions are open, so that those that closed elsewhere are forgotten. Default: nobody knows. */
  readonly findOpenSessions?: FindOpenSessions;
  /** Shortest time between two logs of the statistics. Default: 5 min. */
  readonly statsMs?: number;
  /** How long `close` waits for leases, and then for each team to close. Default: 10 s. */
  readonly closeMs?: number;
  open(resolved: ResolvedTeam, instanceId: string): Promise<Team>;
  readonly log: Logger;
}

/** The right to use a team until `release`. */
export interface Lease {
  readonly team: Team;
  /**
   * The shared agent, or the session's own if the session overrides it.
   * @throws CopilotError `InvalidInput`, see {@link Team.agent}
   */
  readonly agent: (id: string, override?: AgentOverride) => Agent;
  /** May be called twice. */
  readonly release: () => void;
}
