/** What people see of a session in Temporal's Web UI. Real server, worker and Chromium, a model that the test scripts. */
import assert from 'node:assert/strict';
import { itInFull } from '../helpers/full.ts';
import { type Browser, errors, type Locator, type Page } from 'playwright-core';
import type { SessionHandle, SessionReport } from '../../src/client.ts';
import { FIND_BROWSER_TIMEOUT_MS, findBrowser, openBrowser } from '../helpers/browser.ts';
import { until } from '../helpers/history.ts';
import { startWorldOf } from '../helpers/own-team.ts';
import { playTeam } from '../helpers/team-script.ts';
import type { World } from '../helpers/world.ts';

const FILES = ['a.txt', 'b.txt', 'c.txt'];
const FRAME_TIMEOUT_MS = 5_000;

describe('the Web UI', function () {
  this.timeout(120_000);
  let world: World;
  let browser: Browser;
  let page: Page;

  before(async function () {
    this.timeout(FIND_BROWSER_TIMEOUT_MS + 120_000);
    const found = await findBrowser();
    if ('missing' in found) {
      // Mocha prints no reason for a skipped test.
      for (const test of this.test?.parent?.tests ?? []) test.title += ` (skipped: ${found.missing})`;
      this.skip();
    }
    world = await startWorldOf({ default: { team: { prices: { scripted: { input: 2, output: 10 } } } } });
    browser = await openBrowser(found.program);
    page = await browser.newPage({ viewport: { width: 1_400, height: 1_000 } });
  });
  after(async () => {
    await browser?.close();
    await world?.stop();
  });

  async function open(session: SessionHandle, tab: 'user-metadata' | 'history'): Promise<void> {
    const { runId } = await world.temporal.workflow.getHandle(session.id).describe();
    await page.goto(`${world.server.uiUrl}/namespaces/default/workflows/${session.id}/${runId}/${tab}`);
  }

  /** Lines of the panel `Current Details`, as the page shows them when it is loaded anew. */
  async function details(session: SessionHandle): Promise<string[]> {
    const main = panel(page).contentFrame().locator('main');
    return await until('text in the panel', async () => {
      await open(session, 'user-metadata');
      await page.getByRole('heading', { name: 'Current Details' }).waitFor();
      try {
        // A frame is there before its text is, and the page may replace it while it loads.
        await main.getByText(/\S/).first().waitFor({ timeout: FRAME_TIMEOUT_MS });
        return textLines(await main.innerText({ timeout: FRAME_TIMEOUT_MS }));
      } catch (error) {
        if (error instanceof errors.TimeoutError) return undefined;
        throw error;
      }
    });
  }

  async function untilDetails(session: SessionHandle, line: RegExp): Promise<string[]> {
    return await until(`a line of the page like ${line}`, async () => {
      const lines = await details(session);
      return lines.some((text) => line.test(text)) && lines;
    });
  }

  /** As the plain Temporal client would. */
  async function decide(session: SessionHandle, requestId: string, decision: string): Promise<void> {
    await world.temporal.workflow
      .getHandle(session.id)
      .executeUpdate('decide', { args: [{ requestId, decision, by: 'ada' }] });
  }

  async function untilAsked(session: SessionHandle, requestId: string): Promise<SessionReport> {
    return await until(`request ${requestId}`, async () => {
      const info = await session.info();
      return info.pendingApprovals.some(({ id }) => id === requestId) && info;
    });
  }

  async function planned(name: string): Promise<SessionHandle> {
    const config = { approvals: { plan: true, beforeStep: true } };
    const session = await world.copilot.create({ mode: 'planning-control', name, user: 'ada', config });
    assert.equal((await session.send('Write the three files')).status, 'awaiting-approval');
    return session;
  }

  it('[U05] shows name, status, phase, plan and approvals of a session without opening an event', async () => {
    playTeam(world.model, { files: FILES });
    const session = await planned('Quarterly report');
    await decide(session, 'req-1', 'approve');
    await untilAsked(session, 'req-2');
    await decide(session, 'req-2', 'approve');
    const { usage, cost, pendingApprovals } = await untilAsked(session, 'req-3');
    const { inputTokens, outputTokens } = usage;
    assert.ok(inputTokens > 0 && outputTokens > 0 && cost !== null);
    assert.deepEqual(await details(session), [
      'Quarterly report',
      'active · awaiting-approval · mode planning-control · ada',
      `1 turn · ${inputTokens + outputTokens} tokens (${inputTokens} in, ${outputTokens} out) · 4 model calls · ` +
        `1 tool call · $${cost.toFixed(4)}`,
      'Waiting for a person',
      'req-3 · before-step · step 2 · engineer',
      'Run step 2: write b.txt?',
      `Options: approve, skip. At ${minuteOf(pendingApprovals[0]?.expiresAt)} UTC: ` +
        'the turn fails with its plan kept; continue asks again.',
      `copilot decide ${session.id} req-3 approve`,
      'Turn 1 · awaiting-approval',
      'Write the three files',
      '☑ write a.txt (engineer) → Wrote a.txt (11 bytes).',
      '☐ write b.txt (engineer)',
      '☐ write c.txt (engineer)',
      'Files: a.txt',
    ]);
    assert.deepEqual(await hiddenLines(page), []);
  });

  it('[T11] shows turns, plan and approvals as Markdown in currentDetails while they happen', async () => {
    const seen = Promise.withResolvers<void>();
    playTeam(world.model, { files: FILES, after: seen.promise, answer: 'Two of *three*' });
    const session = await planned('Live');
    const asked = await details(session);
    assert.ok(asked.includes('req-1 · plan'), asked.join('\n'));
    assert.ok(asked.includes('Is this plan of 3 steps right?'), asked.join('\n'));
    assert.deepEqual(marks(asked), ['☐', '☐', '☐']);

    await decide(session, 'req-1', 'approve');
    await untilAsked(session, 'req-2');
    await decide(session, 'req-2', 'approve');
    const running = await untilDetails(session, /^▶ write a\.txt/);
    assert.ok(running.includes('active · executing · step 1 of 3 · mode planning-control · ada'), running.join('\n'));
    assert.deepEqual(marks(running), ['▶', '☐', '☐']);
    assert.ok(!running.includes('Waiting for a person'), 'nothing waits while a step runs');
    seen.resolve();

    await untilAsked(session, 'req-3');
    await decide(session, 'req-3', 'skip');
    // To look at the page costs much more than to ask the session.
    await untilAsked(session, 'req-4');
    const skipped = await untilDetails(session, /^req-4 · before-step · step 3/);
    assert.deepEqual(marks(skipped), ['☑', '⤼', '☐']);

    await decide(session, 'req-4', 'approve');
    await session.awaitTurn('turn-1');
    const ended = await untilDetails(session, /^Turn 1 · completed$/);
    assert.deepEqual(marks(ended), ['☑', '⤼', '☑']);
    assert.ok(ended.includes('Files: a.txt, c.txt'), ended.join('\n'));
    assert.ok(ended.includes('Answer: Two of *three*'), ended.join('\n'));
    assert.ok(ended.includes('active · idle · mode planning-control · ada'), ended.join('\n'));
  });

  itInFull('names turn, step and tool of each activity in the timeline', async () => {
    playTeam(world.model, { files: FILES.slice(0, 1) });
    const session = await world.copilot.create({ mode: 'planning-control' });
    assert.equal((await session.send('Write one file')).status, 'completed');
    await open(session, 'history');
    for (const summary of ['turn 1 · plan', 'turn 1 · plan review', 'turn 1 · step 1 · write_file a.txt'])
      await page.getByText(summary).first().waitFor({ state: 'visible' });
  });

  itInFull('shows to the letter what people write, whole, whatever it would mean in Markdown', async () => {
    playTeam(world.model, { answer: '1. one $5 and $6\n- two' });
    const name = '- *a* _b_ <b>c</b> [d](e) ![f](g) {#h}';
    const session = await world.copilot.create({ mode: 'one-shot', name });
    await session.send('1) `ls --all` costs $1 | $2 ~~or~~ &lt; \\');
    const lines = await details(session);
    assert.equal(lines[0], name);
    assert.ok(lines.includes('1) `ls --all` costs $1 | $2 ~~or~~ &lt; \\'), lines.join('\n'));
    assert.ok(lines.includes('Answer: 1. one $5 and $6 - two'), lines.join('\n'));
    assert.deepEqual(await hiddenLines(page), []);
  });
});

/** The frame of the panel `Current Details`, as against that of the summary, which is the session's name. */
function panel(page: Page): Locator {
  return page.locator('iframe[src*="**active**"]');
}

/** Lines of the panel that one would have to scroll to inside its frame. */
async function hiddenLines(page: Page): Promise<string[]> {
  const frame = panel(page);
  const bottom = (box: { y: number; height: number } | null): number => (box ? box.y + box.height : Infinity);
  const end = bottom(await frame.boundingBox());
  const blocks = await frame.contentFrame().locator('main > *').all();
  const hidden: string[] = [];
  for (const block of blocks) {
    const text = (await block.innerText()).trim();
    if (text !== '' && bottom(await block.boundingBox()) > end) hidden.push(text);
  }
  return hidden;
}

function textLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** How the steps of the plan are marked. */
function marks(lines: readonly string[]): string[] {
  return lines.flatMap((line) => /^([☐▶☑✗⤼]) write /.exec(line)?.[1] ?? []);
}

/** As `yyyy-mm-dd hh:mm`. */
function minuteOf(at = ''): string {
  return at.slice(0, 16).replace('T', ' ');
}
