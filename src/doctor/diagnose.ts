/**
 * Checks everything that sessions need, without changing anything. Programs are run with `--version` only; the teams' MCP
 * servers are started, asked for their tools and stopped; each model gets two small requests.
 */
import { type Config, loadConfig } from '../config.ts';
import { ceilingsOf } from '../tools/approval/ceilings.ts';
import { type CopilotConfig, loadConfigFile } from '../config-file.ts';
import { CopilotError } from '../contracts/errors.ts';
import { runnerOf } from '../tools/code/container-runner.ts';
import { type Tools, withOwnTools } from '../tools/registry.ts';
import { type Check, missing, ok } from './check.ts';
import { checkDisk, checkFolders } from './folders.ts';
import { checkMcpTools } from './mcp.ts';
import { checkModels } from './model.ts';
import { checkServerProgram } from './server-program.ts';
import { checkServer } from './server.ts';
import { checkTeams } from './teams.ts';
import { checkNode, checkOwnTools, checkTools } from './tools.ts';

export type { Check } from './check.ts';

/**
 * @param environment default: that of this process
 * @param folder where `copilot.config.ts` may be; default: the current one
 * @returns one entry for each check, in the order in which a reader would fix things
 */
export async function diagnose(environment?: NodeJS.ProcessEnv, folder = process.cwd()): Promise<Check[]> {
  const { file, tools: known, problems } = await readConfigFile(folder);
  let config: Config;
  try {
    config = loadConfig(environment, file);
  } catch (error) {
    // The other checks depend on the settings.
    return [checkNode(), wrongSettings(error)];
  }
  const program = await checkServerProgram(config);
  const teams = await checkTeams(config, known);
  const [server, model, mcp, tools, folders, disk] = await Promise.all([
    checkServer(config, program),
    checkModels(config, teams.models, { file }),
    checkMcpTools(teams.teams, config.environment),
    checkTools(runnerOf(file, config)),
    checkFolders(config),
    checkDisk(config),
  ]);
  const settings = ok('settings', `home folder ${config.homeDir}, task queue ${config.taskQueue}`);
  // If a server answers, the program is only needed for the next start.
  const isMild = program.status === 'missing' && server[0]?.status === 'ok';
  const start: Check = isMild ? { ...program, status: 'warning' } : program;
  const own = [...problems, ...checkOwnTools(file.tools), ...checkCeilings(config, file, known)];
  return [
    checkNode(),
    settings,
    start,
    ...server,
    ...model,
    ...teams.checks,
    ...mcp,
    ...own,
    ...tools,
    ...folders,
    disk,
  ];
}

/** The config file with the tools that it makes known. If there is something wrong with it, workers do not start. */
async function readConfigFile(
  folder: string,
): Promise<{ readonly file: CopilotConfig; readonly tools: Tools; readonly problems: readonly Check[] }> {
  try {
    const file = await loadConfigFile(folder);
    return { file, tools: withOwnTools(file.tools), problems: [] };
  } catch (error) {
    if (!(error instanceof CopilotError)) throw error;
    const problem = missing('config file', error.message, 'Correct it, then: copilot doctor');
    return { file: {}, tools: withOwnTools(), problems: [problem] };
  }
}

/** What workers with these settings never run. */
function checkCeilings({ denyTools }: Config, { ceilings }: CopilotConfig, tools: Tools): Check[] {
  try {
    const names = ceilingsOf(tools, denyTools, ceilings?.deny);
    const text =
      names.length === 0 ? 'none: sessions and people decide about every tool' : `never run: ${names.join(', ')}`;
    return [ok('ceilings', text)];
  } catch (error) {
    if (!(error instanceof CopilotError)) throw error;
    return [missing('ceilings', error.message, 'Correct COPILOT_DENY_TOOLS, or ceilings in the config file')];
  }
}

/** @throws errors that are not about settings */
function wrongSettings(error: unknown): Check {
  if (!(error instanceof CopilotError) || error.type !== 'InvalidConfig') throw error;
  const { name, problem } = error.details;
  // The whole message would quote the value, which may be a secret in the wrong variable.
  return missing('settings', `${name} is not valid: ${problem}`, `Correct it, or: unset ${name}`);
}
