/** A cache over real teams, with the openings and closings of its instances on record. */
import { AgentCache } from '../../../../src/agents/cache/agent-cache.ts';
import type { AgentCacheOptions } from '../../../../src/agents/cache/options.ts';
import type { FetchTeam } from '../../../../src/agents/cache/team-definitions.ts';
import { openTeam } from '../../../../src/agents/team.ts';
import type { ResolvedTeam } from '../../../../src/contracts/team.ts';
import { idleModels, recordingLog, smallTeam } from '../files/team-folder.ts';
import { builtInTools } from '../../../../src/tools/registry.ts';

export interface World {
  readonly cache: AgentCache;
  readonly lines: Record<string, unknown>[];
  /** Ids of instances in the order of their opening and closing. */
  readonly opened: string[];
  readonly closed: string[];
  /** Replaced by tests that need a slow or failing opening or closing. */
  beforeOpen: () => Promise<void>;
  onClose: (instanceId: string) => Promise<void>;
}

const worlds: World[] = [];

/** A cache over real teams whose openings and closings are counted. */
export function world(options: Partial<AgentCacheOptions> = {}): World {
  const { log, lines } = recordingLog();
  const [opened, closed]: [string[], string[]] = [[], []];
  const open = async (resolved: ResolvedTeam, instanceId: string) => {
    opened.push(instanceId);
    await made.beforeOpen();
    const openModels = () =>
      idleModels(() => {
        closed.push(instanceId);
        return made.onClose(instanceId);
      });
    return await openTeam(resolved, { instanceId, tools: builtInTools, openModels, log });
  };
  const cache = new AgentCache({ poolSize: 1, maxEntries: 32, open, log, ...options });
  const made: World = {
    cache,
    lines,
    opened,
    closed,
    beforeOpen: () => Promise.resolve(),
    onClose: () => Promise.resolve(),
  };
  worlds.push(made);
  return made;
}

export const noFetch: FetchTeam = () => Promise.reject(new Error('nothing should be fetched'));

/** One use of a team by a session: the id of the instance that served it. */
export const use = (cache: AgentCache, session: string, team: ResolvedTeam, turnId = 'turn-1'): Promise<string> =>
  cache.withTeam(
    session,
    team.digest,
    () => Promise.resolve(team),
    (lease) => Promise.resolve(lease.team.id),
    turnId,
  );

export async function closeWorlds(): Promise<void> {
  for (const { cache } of worlds.splice(0)) await cache.close();
}

/** The small team with something else in it, so that it has another digest. */
export async function otherTeam(text: string): Promise<ResolvedTeam> {
  return await smallTeam({ 'router.yaml': `description: ${text}\ninstructions: ${text}\n` });
}
