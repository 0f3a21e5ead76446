/** A real browser for the Web UI. If there is none, root gets Debian's package `chromium`. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';

const run = promisify(execFile);

const MACHINE = {
  programs: ['/usr/bin/chromium', '/usr/bin/google-chrome'],
  apt: '/usr/bin/apt-get',
  isRoot: process.getuid?.() === 0,
};
const INSTALL_TIMEOUT_MS = 240_000;
/** How long {@link findBrowser} may take, installation included. */
export const FIND_BROWSER_TIMEOUT_MS = 2 * INSTALL_TIMEOUT_MS + 20_000;

/** Chromium's last list counts, so Playwright's is in it. */
const DISABLED_FEATURES = [
  // The popups of the address bar are pages, which take as much of the processor as the page of the test.
  ...['WebUIOmniboxPopup', 'WebUIOmniboxAimPopup', 'WebUIOmniboxFullPopup'],
  ...['AvoidUnnecessaryBeforeUnloadCheckSync', 'DestroyProfileOnBrowserClose', 'HttpsUpgrades', 'LensOverlay'],
  ...['HttpsFirstBalancedModeAutoEnable', 'MediaRouter', 'PaintHolding', 'ThirdPartyStoragePartitioning'],
  ...['OptimizationHints', 'NetworkTimeServiceQuerying', 'AimEnabled', 'PreconnectToSearch'],
];
/** Stop the browser from calling out: without internet, hundreds of refused connections slow it down. */
const FLAGS = [
  `--disable-features=${DISABLED_FEATURES.join(',')}`,
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-gpu',
  '--disable-quic',
  '--disable-sync',
  '--no-first-run',
];

/** The program's path, or why there is none. */
export type FoundBrowser = { readonly program: string } | { readonly missing: string };

/**
 * Installs the browser if there is none. Tests may be skipped only if this user has no right to install it.
 * @throws Error if root cannot install it
 */
export async function findBrowser({ programs, apt, isRoot } = MACHINE): Promise<FoundBrowser> {
  const installed = (): string | undefined => programs.find((path) => existsSync(path));
  const program = installed();
  if (program !== undefined) return { program };
  if (!isRoot) return { missing: 'no Chromium, and only root may install it: apt install chromium' };
  if (!existsSync(apt)) throw new Error(`None of ${programs.join(', ')} is there. Install one of them.`);
  await runApt(apt, 'update');
  await runApt(apt, 'install', '--yes', '--no-install-recommends', 'chromium');
  const added = installed();
  if (added === undefined) throw new Error(`The package chromium brought none of ${programs.join(', ')}.`);
  return { program: added };
}

export async function openBrowser(program: string): Promise<Browser> {
  // Chromium refuses to run as root with its sandbox. It only opens our own server here.
  const rootFlags = MACHINE.isRoot ? ['--no-sandbox'] : [];
  return await chromium.launch({ executablePath: program, args: [...FLAGS, ...rootFlags] });
}

async function runApt(apt: string, ...args: string[]): Promise<void> {
  try {
    await run('env', ['DEBIAN_FRONTEND=noninteractive', apt, '--quiet', ...args], {
      timeout: INSTALL_TIMEOUT_MS,
      maxBuffer: 64 * 1_024 * 1_024,
    });
  } catch (cause) {
    const { stderr = '' } = cause as { readonly stderr?: string }; // `execFile` adds it
    const reason = stderr.trim().split('\n').at(-1) ?? '';
    throw new Error(`Chromium cannot be installed: apt-get ${args[0]} failed. ${reason}`.trim(), { cause });
  }
}
