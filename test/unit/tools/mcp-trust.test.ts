/** Whose MCP servers a worker opens. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTeam } from '../../../src/agents/files/load-team.ts';
import type { McpServer, TeamDefinition } from '../../../src/contracts/team.ts';
import { isOffered } from '../../../src/contracts/tool.ts';
import { type TeamTrust, teamTrust } from '../../../src/tools/mcp/trust.ts';
import { builtInTools as tools } from '../../../src/tools/registry.ts';
import { agentsFolder, recordingLog, removeFolders, TEAM } from '../agents/files/team-folder.ts';

const NOTES: McpServer = { command: 'notes', args: ['--all'], env: { TOKEN: '${NOTES_TOKEN}', MODE: 'quiet' } };
const WEB: McpServer = { url: 'https://example.org/mcp', headers: { authorization: 'Bearer ${WEB_TOKEN}' } };

describe('tools: trust in MCP servers', () => {
  let home: string;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'copilot-trust-'));
  });
  afterEach(() => rm(home, { recursive: true }));
  after(removeFolders);

  const folder = (): string => join(home, 'trusted-teams');
  const teamFile = (mcp: unknown): string => `${TEAM}mcp: ${JSON.stringify(mcp)}\n`;
  /** What a session brings along: only these two parts count. */
  const named = (name: string, mcp: TeamDefinition['mcp']) => ({ name, ...(mcp === undefined ? {} : { mcp }) });

  /** A worker with this home folder, whose team `small` has these servers. */
  async function worker(mcp: unknown, { trustsAll = false } = {}) {
    const agentsDir = await agentsFolder({ 'team.yaml': mcp === undefined ? TEAM : teamFile(mcp) });
    const { log, lines } = recordingLog();
    const load = (team: string) => loadTeam(agentsDir, team, tools);
    const trust = teamTrust({ folder: folder(), trustsAll, load, log });
    const change = (next: unknown) => writeFile(join(agentsDir, 'small/team.yaml'), teamFile(next));
    return { trust, lines, change, load };
  }

  async function refused(trust: TeamTrust, team: ReturnType<typeof named>, server: string, problem: RegExp) {
    await assert.rejects(trust.check(team), (error: Error & { type?: string; details?: Record<string, string> }) => {
      assert.equal(error.type, 'McpNotTrusted');
      assert.deepEqual([error.details?.['team'], error.details?.['server']], [team.name, server]);
      assert.match(error.message, problem);
      for (const wayOut of ['--refresh-team', 'agents folder', 'COPILOT_TRUST_TEAMS=1'])
        assert.ok(error.message.includes(wayOut), error.message);
      return true;
    });
  }

  it("opens what the worker's own team of that name has, whatever the order of keys, and teams without servers", async () => {
    const { trust } = await worker({ notes: NOTES, web: WEB });
    await trust.check(named('small', { web: WEB, notes: NOTES }));
    const other = { env: { MODE: 'quiet', TOKEN: '${NOTES_TOKEN}' }, args: ['--all'], command: 'notes' };
    await trust.check(named('small', { notes: other }));
    await trust.check(named('unheard-of', undefined));
    await trust.check(named('../../etc', {}));
  });

  it('refuses whatever differs: the team, the server, or a character of its entry', async () => {
    const { trust } = await worker({ notes: NOTES, web: WEB });
    await refused(trust, named('other', { notes: NOTES }), 'notes', /has no valid team of this name/);
    await refused(trust, named('../small', { notes: NOTES }), 'notes', /has no valid team of this name/);
    await refused(trust, named('small', { notes: NOTES, more: NOTES }), 'more', /has no such server/);
    await refused(trust, named('small', { constructor: NOTES }), 'constructor', /has no such server/);
    for (const changed of [
      { ...NOTES, args: ['--all', '-x'] },
      { ...NOTES, env: { TOKEN: '${OPENAI_API_KEY}' } },
      { ...NOTES, category: 'read' as const },
      { command: 'notes' },
      WEB,
    ])
      await refused(trust, named('small', { web: WEB, notes: changed }), 'notes', /has another entry for it/);
    await refused(trust, named('small', { web: { ...WEB, url: 'https://example.com/mcp' } }), 'web', /another entry/);
    assert.deepEqual(await readdir(home), [], 'what was refused is not recorded');
  });

  it('goes on opening what its own team had when it was loaded, after the files have changed, until the record is removed', async () => {
    const first = await worker({ notes: NOTES, web: WEB });
    await first.trust.remember((await first.load('small')).definition);
    await first.change({ notes: { command: 'other-notes' } });
    await first.trust.check(named('small', { notes: NOTES, web: WEB }));
    // Another start of the worker, and a team whose files are wrong at the time.
    const second = await worker('nonsense');
    await second.trust.check(named('small', { web: WEB }));
    await refused(
      second.trust,
      named('small', { notes: { command: 'other-notes' } }),
      'notes',
      /has no valid team of this name/,
    );
    await refused(second.trust, named('other', { web: WEB }), 'web', /no valid team/);

    assert.equal((await stat(folder())).mode & 0o777, 0o700);
    const files = await readdir(folder());
    assert.equal(files.length, 2);
    for (const file of files) {
      const text = await readFile(join(folder(), file), 'utf8');
      const { team, server } = JSON.parse(text) as Record<string, string>;
      assert.equal(team, 'small');
      assert.doesNotMatch(text, /TOKEN/);
      if (server === 'notes') await rm(join(folder(), file));
    }
    await second.trust.check(named('small', { web: WEB }));
    await refused(second.trust, named('small', { notes: NOTES }), 'notes', /has no valid team of this name/);
  });

  it('remembers also what it opened without having been asked for the team, and says each thing once', async () => {
    const { trust, change } = await worker({ notes: NOTES });
    await Promise.all([1, 2, 3].map(() => trust.check(named('small', { notes: NOTES }))));
    assert.equal((await readdir(folder())).length, 1);
    await change({});
    await trust.check(named('small', { notes: NOTES }));
  });

  it('opens what the files have also where nothing can be recorded, and logs that', async () => {
    await writeFile(folder(), 'a file in the place of the folder');
    const { trust, lines } = await worker({ notes: NOTES });
    await trust.check(named('small', { notes: NOTES }));
    assert.match(String(lines[0]?.['msg']), /were not recorded/);
    await refused(trust, named('small', { web: WEB }), 'web', /no such server/);
  });

  it('opens everything where the worker was told to', async () => {
    const { trust } = await worker(undefined, { trustsAll: true });
    await trust.check(named('from-anywhere', { notes: NOTES }));
  });
});

describe('tools: which names a list offers', () => {
  it('those on it, and with `server.*` all of that server and no other', () => {
    const list = ['read_file', 'web.*', 'notes.add', 'a.b.*'];
    const offered = [
      'read_file',
      'web.find',
      'web.find.all',
      'notes.add',
      'webs.find',
      'web',
      'notes.drop',
      'a.b.c',
      '',
    ];
    assert.deepEqual(
      offered.filter((name) => isOffered(list, name)),
      ['read_file', 'web.find', 'web.find.all', 'notes.add'],
    );
  });
});
