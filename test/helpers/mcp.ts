/** The official reference servers of the Model Context Protocol, from node_modules. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageDir } from '../../src/package-info.ts';
import type { McpServer } from '../../src/contracts/team.ts';
import { freePort } from './ports.ts';

const SERVERS = join(packageDir, 'node_modules/@modelcontextprotocol');

/** Script of a reference server. */
export const serverScript = (name: 'everything' | 'filesystem' | 'memory'): string =>
  join(SERVERS, `server-${name}/dist/index.js`);

/** A reference server as a child process. */
export function stdioServer(
  name: Parameters<typeof serverScript>[0],
  { args = [], ...rest }: { args?: string[]; env?: Record<string, string>; effects?: 'none'; timeoutMs?: number } = {},
): McpServer {
  return { command: process.execPath, args: [serverScript(name), ...args], ...rest };
}

export interface HttpServer {
  readonly url: string;
  readonly pid: number;
  /** What it wrote about its requests. */
  log(): string;
  kill(): Promise<void>;
}

/** server-everything behind streamable HTTP on a free port of loopback, or on the given one. */
export async function startHttpServer(port?: number): Promise<HttpServer & { readonly port: number }> {
  const chosen = port ?? (await freePort());
  const child = spawn(process.execPath, [serverScript('everything'), 'streamableHttp'], {
    env: { PORT: String(chosen) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  const exited = once(child, 'exit');
  await new Promise<void>((resolve, reject) => {
    const read = (text: string): void => {
      log += text;
      if (log.includes('listening on port')) resolve();
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
    child.once('exit', () => reject(new Error(`server-everything did not start:\n${log}`)));
  });
  return {
    port: chosen,
    url: `http://127.0.0.1:${chosen}/mcp`,
    pid: child.pid ?? 0,
    log: () => log,
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Ids of processes that run and whose command line has this text. */
export function processesWith(text: string): number[] {
  const ids = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  return ids.filter((pid) => pid !== process.pid && isRunning(pid) && read(pid, 'cmdline').includes(text));
}

/** Other than a signal tells, a process that has ended and that nobody has asked about does not run. */
export function isRunning(pid: number): boolean {
  return /^State:\s+[^ZX]/m.test(read(pid, 'status'));
}

function read(pid: number, file: 'cmdline' | 'status'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return ''; // It has ended meanwhile.
  }
}
