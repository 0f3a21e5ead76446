/** The page in a real browser, signed in by the link of a gateway process. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { FIND_BROWSER_TIMEOUT_MS, findBrowser, openBrowser } from './browser.ts';
import { startGatewayProcess, type TestGateway } from './gateway.ts';
import { startWorldOf, type TeamChanges } from './own-team.ts';
import type { World } from './world.ts';

/** A machine may be slow, and a new worker takes over a killed one's work after its time-out. */
const PAGE_TIMEOUT_MS = 60_000;

const TEAM: TeamChanges = {
  team: { prices: { scripted: { input: 2, output: 10 } } },
  agents: { engineer: { tools: ['list_files', 'read_file', 'write_file', 'shell'] } },
};

/** One for all files of this process. Playwright ends it with the process. */
let started: Promise<Browser> | undefined;

export interface PageWorld extends World {
  readonly gateway: TestGateway;
  readonly browser: Browser;
  /** Of the browser that is signed in. */
  readonly context: BrowserContext;
  readonly page: Page;
  /** What went wrong in any window: errors of scripts, dialogs, and requests to other hosts. */
  readonly problems: string[];
  /** Another window of the same browser. */
  openWindow(): Promise<Page>;
  /** The gateway is killed and started again at its port. */
  restartGateway(): Promise<void>;
}

/**
 * Opens everything, or skips the suite with the reason if there is no browser.
 * @param team default: its engineer asks before each command
 */
export async function openPageWorld(suite: Mocha.Context, team: TeamChanges = TEAM): Promise<PageWorld> {
  suite.timeout(FIND_BROWSER_TIMEOUT_MS + 240_000);
  const found = await findBrowser();
  if ('missing' in found) {
    // Mocha prints no reason for a skipped test.
    for (const test of suite.test?.parent?.tests ?? []) test.title += ` (skipped: ${found.missing})`;
    return suite.skip();
  }
  const world = await startWorldOf({ default: team });
  let gateway = await startGatewayProcess(world);
  const browser = await (started ??= openBrowser(found.program));
  const context = await browser.newContext({ viewport: { width: 1_280, height: 900 } });
  context.setDefaultTimeout(PAGE_TIMEOUT_MS);
  const problems: string[] = [];
  const openWindow = async (): Promise<Page> => {
    const page = await context.newPage();
    page.on('pageerror', ({ message }) => problems.push(message));
    page.on('dialog', (dialog) => {
      problems.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      const { host } = new URL(request.url());
      if (host !== new URL(gateway.url).host) problems.push(`request: ${request.url()}`);
    });
    return page;
  };
  const page = await openWindow();
  await page.goto(gateway.link ?? '');
  const stop = world.stop.bind(world);
  return Object.assign(world, {
    get gateway() {
      return gateway;
    },
    browser,
    context,
    page,
    problems,
    openWindow,
    restartGateway: async () => {
      await gateway.kill();
      gateway = await startGatewayProcess(world, Number(new URL(gateway.url).port));
    },
    stop: async () => {
      for (const open of browser.contexts()) await open.close();
      await gateway.kill();
      await stop();
    },
  });
}
