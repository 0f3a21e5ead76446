/** An S3 server for a test, `s3rver`. It is fetched from the npm registry once, into the cache folder. */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { loadConfig } from '../../src/config.ts';
import { until } from './history.ts';
import { killProcess, temporaryFolder } from './server.ts';
import { freePort } from './ports.ts';

const PACKAGE = 's3rver@3.7.1';

export interface S3Server {
  /** Variables that make it the S3 of a program. */
  readonly environment: Readonly<Record<string, string>>;
  readonly endpoint: string;
  readonly bucket: string;
  /** Folder in which it keeps its objects. */
  readonly dir: string;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and objects. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startS3(): Promise<S3Server> {
  const program = join(await install(), 'node_modules', 's3rver', 'bin', 's3rver.js');
  const dir = await temporaryFolder();
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const bucket = 'payloads';
  const start = async (): Promise<number> => {
    const flags = ['-d', dir, '-a', '127.0.0.1', '-p', String(port), '--silent', '--configure-bucket', bucket];
    // Its lists of more than 1,000 keys use a cipher that OpenSSL 3 has put away.
    const child = spawn(process.execPath, ['--openssl-legacy-provider', program, ...flags], { stdio: 'ignore' });
    await until('s3rver answers', async () => {
      assertRuns(child.exitCode);
      return await fetch(endpoint).then(
        () => true,
        () => false,
      );
    });
    return child.pid ?? 0;
  };
  let pid = await start();
  const kill = (): Promise<void> => killProcess(pid);
  return {
    // The fixed credentials of s3rver.
    environment: { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER', AWS_ENDPOINT_URL_S3: endpoint },
    endpoint,
    bucket,
    dir,
    kill,
    restart: async () => {
      await kill();
      pid = await start();
    },
    stop: async () => {
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function assertRuns(exitCode: number | null): void {
  if (exitCode !== null) throw new Error(`s3rver ended with exit code ${exitCode}.`);
}

/** Folder with the package. */
async function install(): Promise<string> {
  const folder = join(loadConfig().cacheDir, 's3', PACKAGE);
  if (existsSync(folder)) return folder;
  const part = `${folder}.${process.pid}`;
  await mkdir(part, { recursive: true });
  await writeFile(join(part, 'package.json'), '{"private": true}\n');
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', PACKAGE];
  await promisify(execFile)('npm', args, { cwd: part, timeout: 170_000 });
  await rename(part, folder).catch(() => rm(part, { recursive: true }));
  return folder;
}
