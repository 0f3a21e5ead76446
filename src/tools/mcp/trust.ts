/**
 * Decides which MCP servers a worker opens. A team definition can come from outside: from an imported session, a
 * workflow that was started by hand, or a changed configuration. Its servers are programs to run and variables to read,
 * so a worker only opens servers that a team of the same name in its own agents folder has or had.
 */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { CopilotError } from '../../contracts/errors.ts';
import type { ResolvedTeam, TeamDefinition } from '../../contracts/team.ts';
import { digestOf } from '../../contracts/digest.ts';

type Declaration = Pick<TeamDefinition, 'name' | 'mcp'>;

export interface TrustOptions {
  /**
   * Absolute path of a folder, created on demand. It has one file for each server that was ever in the agents folder,
   * named by the digest of team, server and entry, so that sessions pinned to it continue after the team's files change.
   * Whoever can write here decides what runs on this worker.
   */
  readonly folder: string;
  /** Whether to open all servers, whoever declares them. */
  readonly trustsAll: boolean;
  /** Loads the team of this name from the worker's own agents folder. */
  readonly load: (team: string) => Promise<ResolvedTeam>;
  readonly log: Logger;
}

export interface TeamTrust {
  /** Records the servers of a team from the worker's own agents folder. Never rejects; a failure is logged. */
  readonly remember: (team: Declaration) => Promise<void>;
  /** @throws CopilotError `McpNotTrusted` with the first server that this worker must not open */
  readonly check: (team: Declaration) => Promise<void>;
}

export function teamTrust({ folder, trustsAll, load, log }: TrustOptions): TeamTrust {
  const remember = async (team: Declaration): Promise<void> => {
    try {
      for (const server of serversOf(team)) await record(folder, server);
    } catch (err) {
      log.warn(
        { err, team: team.name },
        'MCP servers of the team were not recorded; its sessions may fail after its files change',
      );
    }
  };
  const check = async (team: Declaration): Promise<void> => {
    if (trustsAll) return;
    const unknown: Server[] = [];
    for (const server of serversOf(team)) if (!(await isRecorded(folder, server))) unknown.push(server);
    if (unknown.length === 0) return;
    const own = await ownTeam(load, team.name);
    for (const server of unknown) {
      const problem = whyNot(server, own);
      if (problem !== undefined) throw notTrusted(server, problem);
    }
    if (own) await remember(own);
  };
  return { remember, check };
}

/** The check of a worker that trusts no servers. @throws CopilotError `McpNotTrusted` if the team has any */
export function trustNobody(team: Declaration): Promise<void> {
  const [server] = serversOf(team);
  return server ? Promise.reject(notTrusted(server, 'it opens none')) : Promise.resolve();
}

/** One entry of a team's `mcp`, unchecked. */
interface Server {
  readonly team: string;
  readonly server: string;
  readonly entry: unknown;
}

function serversOf({ name, mcp = {} }: Declaration): Server[] {
  return Object.entries(mcp).map(([server, entry]) => ({ team: name, server, entry }));
}

/** @returns undefined if there is no such team, or its files are invalid */
async function ownTeam(load: TrustOptions['load'], team: string): Promise<TeamDefinition | undefined> {
  try {
    return (await load(team)).definition;
  } catch (error) {
    if (error instanceof CopilotError) return undefined;
    throw error;
  }
}

function whyNot(server: Server, own: TeamDefinition | undefined): string | undefined {
  if (!own) return 'its agents folder has no valid team of this name';
  const same = serversOf(own).find((other) => other.server === server.server);
  if (!same) return 'the team of this name in its agents folder has no such server';
  return digestOf(same) === digestOf(server)
    ? undefined
    : 'the team of this name in its agents folder has another entry for it';
}

function notTrusted({ team, server }: Server, problem: string): CopilotError {
  return new CopilotError('McpNotTrusted', { team, server, problem });
}

function fileOf(folder: string, server: Server): string {
  return join(folder, `${digestOf(server)}.json`);
}

async function isRecorded(folder: string, server: Server): Promise<boolean> {
  return await access(fileOf(folder, server)).then(
    () => true,
    () => false,
  );
}

/** Only the existence of the file counts. Its content is for people, who revoke trust by deleting it. */
async function record(folder: string, server: Server): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const about = { team: server.team, server: server.server, recordedAt: new Date().toISOString() };
  try {
    await writeFile(fileOf(folder, server), `${JSON.stringify(about)}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // file system errors have a code
  }
}
