/** What our webpack plugin does to the workflow code. It runs in a sandbox like the SDK's, without a server. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { join } from 'node:path';
import { type Context, createContext, runInContext } from 'node:vm';
import { packageDir } from '../../src/package-info.ts';
import { buildBundle } from '../../src/worker/bundle/bundle.ts';
import { SHARED_CONTRACTS } from '../../src/worker/bundle/shared-modules.ts';

const quiet = { log: () => {}, trace: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

describe('the workflow code', function () {
  this.timeout(60_000);
  let code: string;

  before(async () => {
    code = await buildBundle(quiet);
  });

  it('loads the shared contracts once for all sessions, and everything else of ours for each session', () => {
    const sandbox = open(code);
    assert.equal(sandbox.load('preloadModules').length > 0, true);
    const first = sandbox.load('importWorkflows');
    const second = sandbox.load('importWorkflows');
    assert.deepEqual(second, first);
    assert.ok(first.includes('./src/workflows/session/loop.ts'));
    const shared = SHARED_CONTRACTS.map((name) => `./src/contracts/${name}.ts`);
    for (const id of shared) {
      assert.ok(code.includes(`"${id}"`), `${id} is not in the bundle`);
      assert.equal(sandbox.loaded.has(id), false, id);
    }
  });

  it('finds built-ins without asking the host for each use', () => {
    const sandbox = open(code);
    sandbox.load('preloadModules');
    sandbox.load('importWorkflows');
    assert.deepEqual(
      sandbox.lookups.filter((name) => name !== 'globalThis'),
      [],
    );
    runInContext('new Map()', sandbox.context);
    assert.deepEqual(sandbox.lookups.slice(-1), ['Map']);
  });

  it('has a source map that names our lines', () => {
    const [, base64 = ''] = /sourceMappingURL=data:application\/json;charset=utf-8;base64,(\S+)/.exec(code) ?? [];
    const map = new SourceMap(JSON.parse(Buffer.from(base64, 'base64').toString()));
    const own = join(packageDir, 'src/workflows/session/loop.ts');
    const statement = 'async function copilotSession(';
    const lines = code.split('\n');
    const line = lines.findIndex((text) => text.includes(statement));
    const entry = map.findEntry(line, lines[line]?.indexOf(statement) ?? -1);
    assert.ok('originalSource' in entry);
    assert.equal(entry.originalSource, own);
    assert.match(readFileSync(own, 'utf8').split('\n')[entry.originalLine] ?? '', /async function copilotSession\(/);
  });
});

interface Sandbox {
  readonly context: Context;
  /** Calls a function of the bundle as a new session does. Returns the ids of the modules that this loaded. */
  load(what: 'preloadModules' | 'importWorkflows'): string[];
  /** Ids of all modules that went through the SDK's cache. */
  readonly loaded: ReadonlySet<string>;
  /** Built-ins that were looked up on the global object since the script was loaded. */
  readonly lookups: readonly string[];
}

/** The SDK keeps the modules of each session in a cache of its own, which the bundle finds as a global. */
function open(code: string): Sandbox {
  const lookups: string[] = [];
  const loaded = new Set<string>();
  const preloaded = new Map<PropertyKey, unknown>();
  let session = preloaded;
  const cache = new Proxy(
    {},
    {
      get: (_, id) => preloaded.get(id) ?? session.get(id),
      set: (_, id, module) => {
        loaded.add(String(id));
        session.set(id, module);
        return true;
      },
    },
  );
  const { TextEncoder, TextDecoder, URL, AbortController, AbortSignal } = globalThis;
  const note = (name: string): void => void lookups.push(name);
  const context = createContext({
    ...{ TextEncoder, TextDecoder, URL, AbortController, AbortSignal, console, note },
    __webpack_module_cache__: cache,
  });
  runInContext(code, context);
  runInContext(
    `for (const name of ['Object', 'Map', 'Set', 'Promise', 'Error', 'RegExp', 'Symbol', 'Array', 'JSON']) {
      const value = globalThis[name];
      Object.defineProperty(globalThis, name, { get: () => (note(name), value) });
    }`,
    context,
  );
  lookups.length = 0;
  return {
    context,
    loaded,
    lookups,
    load: (what) => {
      if (what === 'importWorkflows') session = new Map();
      const known = new Set(session.keys());
      runInContext(`void __TEMPORAL__.${what}()`, context);
      return [...session.keys()].filter((id) => !known.has(id)).map(String);
    },
  };
}
