/** Forms of MCP servers on the page: every kind of field. The reference server asks; real gateway and Chromium. */
import assert from 'node:assert/strict';
import { itInFull } from '../../helpers/full.ts';
import { stdioServer } from '../../helpers/mcp.ts';
import { openPageWorld, type PageWorld } from '../../helpers/page.ts';
import { nextRequest } from '../../helpers/requests.ts';
import { playToolCalls } from '../../helpers/tool-script.ts';

const TOOL = 'trigger-elicitation-request';

describe('forms on the page', function () {
  this.timeout(240_000);
  let world: PageWorld;

  before(async function () {
    world = await openPageWorld(this, {
      team: { answering: { agent: 'engineer' }, mcp: { once: stdioServer('everything') } },
      agents: { engineer: { tools: ['once.*'] } },
    });
    playToolCalls(world.model);
  });
  after(async () => world?.stop());

  itInFull('a form is filled and sent, with its defaults, and what does not fit is refused by name', async () => {
    const { page } = world;
    const session = await world.copilot.create({ mode: 'one-shot' });
    await session.send(`use once.${TOOL} with {}`, { wait: false });
    const request = await nextRequest(session, 60_000);
    await page.goto(`${world.gateway.url}/#/sessions/${session.id}`);
    const card = page.locator('section.request');
    await card.getByText(`Asked by once.${TOOL}`).waitFor();
    const fields = card.locator('form input, form select');
    assert.equal(await fields.count(), request.form?.fields.length);
    const send = card.getByRole('button', { name: 'Send', exact: true });
    await send.click();
    assert.equal(await card.locator(':invalid').first().isVisible(), true, 'the browser asks for what is required');
    await card.locator('input[required]').first().fill('Ada');
    await card.getByPlaceholder('ada@example.org').fill('nobody');
    await send.click();
    await card.getByText(/the field "email" takes an e-mail address/).waitFor();
    await card.getByPlaceholder('ada@example.org').fill('ada@example.org');
    await card.locator('select[multiple]').first().selectOption({ index: 0 });
    await send.click();
    await page.getByText('Form sent by local').waitFor();
    await page.getByText('Fork here').waitFor();
    const [decided] = await session.decisions();
    const { values, by } = decided?.verdict ?? {};
    assert.equal(by, 'local');
    assert.equal(values?.['name'], 'Ada');
    assert.equal(values?.['email'], 'ada@example.org');
    assert.equal(values?.['integer'], 42, 'a default');
    assert.deepEqual(world.problems, []);
  });
});
