/** What this worker says of a team's definition that somebody else wrote. */
import type { TeamInspection } from '../contracts/activities.ts';
import { CopilotError } from '../contracts/errors.ts';
import type { ResolvedTeam } from '../contracts/team.ts';
import { definedTool } from '../tools/facts.ts';
import type { TeamTrust } from '../tools/mcp/trust.ts';
import type { Tools } from '../tools/registry.ts';

export interface InspectionParts {
  readonly trust: Pick<TeamTrust, 'check'>;
  readonly tools: Tools;
  /** Reads a team of the worker's own. */
  readonly load: (team: string) => Promise<ResolvedTeam>;
}

export async function inspectTeam(
  { trust, tools, load }: InspectionParts,
  { digest, definition }: ResolvedTeam,
): Promise<TeamInspection> {
  const { name, mcp = {}, agents } = definition;
  const untrusted: string[] = [];
  for (const [id, server] of Object.entries(mcp)) {
    if (!(await isTrusted(trust, { name, mcp: { [id]: server } }))) untrusted.push(id);
  }
  const named = new Set([...Object.keys(definition.tools), ...Object.values(agents).flatMap(({ tools }) => tools)]);
  const known = [...named].map((tool) => tools.get(tool)).filter((found) => found !== undefined);
  const facts = Object.fromEntries(known.map((tool) => [tool.name, definedTool(tool)]));
  const own = await load(name).catch((error: unknown) => {
    if (error instanceof CopilotError) return undefined;
    throw error;
  });
  return { isOwn: own?.digest === digest, facts, untrusted };
}

async function isTrusted(trust: InspectionParts['trust'], team: Parameters<TeamTrust['check']>[0]): Promise<boolean> {
  try {
    await trust.check(team);
    return true;
  } catch (error) {
    if (error instanceof CopilotError && error.type === 'McpNotTrusted') return false;
    throw error;
  }
}
