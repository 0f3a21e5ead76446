/** Checks what the teams' MCP servers need on this machine. Starts and calls none of them. */
import { access, constants, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CopilotError } from '../contracts/errors.ts';
import type { McpServer, TeamDefinition } from '../contracts/team.ts';
import { findOnPath } from '../server/program.ts';
import { type Environment, processEnvironment, requestHeaders } from '../tools/mcp/variables.ts';
import { type Check, missing, ok, warning } from './check.ts';

/** One check for each server of the team. */
export async function checkMcpServers(
  { name: team, mcp = {} }: Pick<TeamDefinition, 'name' | 'mcp'>,
  environment: Environment,
): Promise<Check[]> {
  return await Promise.all(
    Object.entries(mcp).map(([server, declaration]) => checkServer({ team, server }, declaration, environment)),
  );
}

/** Warns if workers open the MCP servers of any team that a session brings. */
export function checkTrust(isTrusted: boolean): Check[] {
  if (!isTrusted) return [];
  const detail =
    'COPILOT_TRUST_TEAMS=1: everybody who may start sessions may run programs on the workers and read their variables';
  return [warning('mcp trust', detail, 'unset COPILOT_TRUST_TEAMS')];
}

async function checkServer(
  name: { readonly team: string; readonly server: string },
  declaration: McpServer,
  environment: Environment,
): Promise<Check> {
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
    return missing(
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
