/** A real browser for the Web UI: Debian's Chromium, which a root user of Debian gets where it is missing. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';

const run = promisify(execFile);

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/google-chrome'];
const APT = '/usr/bin/apt-get';
const INSTALL_TIMEOUT_MS = 240_000;
/** Time for {@link findBrowser}, which may have to install it. */
export const FIND_BROWSER_TIMEOUT_MS = 2 * INSTALL_TIMEOUT_MS + 20_000;

/** Nothing of it may call out: where there is no internet, hundreds of refused connections slow it down. */
const FLAGS = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-gpu',
  '--disable-quic',
  '--disable-sync',
  '--no-first-run',
];

/** The program's path, or why there is none. */
export type FoundBrowser = { readonly program: string } | { readonly missing: string };

/** Installs Debian's package `chromium` where there is no browser, for root only. */
export async function findBrowser(): Promise<FoundBrowser> {
  const program = installed();
  if (program !== undefined) return { program };
  if (!existsSync(APT)) return { missing: `none of ${PROGRAMS.join(', ')} is there, nor apt-get to install it` };
  if (process.getuid?.() !== 0) return { missing: 'no Chromium, and only root may install it: apt install chromium' };
  try {
    await apt('update');
    await apt('install', '--yes', '--no-install-recommends', 'chromium');
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string }; // what execFile rejects with
    return { missing: `no Chromium, and apt cannot install it: ${(stderr || message).trim().split('\n').at(-1)}` };
  }
  const added = installed();
  return added === undefined
    ? { missing: 'the package chromium has no program that is known here' }
    : { program: added };
}

export async function openBrowser(program: string): Promise<Browser> {
  // Chromium refuses to run as root with its sandbox; it opens nothing here but our own server.
  const rootFlags = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return await chromium.launch({ executablePath: program, args: [...FLAGS, ...rootFlags] });
}

function installed(): string | undefined {
  return PROGRAMS.find((path) => existsSync(path));
}

async function apt(...args: string[]): Promise<void> {
  await run('env', ['DEBIAN_FRONTEND=noninteractive', APT, '--quiet', ...args], {
    timeout: INSTALL_TIMEOUT_MS,
    maxBuffer: 64 * 1_024 * 1_024,
  });
}
