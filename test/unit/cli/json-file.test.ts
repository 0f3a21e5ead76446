/** JSON documents of commands: what is wrong with a file, and what is written comes back. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJson, snapshotRef, versionOption, writeJson } from '../../../src/cli/session/json-file.ts';

describe('JSON files of the command line', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'copilot-test-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('what is written is read', async () => {
    const value = { text: 'Zürich \ud83d\ude00', list: [1, null] };
    await writeJson(join(folder, 'a.json'), value);
    assert.deepEqual(await readJson(join(folder, 'a.json')), value);
  });

  it('a file that is not there, is no JSON or cannot be written is named', async () => {
    await writeFile(join(folder, 'b.json'), '{"a": ');
    await assert.rejects(readJson(join(folder, 'b.json')), {
      type: 'InvalidInput',
      message: /b\.json" .* it is not JSON/,
    });
    await assert.rejects(readJson(join(folder, 'c.json')), {
      type: 'InvalidInput',
      message: /c\.json" .* cannot be read/,
    });
    await assert.rejects(writeJson(join(folder, 'no', 'd.json'), 1), {
      type: 'InvalidInput',
      message: /cannot be written/,
    });
  });

  it('a snapshot is a version where it is a number', () => {
    assert.deepEqual(['7', 'snap-7', 'latest'].map(snapshotRef), [7, 'snap-7', 'latest']);
  });

  it('an expected version is a whole number', () => {
    assert.deepEqual([versionOption({}), versionOption({ expectedVersion: '3' })], [{}, { expectedVersion: 3 }]);
    assert.throws(() => versionOption({ expectedVersion: 'x' }), {
      type: 'InvalidInput',
      message: /--expected-version x/,
    });
  });
});
