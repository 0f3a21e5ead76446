/** Opens the teams of the worker's own folder when it starts, so that no session waits for an MCP server. */
import type { Logger } from 'pino';
import type { AgentCache } from '../../agents/cache/agent-cache.ts';
import { loadTeam } from '../../agents/files/load-team.ts';
import { listTeams } from '../../agents/files/team-folders.ts';
import type { Config } from '../../config.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { retry } from '../../connection/retry.ts';
import type { TeamTrust } from '../../tools/mcp/trust.ts';
import type { Tools } from '../../tools/registry.ts';

const FIRST_PAUSE_MS = 5_000;
const MAX_PAUSE_MS = 5 * 60_000;

interface WarmParts {
  readonly agents: AgentCache;
  readonly trust: TeamTrust;
  readonly tools: Tools;
  readonly log: Logger;
}

/** Opens them in the background. A team that does not open is tried again. */
export function warmTeams(
  { agentsDir, agentCacheSize }: Pick<Config, 'agentsDir' | 'agentCacheSize'>,
  { agents, trust, tools, log }: WarmParts,
): { stop(): Promise<void> } {
  const controller = new AbortController();
  const { signal } = controller;
  const warm = async (team: string): Promise<void> => {
    const work = async (): Promise<void> => {
      const resolved = await loadTeam(agentsDir, team, tools);
      await trust.remember(resolved.definition);
      await agents.warm(resolved);
    };
    let lastProblem: string | undefined;
    const onFailure = (err: unknown): void => {
      const problem = err instanceof Error ? err.message : String(err);
      if (problem === lastProblem) return;
      lastProblem = problem;
      // A typed error names what to correct, so its stack tells nothing more.
      const cause = err instanceof CopilotError ? { problem } : { err };
      log.warn({ ...cause, team }, 'agent team did not open; it is tried again');
    };
    await retry(work, { firstPauseMs: FIRST_PAUSE_MS, maxPauseMs: MAX_PAUSE_MS, signal, onFailure });
  };
  const warmAll = async (): Promise<void> => {
    // More would close each other.
    const teams = (await listTeams(agentsDir)).slice(0, agentCacheSize);
    await Promise.all(teams.map(warm));
  };
  const done = warmAll().catch((err: unknown) => {
    if (!signal.aborted) log.warn({ err, agentsDir }, 'agent teams were not opened ahead of their first use');
  });
  return {
    stop: async () => {
      controller.abort();
      await done;
    },
  };
}
