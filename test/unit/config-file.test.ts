import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadTeam } from '../../src/agents/files/load-team.ts';
import { listTeams } from '../../src/agents/files/team-folders.ts';
import { loadConfig } from '../../src/config.ts';
import { loadConfigFile } from '../../src/config-file.ts';
import { packageDir } from '../../src/package-info.ts';
import { builtInTools } from '../../src/tools/registry.ts';
import { writeTeam } from '../helpers/own-team.ts';

describe('copilot.config.ts', () => {
  const folders: string[] = [];
  after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

  /** A folder with this file; each test has its own, since a module is loaded once. */
  async function folderWith(content: string, name = 'copilot.config.ts'): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'copilot-config-'));
    folders.push(folder);
    await writeFile(join(folder, name), content);
    return folder;
  }

  it('may have to wait for what it exports', async () => {
    assert.deepEqual(await loadConfigFile(await folderWith('export default Promise.resolve({ warm: true });')), {
      warm: true,
    });
  });

  it('is not needed', async () => {
    assert.deepEqual(await loadConfigFile(await folderWith('', 'other.ts')), {});
  });

  it('names providers by settings or as objects, in TypeScript or JavaScript', async () => {
    const provider = `{ name: 'own', model: (id: string) => ({ id, reply: () => Promise.reject(new Error('x')) }), close: () => Promise.resolve() }`;
    const source = `export default { providers: { local: { baseUrl: 'http://localhost:1/v1' }, own: ${provider} }, defaultProvider: 'own' };`;
    const { providers = {}, defaultProvider } = await loadConfigFile(await folderWith(source));
    assert.deepEqual([Object.keys(providers), defaultProvider], [['local', 'own'], 'own']);
    assert.ok(providers['own'] && 'model' in providers['own']);
    const script = `export default { providers: { local: { api: 'chat' } } };`;
    assert.deepEqual(await loadConfigFile(await folderWith(script, 'copilot.config.mjs')), {
      providers: { local: { api: 'chat' } },
    });
  });

  for (const [what, source, problem] of [
    ['has no default export', 'export const config = {};', /no default export; write `export default defineConfig/],
    [
      'has a key that is not known',
      'const a = 1;\nexport default {\n  provider: {},\n};',
      /copilot\.config\.ts, line 3, is not valid: there is no key "provider"; the nearest is "providers"\.$/,
    ],
    [
      'has a value that is none',
      "import 'node:fs';\nexport default {\n  warm: true,\n  agentPoolSize: 0,\n};",
      /line 4, is not valid: agentPoolSize: it must be at least 1/,
    ],
    [
      'denies a tool that there is not',
      'export default {\n  ceilings: {\n    deny: ["shel"],\n  },\n};',
      /line 3, is not valid: ceilings\.deny: there is no category or tool "shel"; did you mean "shell"/,
    ],
    ['cannot be read', 'export default {\n  tools: [ };', /line 2: Expression expected/],
    ['has a provider that is none', 'export default { providers: { local: { url: 1 } } };', /providers\.local/],
    [
      'has a provider at no address of the web',
      'export default {\n  providers: {\n    local: {\n      baseUrl: "localhost:1" } } };',
      /line 4, is not valid: providers\.local\.baseUrl: it is a URL that begins with .*, such as http:\/\/localhost:1\.$/,
    ],
    [
      'has a provider with a key that is no text, which it does not show',
      'export default { providers: { local: { apiKey: 12345 } } };',
      /line 1, is not valid: providers\.local\.apiKey: it must be text\.$/,
    ],
    [
      'has a provider behind a proxy that is none',
      'export default { providers: { local: { proxy: { httpProxy: "proxy:1" } } } };',
      /providers\.local\.proxy\.httpProxy: use a URL such as/,
    ],
    [
      'names a default that it does not have',
      'export default { providers: { a: {} }, defaultProvider: "b" };',
      /line 1, is not valid: defaultProvider: there is no provider "b"; there are a/,
    ],
    [
      'names a tool that is none',
      'export default { tools: [{ name: "x" }] };',
      /tools\.0: it is not made by defineTool/,
    ],
    ['throws', 'const first = 1;\n\nthrow new Error("no key");\nexport default { first };', /line 3: no key/],
  ] satisfies [string, string, RegExp][]) {
    it(`is refused if it ${what}, with the file and what is wrong`, async () => {
      const folder = await folderWith(source);
      await assert.rejects(loadConfigFile(folder), (error: Error & { type: string }) => {
        assert.equal(error.type, 'InvalidInput');
        assert.ok(error.message.includes(join(folder, 'copilot.config.ts')), error.message);
        assert.match(error.message, problem);
        return true;
      });
    });
  }

  it('has tools of its own; one that is wrong is named with file and line', async () => {
    const worker = JSON.stringify(join(packageDir, 'src/worker.ts'));
    const source = (name: string): string =>
      [
        `import { defineTool } from ${worker};`,
        `import { z } from ${JSON.stringify(import.meta.resolve('zod'))};`,
        'const rest = { description: "Greets.", category: "read", effects: "none", parameters: z.object({}), run: () => "hi" } as const;',
        `const greet = defineTool({ ...rest, name: '${name}' });`,
        'export default { tools: [greet], ceilings: { deny: ["greet"] } };',
      ].join('\n');
    const { tools = [] } = await loadConfigFile(await folderWith(source('greet')));
    assert.deepEqual(
      tools.map(({ name }) => name),
      ['greet'],
    );
    for (const [name, problem] of [
      ['say hello', /line 4: Tool "say hello" .*name: use 1 to 64 letters/],
      ['shell', /Tool "shell" \(.*copilot\.config\.ts:4\) cannot be used: a built-in tool has this name/],
    ] as const) {
      await assert.rejects(loadConfigFile(await folderWith(source(name))), { type: 'InvalidInput', message: problem });
    }
  });

  it('[E02] says where teams are and how they are cached; the environment goes before it', async () => {
    const folder = await folderWith(
      "export default { teams: 'teams', agentPoolSize: 3, agentIdleMs: 5000, warm: false };",
    );
    const file = await loadConfigFile(folder);
    const ofFile = loadConfig({}, file);
    assert.deepEqual(
      [ofFile.agentsDir, ofFile.agentPoolSize, ofFile.agentCacheSize, ofFile.agentIdleMs, ofFile.warm],
      [resolve('teams'), 3, 32, 5_000, false],
    );
    const variables = {
      COPILOT_AGENTS_DIR: '/teams',
      AGENT_POOL_SIZE: '2',
      AGENT_IDLE_SECONDS: '7',
      COPILOT_WARM: '1',
    };
    const { agentsDir, agentPoolSize, agentIdleMs, warm } = loadConfig(variables, file);
    assert.deepEqual([agentsDir, agentPoolSize, agentIdleMs, warm], ['/teams', 2, 7_000, true]);
  });

  it('names single teams by their folders or files', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'copilot-teams-'));
    folders.push(folder);
    await writeTeam(folder, 'sales');
    await writeTeam(join(folder, 'more'), 'support');
    const teams = [join(folder, 'sales'), join(folder, 'more/support/team.yaml'), join(folder, 'gone')];
    const { agentsDir } = loadConfig({}, { teams });
    assert.deepEqual(await listTeams(agentsDir), ['sales', 'support']);
    assert.equal((await loadTeam(agentsDir, 'support', builtInTools)).definition.name, 'support');
    await assert.rejects(loadTeam(agentsDir, 'gone', builtInTools), {
      type: 'TeamNotFound',
      message: /Known teams: sales, support/,
    });
  });
});
