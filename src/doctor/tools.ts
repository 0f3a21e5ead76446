/** Checks Node, Python, the isolation of code, and tools of the config file. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { packageDir } from '../package-info.ts';
import { findOnPath } from '../server/program.ts';
import type { Tool } from '../tools/definition/tool.ts';
import type { CodeRunner } from '../tools/code/code-runner.ts';
import { findIsolation } from '../tools/code/isolation.ts';
import { SEARCH_PATH } from '../tools/code/workspace-run.ts';
import { type Check, missing, ok, warning } from './check.ts';

const VERSION_TIMEOUT_MS = 10_000;
const PackageFile = z.object({ engines: z.object({ node: z.string() }) });

/** Linux settings that forbid user namespaces: the file, the forbidding value, and the command that allows them. */
const FORBIDDEN_BY = [
  [
    'kernel/apparmor_restrict_unprivileged_userns',
    '1',
    'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  ],
  ['kernel/unprivileged_userns_clone', '0', 'sudo sysctl -w kernel.unprivileged_userns_clone=1'],
  ['user/max_user_namespaces', '0', 'sudo sysctl -w user.max_user_namespaces=15000'],
] as const;
const TRUST = 'Keep --allow-code for users whom you trust';

export function checkNode(): Check {
  const { engines } = PackageFile.parse(JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')));
  const least = engines.node.replace(/^>=/, '');
  return isAtLeast(process.versions.node, least)
    ? ok('node', `${process.versions.node} (${process.execPath})`)
    : missing(
        'node',
        `${process.versions.node}, and ${least} is needed`,
        `Install it: nvm install ${least}, or https://nodejs.org`,
      );
}

/** Whether a version such as `20.20.2` is `20.20` or newer. */
export function isAtLeast(version: string, least: string): boolean {
  const wanted = least.split('.').map(Number);
  const had = version.split('.').map(Number);
  for (const [index, number] of wanted.entries()) {
    const difference = (had[index] ?? 0) - number;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** One entry for each tool of the config file. */
export function checkOwnTools(own: readonly Tool[] = []): Check[] {
  return own.map(({ name, category, effects, timeoutMs, needsApproval, definedAt }) => {
    const asks = needsApproval ? ', may ask for approval' : '';
    return ok(`tool ${name}`, `${category}, effects ${effects}, at most ${timeoutMs / 1_000} s${asks} (${definedAt})`);
  });
}

/**
 * Checks what tools that run code need. The other built-in tools need nothing.
 * @param runner runs the code. Default: child processes
 */
export async function checkTools(runner?: CodeRunner): Promise<Check[]> {
  if (runner) {
    const problem = await runner.check?.();
    const hint = 'Correct that where the workers run, or COPILOT_CODE_RUNNER, or codeRunner in the config file';
    return [problem === undefined ? ok('code runner', runner.name) : missing('code runner', problem, hint)];
  }
  const node = ok('code node', process.versions.node);
  return [node, ...(await Promise.all([checkPython(), checkIsolation()]))];
}

async function checkPython(): Promise<Check> {
  const check = 'code python';
  const hint = 'Install it: sudo apt-get install python3, or: brew install python';
  const python = await findOnPath('python3', { PATH: SEARCH_PATH });
  if (python === undefined) return warning(check, `no python3 in ${SEARCH_PATH}; agents can run Node only`, hint);
  try {
    const { stdout } = await promisify(execFile)(python, ['--version'], {
      timeout: VERSION_TIMEOUT_MS,
      env: { PATH: SEARCH_PATH },
    });
    return ok(check, `${stdout.trim().replace(/^Python /, '')} (${python})`);
  } catch {
    return warning(check, `${python} does not run; agents can run Node only`, hint);
  }
}

async function checkIsolation(): Promise<Check> {
  const check = 'code isolation';
  const { level } = await findIsolation(SEARCH_PATH);
  if (level === 'namespaces') return ok(check, 'user and process namespaces');
  const detail =
    level === 'capabilities'
      ? 'no user namespaces, root without its capabilities: code could stop this program'
      : 'no user namespaces, limits only: code could read the environment of this program, including the API key';
  return warning(check, detail, `${await howToAllow()}. ${TRUST}`);
}

async function howToAllow(): Promise<string> {
  if (process.platform !== 'linux') return 'User namespaces need Linux: run workers there';
  if ((await findOnPath('unshare', { PATH: SEARCH_PATH })) === undefined) {
    return 'There is no `unshare`: sudo apt-get install util-linux';
  }
  for (const [file, forbidding, command] of FORBIDDEN_BY) {
    const value = await readFile(`/proc/sys/${file}`, 'utf8').catch(() => '');
    if (value.trim() === forbidding) return command;
  }
  return 'In a container they need another seccomp profile: docker run --security-opt seccomp=unconfined …';
}
