/**
 * Checks everything that sessions need, without changing anything. Programs are run with `--version` only; the teams' MCP
 * servers are started, asked for their tools and stopped; each model gets two small requests.
 */
import { type Config, loadConfig } from '../config.ts';
import { ceilingsOf } from '../tools/approval/ceilings.ts';
import { loadConfigFile } from '../config-file.ts';
import { CopilotError } from '../contracts/errors.ts';
import { type Check, missing, ok } from './check.ts';
import { checkDisk, checkFolders } from './folders.ts';
import { checkMcpTools } from './mcp.ts';
import { checkModels } from './model.ts';
import { checkServerProgram } from './server-program.ts';
import { checkServer } from './server.ts';
import { checkTeams } from './teams.ts';
import { checkNode, checkTools } from './tools.ts';

export type { Check } from './check.ts';

/**
 * @param environment default: that of this process
 * @param folder where `copilot.config.ts` may be; default: the current one
 * @returns one entry for each check, in the order in which a reader would fix things
 */
export async function diagnose(environment?: NodeJS.ProcessEnv, folder = process.cwd()): Promise<Check[]> {
  let config: Config;
  try {
    config = loadConfig(environment);
  } catch (error) {
    // The other checks depend on the settings.
    return [checkNode(), wrongSettings(error)];
  }
  const program = await checkServerProgram(config);
  const teams = await checkTeams(config);
  const [server, model, mcp, tools, folders, disk] = await Promise.all([
    checkServer(config, program),
    checkModelsOf(config, teams.models, folder),
    checkMcpTools(teams.teams, config.environment),
    checkTools(),
    checkFolders(config),
    checkDisk(config),
  ]);
  const settings = ok('settings', `home folder ${config.homeDir}, task queue ${config.taskQueue}`);
  // If a server answers, the program is only needed for the next start.
  const isMild = program.status === 'missing' && server[0]?.status === 'ok';
  const start: Check = isMild ? { ...program, status: 'warning' } : program;
  const ceilings = await checkCeilings(config, folder);
  return [
    checkNode(),
    settings,
    start,
    ...server,
    ...model,
    ...teams.checks,
    ...mcp,
    ceilings,
    ...tools,
    ...folders,
    disk,
  ];
}

/** What workers with these settings never run. */
async function checkCeilings(config: Config, folder: string): Promise<Check> {
  try {
    const names = ceilingsOf(config.denyTools, (await loadConfigFile(folder)).ceilings?.deny);
    const text =
      names.length === 0 ? 'none: sessions and people decide about every tool' : `never run: ${names.join(', ')}`;
    return ok('ceilings', text);
  } catch (error) {
    if (!(error instanceof CopilotError)) throw error;
    return missing('ceilings', error.message, 'Correct COPILOT_DENY_TOOLS, or ceilings in the config file');
  }
}

async function checkModelsOf(config: Config, wanted: readonly string[], folder: string): Promise<Check[]> {
  try {
    return await checkModels(config, wanted, { file: await loadConfigFile(folder) });
  } catch (error) {
    if (!(error instanceof CopilotError) || error.type !== 'InvalidInput') throw error;
    return [missing('config file', error.message, 'Correct it, then: copilot doctor')];
  }
}

/** @throws errors that are not about settings */
function wrongSettings(error: unknown): Check {
  if (!(error instanceof CopilotError) || error.type !== 'InvalidConfig') throw error;
  const { name, problem } = error.details;
  // The whole message would quote the value, which may be a secret in the wrong variable.
  return missing('settings', `${name} is not valid: ${problem}`, `Correct it, or: unset ${name}`);
}
