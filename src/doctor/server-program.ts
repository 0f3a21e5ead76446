/** Checks whether a Temporal server can be started on this machine. Downloads and builds nothing. */
import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { promisify } from 'node:util';
import { readProfile } from '../connection/address/profile.ts';
import type { Config } from '../config.ts';
import { CopilotError } from '../contracts/errors.ts';
import { cachedServerFile, findOnPath, SERVER_VERSION, whyBroken } from '../server/program.ts';
import { type Check, missing, ok, warning } from './check.ts';

const CHECK = 'server program';
/** Required by the server's sources. */
const LEAST_GO = { major: 1, minor: 25 };
const VERSION_TIMEOUT_MS = 10_000;
const INSTALL =
  'Install the temporal CLI, https://docs.temporal.io/cli#install, or name a server: export TEMPORAL_ADDRESS=host:7233';

export async function checkServerProgram(config: Config): Promise<Check> {
  const named = namedAddress(config);
  if (named !== undefined) return ok(CHECK, `not needed: the server at ${named} is used, and none is started`);
  const problems: string[] = [];
  for (const [where, file] of await candidates(config)) {
    const problem = await whyBroken(file, config.temporal.environment);
    if (problem === undefined) return ok(CHECK, `${file} (${where})`);
    problems.push(`${file} does not run: ${problem}`);
  }
  const found = problems.length === 0 ? 'neither on PATH nor in the cache' : problems.join('; ');
  const go = await findGo(config);
  return go.isUsable
    ? warning(
        CHECK,
        `${found}; can be downloaded, or built with ${go.detail}`,
        'The first start gets it, once: copilot dev',
      )
    : missing(
        CHECK,
        `${found}; ${go.detail}, so only a download is left`,
        `${INSTALL}. To try the download: copilot dev`,
      );
}

/** The check of the server reports a profile that cannot be read. */
function namedAddress(config: Config): string | undefined {
  try {
    return readProfile(config).address;
  } catch (error) {
    if (error instanceof CopilotError) return undefined;
    throw error;
  }
}

async function candidates(config: Config): Promise<[where: string, file: string][]> {
  const onPath = await findOnPath('temporal', config.temporal.environment);
  const cached = cachedServerFile(config);
  return [
    ...(onPath === undefined ? [] : [['on PATH', onPath] satisfies [string, string]]),
    ...((await exists(cached)) ? [['in the cache', cached] satisfies [string, string]] : []),
  ];
}

async function findGo(config: Config): Promise<{ isUsable: boolean; detail: string }> {
  const env = config.temporal.environment;
  const go = await findOnPath('go', env);
  if (go === undefined) return { isUsable: false, detail: 'there is no Go on PATH to build it with' };
  try {
    // Without this, Go may download another version of itself first.
    const environment = { ...env, GOTOOLCHAIN: 'local' };
    const { stdout } = await promisify(execFile)(go, ['version'], { timeout: VERSION_TIMEOUT_MS, env: environment });
    const [version = '', major, minor] = /go(\d+)\.(\d+)[.\d]*/.exec(stdout) ?? [];
    const isUsable =
      Number(major) > LEAST_GO.major || (Number(major) === LEAST_GO.major && Number(minor) >= LEAST_GO.minor);
    return isUsable
      ? { isUsable, detail: `${version} in 3 to 6 minutes (${SERVER_VERSION})` }
      : { isUsable, detail: `${go} is ${version}, and ${LEAST_GO.major}.${LEAST_GO.minor} is needed to build it` };
  } catch {
    return { isUsable: false, detail: `${go} does not run` };
  }
}

async function exists(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  );
}
