/** A project in an empty folder with the packed package in it, as `npm install` would leave it. */
import { execFile } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { packageDir } from '../../src/package-info.ts';
import { temporaryFolder } from './server.ts';

const run = promisify(execFile);

export interface Project {
  readonly folder: string;
  write(name: string, content: string): Promise<void>;
  /** Runs a program with arguments in the folder. Gives its stdout. @throws with stderr if its exit code is not 0 */
  run(command: string, args: readonly string[], env?: Record<string, string>): Promise<string>;
  remove(): Promise<void>;
}

export interface ProjectOptions {
  /** Packages that only developers of this package have, such as `typescript`. */
  readonly tools?: readonly string[];
  /** Leaves out what `npm install --omit=optional` leaves out. Default false. */
  readonly isClientOnly?: boolean;
}

/**
 * Packs the build as `npm publish` would, and unpacks it. Its dependencies are links into the checkout, so that no
 * registry is needed; what it uses without depending on it is missing.
 */
export async function createProject({ tools = [], isClientOnly = false }: ProjectOptions = {}): Promise<Project> {
  const folder = await temporaryFolder();
  const modules = join(folder, 'node_modules');
  const own = join(modules, 'durable-copilot');
  await mkdir(own, { recursive: true });
  await run('tar', ['-xzf', await (packed ??= pack()), '-C', own, '--strip-components', '1']);
  const manifest = JSON.parse(await readFile(join(own, 'package.json'), 'utf8')) as Manifest;
  const { dependencies, optionalDependencies } = manifest;
  const names = Object.keys({ ...dependencies, ...(isClientOnly ? {} : optionalDependencies) });
  for (const name of [...names, ...tools]) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(packageDir, 'node_modules', name), join(modules, name));
  }
  await mkdir(join(modules, '.bin'));
  for (const [name, file] of Object.entries(manifest.bin)) await symlink(join(own, file), join(modules, '.bin', name));
  const project: Project = {
    folder,
    write: async (name, content) => {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    },
    run: async (command, args, env) =>
      (await run(command, [...args], { cwd: folder, ...(env ? { env } : {}), maxBuffer: 64 * 1024 * 1024 })).stdout,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
  await project.write('package.json', JSON.stringify({ private: true, type: 'module' }));
  return project;
}

/** The archive, for all projects of this process. */
let packed: Promise<string> | undefined;

async function pack(): Promise<string> {
  if (!existsSync(join(packageDir, 'dist/src/client.js'))) await run('npm', ['run', 'build'], { cwd: packageDir });
  const folder = await temporaryFolder();
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  // The build is not made anew, since other tests run it.
  const options = ['--silent', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await run('npm', ['pack', ...options], { cwd: packageDir });
  return join(folder, stdout.trim());
}

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}
