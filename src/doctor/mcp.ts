/** Checks what the teams' MCP servers need on this machine, and whether they start and list tools that can be used. */
import { access, constants, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pino } from 'pino';
import { CopilotError } from '../contracts/errors.ts';
import type { McpServer, TeamDefinition } from '../contracts/team.ts';
import { findOnPath } from '../server/program.ts';
import { McpConnection } from '../tools/mcp/connection.ts';
import { type Environment, processEnvironment, requestHeaders, type ServerName } from '../tools/mcp/variables.ts';
import { type Check, missing, ok, warning } from './check.ts';

type Declaration = Pick<TeamDefinition, 'name' | 'mcp'>;

/** One check for each server of the team. Starts and calls none of them. */
export async function checkMcpServers(
  { name: team, mcp = {} }: Declaration,
  environment: Environment,
): Promise<Check[]> {
  return await Promise.all(
    Object.entries(mcp).map(([server, declaration]) => checkServer({ team, server }, declaration, environment)),
  );
}

/** Opens each server as a worker would, lists its tools, and closes it. Servers that {@link checkMcpServers} reports are left out. */
export async function checkMcpTools(teams: readonly Declaration[], environment: Environment): Promise<Check[]> {
  const checks = teams.flatMap(({ name: team, mcp = {} }) =>
    Object.entries(mcp).map(async ([server, declaration]) => {
      const name = { team, server };
      const { status } = await checkServer(name, declaration, environment);
      return status === 'ok' ? [await checkTools(name, declaration, environment)] : [];
    }),
  );
  return (await Promise.all(checks)).flat();
}

async function checkTools(name: ServerName, server: McpServer, environment: Environment): Promise<Check> {
  const check = `mcp tools ${name.team}/${name.server}`;
  const log = pino({ level: 'silent' });
  const connection = new McpConnection({ name, server, environment, log, onTools: () => undefined });
  try {
    await connection.open();
    const { tools, leftOut } = connection;
    const count = `${tools.length} ${tools.length === 1 ? 'tool' : 'tools'}`;
    if (leftOut.length === 0) return ok(check, count);
    const detail = `${count}; left out: ${leftOut.map(({ tool, problem }) => `${tool} (${problem})`).join('; ')}`;
    return warning(check, detail, 'Correct these tools at the server. The team works without them');
  } catch (error) {
    if (!(error instanceof CopilotError)) throw error;
    const hint =
      "Start it by hand to see why, or correct the team's file. With `required: false` a team works without it";
    return (server.required === false ? warning : missing)(check, String(error.details['problem']), hint);
  } finally {
    await connection.close();
  }
}

/** Warns if workers open the MCP servers of any team that a session brings. */
export function checkTrust(isTrusted: boolean): Check[] {
  if (!isTrusted) return [];
  const detail =
    'COPILOT_TRUST_TEAMS=1: everybody who may start sessions may run programs on the workers and read their variables';
  return [warning('mcp trust', detail, 'unset COPILOT_TRUST_TEAMS')];
}

async function checkServer(name: ServerName, declaration: McpServer, environment: Environment): Promise<Check> {
  const check = `mcp ${name.team}/${name.server}`;
  try {
    if ('url' in declaration) {
      requestHeaders(declaration.headers ?? {}, environment, name);
      // The rest of the URL may contain a key.
      return ok(check, `${new URL(declaration.url).origin}, not asked`);
    }
    const { command, env = {} } = declaration;
    const file = await findProgram(command, processEnvironment(env, environment, name));
    if (file !== undefined) return ok(check, file);
    const where = command.includes('/') ? 'is no program that can be run' : 'is not on PATH';
    return (declaration.required === false ? warning : missing)(
      check,
      `${command} ${where}`,
      `Install ${command} where the workers run, or correct the team's file`,
    );
  } catch (error) {
    if (!(error instanceof CopilotError)) throw error;
    return missing(check, error.message, "Set the variable where the workers run, or correct the team's file");
  }
}

/** Finds the program as the system would when it starts the server. */
async function findProgram(command: string, environment: Environment): Promise<string | undefined> {
  if (!command.includes('/')) return await findOnPath(command, environment);
  const file = resolve(command);
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile() ? file : undefined;
  } catch {
    return undefined;
  }
}
