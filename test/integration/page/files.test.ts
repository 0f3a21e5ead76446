/** Files on the page: sent with messages, shown in them, and kept with the session. Real Chromium. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { Locator, Page } from 'playwright-core';
import type { SessionHandle } from '../../../src/client.ts';
import { itInFull } from '../../helpers/full.ts';
import { until } from '../../helpers/history.ts';
import { openPageWorld, type PageWorld } from '../../helpers/page.ts';
import { playTeam } from '../../helpers/team-script.ts';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==',
  'base64',
);
const EVIL_SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" onload="alert(1)"><script>alert(2)</script><image href="http://example.org/x.png"/><rect width="20" height="20"/></svg>';

/** Puts a file into an event of an element, as dropping and pasting do. Runs in the page. */
const bringTo = (type: string, name: string, content: Buffer): string => `
  const data = new DataTransfer();
  const bytes = Uint8Array.from(atob('${content.toString('base64')}'), (character) => character.charCodeAt(0));
  data.items.add(new File([bytes], '${name}', { type: 'image/png' }));
  const options = { bubbles: true, cancelable: true };
  document
    .querySelector('${type === 'paste' ? '.composer textarea' : '.scroller'}')
    .dispatchEvent(
      '${type}' === 'paste'
        ? new ClipboardEvent('paste', { ...options, clipboardData: data })
        : new DragEvent('drop', { ...options, dataTransfer: data }),
    );`;

describe('[G07] files on the page', function () {
  this.timeout(240_000);
  let world: PageWorld;
  let page: Page;

  before(async function () {
    world = await openPageWorld(this);
    ({ page } = world);
  });
  after(async () => world?.stop());
  afterEach(() => assert.deepEqual(world.problems.splice(0), []));

  const button = (name: string | RegExp): Locator => page.getByRole('button', { name, exact: true });

  async function open({ id }: SessionHandle): Promise<void> {
    await page.goto(`${world.gateway.url}/#/sessions/${id}`);
    await page.getByRole('log', { name: 'Messages' }).waitFor();
  }

  const bring = (type: 'paste' | 'drop', name: string, content: Buffer): Promise<void> =>
    page.evaluate<void>(`(() => {${bringTo(type, name, content)}})()`);

  /** Whether a picture is drawn. */
  const isDrawn = async (name: string): Promise<boolean> =>
    await page
      .getByRole('button', { name: `Look at ${name}`, exact: true })
      .locator('img')
      .evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth > 0);

  it('chosen, pasted and dropped ones go with a message; its images are shown, and open', async () => {
    playTeam(world.model, { answer: 'A dot.' });
    const session = await world.copilot.create({ mode: 'one-shot' });
    await session.files.put('shot.png', 'another file has this name');
    await open(session);
    const chooser = page.locator('.composer input[type=file]');
    await chooser.setInputFiles({ name: 'größe <b>.csv', mimeType: 'text/csv', buffer: Buffer.from('a,b\n') });
    await bring('paste', 'shot.png', PNG);
    await bring('drop', 'other.png', Buffer.concat([PNG, Buffer.from('more')]));
    const attached = page.getByRole('list', { name: 'Files of this message' }).getByRole('listitem');
    await attached.filter({ hasText: 'shot-2.png' }).waitFor();
    await attached.filter({ hasText: 'other.png' }).filter({ hasText: / B/ }).waitFor();
    await button('Remove other.png').click();
    await page.getByRole('textbox', { name: 'Message' }).fill('What is it?');
    await button('Send').click();
    await page.getByText('Fork here').waitFor();
    assert.equal(await attached.count(), 0);
    const message = page.getByRole('article').locator('.message');
    assert.match(await message.innerText(), /What is it\?\s+\[file größe <b>\.csv, 4 bytes\]/);
    await until('the image is drawn', () => isDrawn('shot-2.png'));
    assert.match(JSON.stringify(world.model.requests.at(-1)?.body), /data:image\/png;base64,iVBOR/);
    await button('Look at shot-2.png').click();
    await page.getByRole('dialog', { name: 'shot-2.png' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await session.files.put('shot-2.png', 'no image any more');
    await page.reload();
    await page.getByText('Fork here').waitFor();
    // The browser keeps what was asked for by its digest, and shows what was sent.
    await until('the old image is drawn', () => isDrawn('shot-2.png'));
  });

  it('that a session wrote are downloaded, pictures are shown, and no script in them runs', async () => {
    playTeam(world.model, { files: ['page.html', 'drawing.svg'], answer: 'Both are there.' });
    const session = await world.copilot.create({ mode: 'planning-control' });
    assert.equal((await session.send('Write both')).status, 'completed');
    await session.files.put('drawing.svg', EVIL_SVG);
    await session.files.put('page.html', '<script>alert(3)</script>');
    await open(session);
    const written = page.getByRole('group', { name: 'Files written' });
    await until('the drawing is drawn', () => isDrawn('drawing.svg'));
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      written.getByRole('link', { name: 'page.html' }).click(),
    ]);
    assert.equal(download.suggestedFilename(), 'page.html');
    assert.equal(await readFile(await download.path(), 'utf8'), '<script>alert(3)</script>');
    const tab = await world.openWindow();
    for (const name of ['drawing.svg', 'page.html']) {
      const address = `${world.gateway.url}/v1/sessions/${session.id}/files/${name}`;
      await Promise.all([tab.waitForEvent('download'), tab.goto(address).catch(() => undefined)]);
    }
    await tab.close();
  });

  itInFull('are listed, added and deleted beside the conversation', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    await session.files.put('notes/a.txt', 'x');
    await open(session);
    await page.getByRole('tab', { name: 'Files' }).click();
    const panel = page.getByRole('tabpanel');
    await panel.getByRole('link', { name: 'notes/a.txt' }).waitFor();
    await panel.locator('input[type=file]').setInputFiles({ name: 'b.bin', mimeType: '', buffer: Buffer.alloc(2_500) });
    await panel.getByRole('listitem').filter({ hasText: 'b.bin' }).filter({ hasText: '2.5 kB' }).waitFor();
    page.removeAllListeners('dialog');
    page.once('dialog', (dialog) => void dialog.accept());
    await button('Delete notes/a.txt').click();
    await panel.getByRole('link', { name: 'notes/a.txt' }).waitFor({ state: 'detached' });
    assert.deepEqual(
      (await session.files.list()).map(({ path }) => path),
      ['b.bin'],
    );
  });

  itInFull('begin a session together with its first message', async () => {
    playTeam(world.model, { answer: 'A dot.' });
    await page.goto(`${world.gateway.url}/#/new`);
    await page.getByRole('textbox', { name: 'What is to be done?' }).fill('Look at it');
    await page.getByRole('combobox', { name: 'Mode' }).selectOption('one-shot');
    await page
      .locator('.new-session input[type=file]')
      .setInputFiles({ name: 'dot.png', mimeType: 'image/png', buffer: PNG });
    await button('Begin').click();
    await page.getByText('Fork here').waitFor();
    await until('the image is drawn', () => isDrawn('dot.png'));
    await page.getByRole('heading', { name: 'Look at it' }).waitFor();
  });
});
