/** What `sdk-internals.ts` relies on. A failure here means that the SDK has changed: see what that file says. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageDir } from '../../src/package-info.ts';

const require = createRequire(import.meta.url);
const lib = join(require.resolve('@temporalio/workflow/package.json'), '..', 'lib');
const source = (name: string): string => readFileSync(join(lib, name), 'utf8');

describe('the workflow runtime of the SDK', () => {
  it('keeps the state of a run in this global, and sends its versioning behavior with each task', () => {
    assert.match(source('global-attributes.js'), /globalThis\.__TEMPORAL_ACTIVATOR__/);
    assert.match(source('internals.js'), /versioningBehavior: this\.versioningBehavior/);
    assert.match(
      source('worker-interface.js'),
      /encodeVersioningBehavior\)\(activationCompletion\.versioningBehavior\)/,
    );
  });

  it('keeps the payload converter that the worker was given there, too', () => {
    assert.match(source('internals.js'), /\bpayloadConverter = /);
    assert.match(source('worker-interface.js'), /activator\.payloadConverter = /);
  });

  it('offers no way to set the versioning behavior of a running workflow', () => {
    const setters = ['index.d.ts', 'workflow.d.ts'].flatMap((name) => [
      ...source(name).matchAll(/function (set\w*(?:[Vv]ersioning|[Bb]ehavior)\w*)/g),
    ]);
    assert.deepEqual(
      setters.map(([, name]) => name),
      [],
    );
  });

  it('is reached into by one file only', () => {
    const dir = join(packageDir, 'src');
    const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    const inside = files.filter((name) => /__TEMPORAL_ACTIVATOR__/.test(readFileSync(join(dir, name), 'utf8')));
    assert.deepEqual(inside, [join('workflows', 'sdk-internals.ts')]);
  });
});
