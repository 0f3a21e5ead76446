/** `npm run screenshot`: makes docs/images/web-ui.png, a planned session in Temporal's Web UI that waits for a person. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { packageDir } from '../../src/package-info.ts';
import { findBrowser, openBrowser } from '../../test/helpers/browser.ts';
import { until } from '../../test/helpers/history.ts';
import { playTeam } from '../../test/helpers/team-script.ts';
import { startWorld, type World } from '../../test/helpers/world.ts';

const FILE = join(packageDir, 'docs/images/web-ui.png');
const SIZE = { width: 1_280, height: 800 };

const STEPS = [
  { agent: 'researcher', task: 'Profile sales.csv: rows, columns, gaps and outliers', notes: '' },
  { agent: 'engineer', task: 'Compute revenue by region and quarter, and write revenue.csv', notes: '' },
  { agent: 'writer', task: 'Write report.md with the three findings that matter', notes: '' },
];
const PROFILE = '1,204 rows, 6 columns; 14 rows have no region';

const found = await findBrowser();
if ('missing' in found) throw new Error(found.missing);
const world = await startWorld();
try {
  playTeam(world.model, {
    instead: ({ phase, task }) => {
      if (phase === 'planning') return { json: { steps: STEPS } };
      const summary = task === STEPS[0]?.task ? PROFILE : 'done';
      return phase === 'step'
        ? { toolCalls: [{ name: 'report_step', arguments: { status: 'done', summary } }] }
        : undefined;
    },
  });
  const address = await waitingSession(world);
  const browser = await openBrowser(found.program);
  const page = await browser.newPage({ viewport: SIZE });
  await page.goto(address);
  await page.locator('iframe').last().contentFrame().getByText(PROFILE).waitFor();
  await mkdir(dirname(FILE), { recursive: true });
  await page.screenshot({ path: FILE });
  await browser.close();
} finally {
  await world.stop();
}

/** @returns the address of a session with one step done, which asks whether to run the second */
async function waitingSession({ copilot, temporal, server }: World): Promise<string> {
  const config = { approvals: { plan: true, beforeStep: true } };
  const options = { mode: 'planning-control', name: 'Quarterly sales report', user: 'ada', config };
  const session = await copilot.create({ id: 'quarterly-sales', ...options });
  await session.send('Find out what our sales of the last four quarters say, and write a report');
  for (const request of ['req-1', 'req-2', 'req-3']) {
    await until(request, async () => (await session.info()).pendingApprovals.some(({ id }) => id === request));
    if (request !== 'req-3') await session.decide(request, 'approve', { by: 'ada' });
  }
  const { runId } = await temporal.workflow.getHandle(session.id).describe();
  return `${server.uiUrl}/namespaces/default/workflows/${session.id}/${runId}/user-metadata`;
}
