/**
 * `npm run screenshot`: makes the pictures of the documents. docs/images/web-ui.png is a planned session in Temporal's Web
 * UI that waits for a person, docs/images/page.png another one on our own page that asks before it runs a command.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Browser } from 'playwright-core';
import { packageDir } from '../../src/package-info.ts';
import { findBrowser, openBrowser } from '../../test/helpers/browser.ts';
import { startGatewayProcess } from '../../test/helpers/gateway.ts';
import { until } from '../../test/helpers/history.ts';
import { playTeam } from '../../test/helpers/team-script.ts';
import { startWorld, type World } from '../../test/helpers/world.ts';

const WEB_UI_FILE = join(packageDir, 'docs/images/web-ui.png');
const PAGE_FILE = join(packageDir, 'docs/images/page.png');
const SIZE = { width: 1_280, height: 800 };

const MESSAGE = 'Find out what our sales of the last four quarters say, and write a report';
const STEPS = [
  { agent: 'researcher', task: 'Profile sales.csv: rows, columns, gaps and outliers', notes: '' },
  { agent: 'engineer', task: 'Compute revenue by region and quarter, and write revenue.csv', notes: '' },
  { agent: 'writer', task: 'Write report.md with the three findings that matter', notes: '' },
];
const PROFILE = '1,204 rows, 6 columns; 14 rows have no region';
const COMMAND = `awk -F, 'NR > 1 && $2 != "" {sum[$2 "," $5] += $6}
  END {for (key in sum) print key "," sum[key]}' sales.csv | sort > revenue.csv`;

const found = await findBrowser();
if ('missing' in found) throw new Error(found.missing);
const world = await startWorld();
const chromium = await openBrowser(found.program);
try {
  playTeam(world.model, {
    instead: ({ phase, task }) => {
      if (phase === 'planning') return { json: { steps: STEPS } };
      if (phase !== 'step') return undefined;
      if (task === STEPS[1]?.task) return { toolCalls: [{ name: 'shell', arguments: { command: COMMAND } }] };
      const summary = task === STEPS[0]?.task ? PROFILE : 'done';
      return { toolCalls: [{ name: 'report_step', arguments: { status: 'done', summary } }] };
    },
  });
  await mkdir(dirname(WEB_UI_FILE), { recursive: true });
  await takeWebUi(world, chromium);
  await takePage(world, chromium);
} finally {
  await chromium.close();
  await world.stop();
}

/** A session with one step done, which asks whether to run the second. */
async function takeWebUi({ copilot, temporal, server }: World, browser: Browser): Promise<void> {
  const config = { approvals: { plan: true, beforeStep: true } };
  const options = { mode: 'planning-control', name: 'Quarterly sales report', user: 'ada', config };
  const session = await copilot.create({ id: 'quarterly-sales', ...options });
  await session.send(MESSAGE);
  for (const request of ['req-1', 'req-2', 'req-3']) {
    await until(request, async () => (await session.info()).pendingApprovals.some(({ id }) => id === request));
    if (request !== 'req-3') await session.decide(request, 'approve', { by: 'ada' });
  }
  const { runId } = await temporal.workflow.getHandle(session.id).describe();
  const page = await browser.newPage({ viewport: SIZE });
  await page.goto(`${server.uiUrl}/namespaces/default/workflows/${session.id}/${runId}/user-metadata`);
  await page.locator('iframe').last().contentFrame().getByText(PROFILE).waitFor();
  await page.screenshot({ path: WEB_UI_FILE });
  await page.close();
}

/** A session in the middle of its plan, which asks whether to run a command. */
async function takePage(of: World, browser: Browser): Promise<void> {
  const { copilot } = of;
  await (await copilot.create({ name: 'Backup of the mailing list', user: 'grace' })).suspend();
  await (await copilot.create({ name: 'Which invoices are late?', user: 'ada' })).complete();
  const options = { mode: 'planning-control', name: 'What do the sales say?', user: 'ada' };
  const session = await copilot.create({ ...options, context: { currency: 'EUR' } });
  await session.send(MESSAGE);
  const gateway = await startGatewayProcess(of);
  try {
    const page = await browser.newPage({ viewport: SIZE, colorScheme: 'light' });
    await page.goto(gateway.link ?? gateway.url);
    await page.getByRole('link', { name: /Backup/ }).waitFor();
    await page.goto(`${gateway.url}/#/sessions/${session.id}`);
    await page.getByRole('region', { name: /^Plan, 1 of 3/ }).waitFor();
    await page.getByRole('button', { name: 'Allow once', exact: true }).waitFor();
    await page.screenshot({ path: PAGE_FILE });
  } finally {
    await gateway.kill();
  }
}
