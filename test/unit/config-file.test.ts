import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfigFile } from '../../src/config-file.ts';

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
    ['has a key that is not known', 'export default { provider: {} };', /provider/],
    ['has a provider that is none', 'export default { providers: { local: { url: 1 } } };', /providers\.local/],
    [
      'names a default that it does not have',
      'export default { providers: { a: {} }, defaultProvider: "b" };',
      /no provider "b"; there are a/,
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
});
