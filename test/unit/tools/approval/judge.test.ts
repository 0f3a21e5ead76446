import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Approvals } from '../../../../src/contracts/team.ts';
import type { Policies } from '../../../../src/contracts/policies.ts';
import { ceilingsOf } from '../../../../src/tools/approval/ceilings.ts';
import { judgeCall } from '../../../../src/tools/approval/judge.ts';
import { builtInTools } from '../../../../src/tools/registry.ts';

type Layer = Pick<Approvals, 'tools' | 'rules'>;

describe('the policy for a call', () => {
  let workspace: string;
  before(async () => {
    workspace = await mkdtemp(join(tmpdir(), 'judge-'));
  });
  after(() => rm(workspace, { recursive: true }));

  interface Given {
    readonly session?: Layer;
    readonly mode?: Layer;
    readonly team?: Layer;
    readonly granted?: Partial<Policies['granted']>;
    readonly ceilings?: readonly string[];
  }

  async function judge(name: string, args: object, given: Given = {}) {
    const { session = {}, mode = {}, team = {}, granted = {}, ceilings = [] } = given;
    const policies = { layers: [session, mode, team], granted: { categories: [], rules: [], ...granted } };
    const options = { definition: { agents: {} }, policies, ceilings, tools: builtInTools, session: 's', workspace };
    return await judgeCall({ name, arguments: JSON.stringify(args) }, options);
  }
  const shell = async (command: string, given?: Given) => (await judge('shell', { command }, given))?.policy;

  it('[H11] is that of the category without rules: session, then mode, then team, then the default', async () => {
    assert.equal(await shell('ls'), 'ask');
    assert.equal((await judge('read_file', { path: 'x' }))?.policy, 'allow');
    assert.equal(
      await shell('ls', { team: { tools: { shell: 'deny' } }, session: { tools: { shell: 'allow' } } }),
      'allow',
    );
    assert.equal(
      await shell('ls', { team: { tools: { shell: 'allow' } }, mode: { tools: { shell: 'deny' } } }),
      'deny',
    );
  });

  it('[H11] a rule goes before the category of its own layer and of those behind it', async () => {
    const rules = { 'shell: git status*': 'allow' } as const;
    assert.equal(await shell('git status -s', { team: { rules } }), 'allow');
    assert.equal(await shell('git status; rm x', { team: { rules } }), 'ask');
    assert.equal(await shell('git status', { session: { rules }, team: { tools: { shell: 'deny' } } }), 'allow');
    assert.equal(await shell('git push', { session: { rules }, team: { tools: { shell: 'deny' } } }), 'deny');
    assert.equal(await shell('git status', { session: { tools: { shell: 'deny' } }, team: { rules } }), 'deny');
    assert.equal(await shell('git status', { session: { tools: { shell: 'ask' } }, team: { rules } }), 'ask');
  });

  it('[H11] rules of tools for tables match every file that a call reads or writes, those in its SQL too', async () => {
    for (const folder of ['open', 'secret']) {
      await mkdir(join(workspace, folder));
      await writeFile(join(workspace, folder, 'a.csv'), 'x\n1\n');
    }
    await symlink('../secret/a.csv', join(workspace, 'open', 'link.csv'));
    const policy = async (name: string, args: object, of: 'allow' | 'deny', folder: string) =>
      (
        await judge(name, args, {
          session: { tools: { read: 'ask', write: 'ask' }, rules: { [`${name}: ${folder}/**`]: of } },
        })
      )?.policy;
    const query = (sql: string, of: 'allow' | 'deny', folder: string) => policy('table_query', { sql }, of, folder);
    assert.equal(await query("SELECT * FROM 'open/a.csv'", 'allow', 'open'), 'allow');
    for (const sql of [
      "SELECT * FROM 'open/a.csv', 'secret/a.csv'",
      'SELECT * FROM \'open/a.csv\' JOIN "secret/a.csv" USING (x)',
      "SELECT * FROM 'open/link.csv'",
      "SELECT * FROM 'open/a.csv' WHERE x IN (FROM read_csv('secret/a.csv'))",
      "SELECT * FROM 'open/../secret/a.csv'",
    ]) {
      assert.equal(await query(sql, 'allow', 'open'), 'ask', sql);
      assert.equal(await query(sql, 'deny', 'secret'), 'deny', sql);
    }
    assert.equal(await query("SELECT * FROM 'missing.csv'", 'allow', 'open'), 'ask');
    assert.equal(await policy('table_profile', { path: 'open/a.csv' }, 'allow', 'open'), 'allow');
    assert.equal(await policy('table_profile', { path: 'open/link.csv' }, 'allow', 'open'), 'ask');
    const chart = { chart: 'bar', x: 'x' };
    const plot = (path: string, output: string) => policy('plot_chart', { ...chart, path, output }, 'allow', 'open');
    assert.equal(await plot('open/a.csv', 'open/x.svg'), 'allow');
    assert.equal(await plot('secret/a.csv', 'open/x.svg'), 'ask');
    assert.equal(await plot('open/a.csv', 'x.svg'), 'ask');
    const spec = { spec: {}, sql: "SELECT * FROM 'secret/a.csv'", output: 'open/x.svg' };
    assert.equal(await policy('plot_chart', spec, 'deny', 'secret'), 'deny');
  });

  it('[H11] the most careful rule that matches counts, whatever its layer', async () => {
    const session = { rules: { 'shell: git *': 'allow' }, tools: { shell: 'allow' } } as const;
    const team = { rules: { 'shell: git push*': 'deny', 'shell: git commit*': 'ask' } } as const;
    assert.equal(await shell('git status', { session, team }), 'allow');
    assert.equal(await shell('git push', { session, team }), 'deny');
    assert.equal(await shell('ls && git push', { session, team }), 'deny');
    assert.equal(await shell('git -C . push', { session, team }), 'ask');
    assert.equal(await shell('sh -c "$X"', { session, team }), 'ask');
    assert.equal(await shell('git commit -m x', { session, team }), 'ask');
    assert.equal(await shell('git push', { session: { rules: { 'shell: git push*': 'allow' } }, team }), 'allow');
  });

  it('[H11] what a person allowed lifts ask, never deny; an unsure deny only by a rule', async () => {
    const categories = ['shell'] as const;
    const team = { rules: { 'shell: git push*': 'deny' } } as const;
    assert.equal(await shell('ls; x', { granted: { categories } }), 'allow');
    assert.equal(await shell('git push', { team, granted: { categories, rules: ['shell: git push*'] } }), 'deny');
    assert.equal(await shell('git -C . push', { team, granted: { categories } }), 'ask');
    assert.equal(await shell('git -C . push', { team, granted: { rules: ['shell: git -C . push'] } }), 'allow');
    assert.equal(await shell('ls', { session: { tools: { shell: 'deny' } }, granted: { categories } }), 'deny');
    assert.equal(await shell('git status -s', { granted: { rules: ['shell: git status*'] } }), 'allow');
    assert.equal(await shell('git stash', { granted: { rules: ['shell: git status*'] } }), 'ask');
  });

  it('[H11] rules about URLs and paths', async () => {
    const team = {
      tools: { network: 'ask', write: 'ask' },
      rules: { 'fetch_url: https://docs.example.org/*': 'allow', 'write_file: reports/**': 'allow' },
    } as const;
    const policy = async (name: string, args: object) => (await judge(name, args, { team }))?.policy;
    assert.equal(await policy('fetch_url', { url: 'https://docs.example.org/a' }), 'allow');
    assert.equal(await policy('fetch_url', { url: 'https://docs.example.org@evil.test/a' }), 'ask');
    assert.equal(await policy('write_file', { path: 'reports/a.md', content: '' }), 'allow');
    assert.equal(await policy('write_file', { path: 'reports/../a.md', content: '' }), 'ask');
    assert.equal(await policy('append_file', { path: 'reports/a.md', content: 'x' }), 'ask');
  });

  it('[H11] a pattern for a tool that has nothing to match never allows, and a denial by it asks', async () => {
    const code = { language: 'node', code: '1' };
    assert.equal((await judge('run_code', code, { team: { rules: { 'run_code: *': 'allow' } } }))?.policy, 'ask');
    const denied = { tools: { code: 'allow' }, rules: { 'run_code: *': 'deny' } } as const;
    assert.equal((await judge('run_code', code, { team: denied }))?.policy, 'ask');
    assert.equal((await judge('run_code', code, { team: { rules: { run_code: 'allow' } } }))?.policy, 'allow');
  });

  it('[H11] a request says what allowing it for the session would cover', async () => {
    assert.equal((await judge('shell', { command: 'git status' }))?.covers?.rule, 'shell: git status');
    assert.equal((await judge('shell', { command: 'ls; rm x' }))?.covers?.rule, undefined);
  });

  it('[H12] a ceiling stands above everything, and the facts are the worker’s own', async () => {
    const granted = { categories: ['shell'], rules: ['shell'] } as const;
    const session = { tools: { shell: 'allow' }, rules: { shell: 'allow' } } as const;
    for (const ceiling of ['shell', 'run_code', 'code']) {
      const name = ceiling === 'shell' ? 'shell' : 'run_code';
      const judged = await judge(name, {}, { session, granted, ceilings: [ceiling] });
      assert.deepEqual([judged?.policy, judged?.ceiling], ['deny', ceiling]);
      assert.equal(judged?.effects, 'external');
    }
  });

  it('[H12] a name that no category or tool has is refused', () => {
    assert.deepEqual(ceilingsOf(builtInTools, ['shell', 'files.*'], ['fetch_url']), ['shell', 'files.*', 'fetch_url']);
    assert.throws(() => ceilingsOf(builtInTools, ['shel']), { type: 'InvalidConfig', message: /did you mean "shell"/ });
    assert.throws(() => ceilingsOf(builtInTools, [], ['everything']), { type: 'InvalidConfig' });
  });
});
