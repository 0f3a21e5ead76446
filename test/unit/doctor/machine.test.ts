/** What `doctor` says of this machine: versions, folders, programs. */
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Check } from '../../../src/doctor/check.ts';
import { checkDisk, checkFolders } from '../../../src/doctor/folders.ts';
import { checkServerProgram } from '../../../src/doctor/server-program.ts';
import { checkTeams } from '../../../src/doctor/teams.ts';
import { checkNode, isAtLeast } from '../../../src/doctor/tools.ts';
import { cachedServerFile } from '../../../src/server/program.ts';
import { writeTeam } from '../../helpers/own-team.ts';
import { isolatedConfig, temporaryFolder } from '../../helpers/server.ts';
import { builtInTools } from '../../../src/tools/registry.ts';

describe('the machine, as doctor sees it', () => {
  let home: string;

  beforeEach(async () => {
    home = await temporaryFolder();
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  /** An executable of that name that prints one line. */
  async function program(name: string, line: string): Promise<void> {
    const file = join(home, 'bin', name);
    await mkdir(join(home, 'bin'), { recursive: true });
    await writeFile(file, `#!/bin/sh\necho '${line}'\n`);
    await chmod(file, 0o755);
  }

  const serverProgram = async (changes: Record<string, string> = {}): Promise<Check> =>
    await checkServerProgram(
      isolatedConfig(home, { PATH: join(home, 'bin'), COPILOT_CACHE_DIR: join(home, 'cache'), ...changes }),
    );

  it('compares versions by number', () => {
    const cases = ['20.20.0', '20.20', '20.3.1', '22.0.0', '9.99.9'].map((version) => isAtLeast(version, '20.20'));
    assert.deepEqual(cases, [true, true, false, true, false]);
    assert.equal(checkNode().status, 'ok');
  });

  it('finds the server program on PATH, and says where', async () => {
    await program('temporal', 'temporal version 1.5.1');
    assert.deepEqual(await serverProgram(), {
      check: 'server program',
      status: 'ok',
      detail: `${join(home, 'bin/temporal')} (on PATH)`,
      hint: null,
    });
  });

  it('finds the cached server program where the one on PATH is broken', async () => {
    await program('temporal', 'hello');
    const file = cachedServerFile(isolatedConfig(home, { COPILOT_CACHE_DIR: join(home, 'cache') }));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, '#!/bin/sh\necho version 1.5.1\n', { mode: 0o755 });
    assert.equal((await serverProgram()).detail, `${file} (in the cache)`);
  });

  it('says whether a server program could be built', async () => {
    const none = await serverProgram();
    assert.deepEqual([none.status, /no Go on PATH/.test(none.detail)], ['missing', true]);
    assert.match(none.hint ?? '', /export TEMPORAL_ADDRESS=/);
    await program('go', 'go version go1.22.4 linux/amd64');
    const old = await serverProgram();
    assert.deepEqual([old.status, /is go1\.22\.4, and 1\.25 is needed/.test(old.detail)], ['missing', true]);
    await program('go', 'go version go1.25 linux/amd64');
    const right = await serverProgram();
    assert.deepEqual([right.status, /built with go1\.25 in 3 to 6 minutes/.test(right.detail)], ['warning', true]);
    assert.deepEqual(await readdir(home), ['bin']);
  });

  it('needs no server program where a server is named', async () => {
    const named = await serverProgram({ TEMPORAL_ADDRESS: 'temporal.example' });
    assert.deepEqual([named.status, /temporal\.example:7233/.test(named.detail)], ['ok', true]);
  });

  it('looks at folders without making them', async () => {
    const [own, workspaces, archive] = await checkFolders(
      isolatedConfig(home, { COPILOT_ARCHIVE_DIR: join(home, 'file/archive') }),
    );
    assert.deepEqual([own?.status, own?.detail], ['ok', home]);
    assert.deepEqual([workspaces?.status, workspaces?.detail], ['ok', `${join(home, 'workspaces')}, to be made`]);
    assert.equal(archive?.status, 'ok');
    assert.deepEqual(await readdir(home), []);
    await writeFile(join(home, 'file'), '');
    const [, , blocked] = await checkFolders(isolatedConfig(home, { COPILOT_ARCHIVE_DIR: join(home, 'file/archive') }));
    assert.deepEqual([blocked?.status, blocked?.detail], ['missing', `${join(home, 'file')} is a file`]);
    assert.match(blocked?.hint ?? '', /export COPILOT_ARCHIVE_DIR=/);
  });

  it('finds a folder that cannot be written to', async function () {
    // Nothing is forbidden to root.
    if (process.getuid?.() === 0) this.skip();
    const locked = join(home, 'locked');
    await mkdir(locked, { mode: 0o500 });
    const [folder] = await checkFolders(isolatedConfig(home, { COPILOT_HOME: join(locked, 'home') }));
    assert.deepEqual([folder?.status, folder?.detail], ['missing', `${locked} cannot be written to`]);
    assert.match(folder?.hint ?? '', /^sudo chown .*locked'.*export COPILOT_HOME=/);
  });

  it('tells the free space of the disk', async () => {
    assert.match((await checkDisk(isolatedConfig(home))).detail, /^\d+\.\d GiB free for \//);
  });

  it('loads every team, and names file and line of what is wrong', async () => {
    const agentsDir = join(home, 'agents');
    const config = isolatedConfig(home, { COPILOT_AGENTS_DIR: agentsDir });
    assert.deepEqual(
      (await checkTeams(config, builtInTools)).checks.map(({ check, status }) => [check, status]),
      [['teams', 'missing']],
    );
    await mkdir(join(agentsDir, 'broken'), { recursive: true });
    await writeFile(join(agentsDir, 'broken/team.yaml'), 'description: a team\nmodle: tiny\n');
    const { checks, models } = await checkTeams(config, builtInTools);
    assert.deepEqual(models, []);
    assert.deepEqual(
      checks.map(({ check, status }) => [check, status]),
      [['team broken', 'missing']],
    );
    assert.match(checks[0]?.detail ?? '', /^broken\/team\.yaml:\d+: /);
    assert.match(checks[0]?.hint ?? '', /^Correct .*agents\/broken\/team\.yaml, line \d+, then: copilot doctor$/);
  });

  it('names the folders that were meant as teams and are none', async () => {
    const agentsDir = join(home, 'agents');
    const config = isolatedConfig(home, { COPILOT_AGENTS_DIR: agentsDir });
    for (const name of ['My Team', 'half', 'notes']) await mkdir(join(agentsDir, name), { recursive: true });
    await writeFile(join(agentsDir, 'My Team/team.yaml'), 'description: a team\n');
    await writeFile(join(agentsDir, 'half/writer.yml'), 'description: an agent\n');
    await writeFile(join(agentsDir, 'notes/README.md'), 'not a team\n');
    await writeFile(join(agentsDir, 'loose.yaml'), 'not a team\n');
    const { checks } = await checkTeams(config, builtInTools);
    assert.deepEqual(
      checks.slice(1).map(({ status, detail }) => [status, detail]),
      [
        ['warning', '"My Team" is no team: in the name of a team use lower-case letters, digits and "-", 63 at most'],
        ['warning', '"half" is no team: it has no team.yaml'],
      ],
    );
  });

  it('finds the programs and variables that MCP servers need, and what is missing of them', async () => {
    await program('notes-server', 'not to be run');
    const agentsDir = join(home, 'agents');
    const headers = { authorization: 'Bearer ${NOTES_TOKEN}' };
    await writeTeam(agentsDir, 'notes', {
      team: {
        mcp: {
          notes: { command: 'notes-server', args: ['--all'] },
          absent: { command: 'no-such-program-anywhere' },
          file: { command: join(home, 'bin/notes-server') },
          folder: { command: join(home, 'bin') },
          elsewhere: { command: 'notes-server', env: { PATH: '/nowhere' } },
          web: { url: 'https://notes.example.org/mcp?key=secret' },
          token: { url: 'https://notes.example.org/mcp', headers },
        },
      },
    });
    const variables = { COPILOT_AGENTS_DIR: agentsDir, PATH: join(home, 'bin') };
    const config = isolatedConfig(home, variables);
    const { checks } = await checkTeams(config, builtInTools);
    assert.deepEqual(
      checks.slice(1).map(({ check, status, detail }) => [check, status, detail]),
      [
        ['mcp notes/notes', 'ok', join(home, 'bin/notes-server')],
        ['mcp notes/absent', 'missing', 'no-such-program-anywhere is not on PATH'],
        ['mcp notes/file', 'ok', join(home, 'bin/notes-server')],
        ['mcp notes/folder', 'missing', `${join(home, 'bin')} is no program that can be run`],
        ['mcp notes/elsewhere', 'missing', 'notes-server is not on PATH'],
        ['mcp notes/web', 'ok', 'https://notes.example.org, not asked'],
        [
          'mcp notes/token',
          'missing',
          'MCP server "token" of team notes cannot be opened by this worker: headers.authorization needs the environment variable NOTES_TOKEN, which is not set; set it and restart the worker.',
        ],
      ],
    );
    const trusting = await checkTeams(
      isolatedConfig(home, { ...variables, NOTES_TOKEN: 'x', COPILOT_TRUST_TEAMS: '1' }),
      builtInTools,
    );
    assert.deepEqual(
      trusting.checks.slice(-2).map(({ check, status, hint }) => [check, status, hint]),
      [
        ['mcp notes/token', 'ok', null],
        ['mcp trust', 'warning', 'unset COPILOT_TRUST_TEAMS'],
      ],
    );
  });
});
