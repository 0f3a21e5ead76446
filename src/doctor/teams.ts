/** Loads every team in the agents folder like a worker, and checks what its MCP servers need. */
import { basename, join } from 'node:path';
import { loadTeam } from '../agents/files/load-team.ts';
import { folderOf, listOtherFolders, listTeams, type TeamFolders } from '../agents/files/team-folders.ts';
import type { Config } from '../config.ts';
import { CopilotError } from '../contracts/errors.ts';
import type { TeamDefinition } from '../contracts/team.ts';
import type { Tools } from '../tools/registry.ts';
import { type Check, missing, ok, warning } from './check.ts';
import { checkMcpServers, checkTrust } from './mcp.ts';

interface CheckedTeams {
  readonly checks: Check[];
  /** Names of the models that the teams use. */
  readonly models: string[];
  /** Those that could be loaded. */
  readonly teams: TeamDefinition[];
}

export async function checkTeams(config: Config, tools: Tools): Promise<CheckedTeams> {
  const { agentsDir } = config;
  const hint = 'Name a folder with one subfolder per team: export COPILOT_AGENTS_DIR=…';
  try {
    const names = await listTeams(agentsDir);
    const others = await checkOtherFolders(agentsDir);
    if (names.length === 0)
      return { checks: [missing('teams', `none in ${String(agentsDir)}`, hint), ...others], models: [], teams: [] };
    const found = await Promise.all(names.map((name) => checkTeam(config, name, tools)));
    return {
      checks: [...found.flatMap(({ checks }) => checks), ...others, ...checkTrust(config.trustTeams)],
      models: [...new Set(found.flatMap(({ models }) => models))],
      teams: found.flatMap(({ teams }) => teams),
    };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return {
      checks: [missing('teams', `${String(agentsDir)} cannot be read: ${problem}`, hint)],
      models: [],
      teams: [],
    };
  }
}

/** Workers leave them out without a word. */
async function checkOtherFolders(agentsDir: TeamFolders): Promise<Check[]> {
  return (await listOtherFolders(agentsDir)).map(({ name, reason }) =>
    warning(
      'teams',
      `${JSON.stringify(name)} is no team: ${reason}`,
      `Correct the folder in ${String(agentsDir)}, or move it away`,
    ),
  );
}

async function checkTeam({ agentsDir, environment }: Config, name: string, tools: Tools): Promise<CheckedTeams> {
  const check = `team ${name}`;
  try {
    const { definition, digest } = await loadTeam(agentsDir, name, tools);
    const agents = Object.values(definition.agents);
    const models = [definition, ...agents].flatMap(({ model = [] }) => model);
    const team = ok(check, `${agents.length} agents, digest ${digest.slice(0, 12)}`);
    return { checks: [team, ...(await checkMcpServers(definition, environment))], models, teams: [definition] };
  } catch (error) {
    if (!(error instanceof CopilotError)) throw error;
    const { file, line } = error.details;
    const folder = folderOf(agentsDir, name) ?? '';
    const place =
      typeof file === 'string' ? ` ${join(folder, basename(file))}, line ${line}` : ` the files in ${folder}`;
    return { checks: [missing(check, error.message, `Correct${place}, then: copilot doctor`)], models: [], teams: [] };
  }
}
