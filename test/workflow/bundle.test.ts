/** What our webpack plugin does to the workflow code. It runs in a sandbox like the SDK's, without a server. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { join } from 'node:path';
import { type Context, createContext, runInContext } from 'node:vm';
import { packageDir } from '../../src/package-info.ts';
import { workflowCode } from '../helpers/workflow-code.ts';

/** Variables of modules that can change, or hold something that can. */
const MAY_CHANGE =
  /^(?:export )?(?:(?:let|var) \w+|const \w+(?:: [^=\n]+)? = (?:new (?:Map|Set|WeakMap|WeakSet|Array)|\[\]|\{\}(?= as|;)))|^ +(?:(?:private|readonly|override) )*static (?!.*\().*/gm;

interface Facts {
  /** Constants that shared modules export, with their module. */
  readonly names: readonly string[];
  readonly changeable: readonly string[];
}

/** Schemas and converters are instances of classes, and keep nothing. */
const CHANGEABLE = `
  const isPlain = (value) => [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(Object(value)));
  const isFrozen = (value) => !isPlain(value) || (Object.isFrozen(value) && Object.values(value).every(isFrozen));
  const constants = Object.entries(shared).flatMap(([id, { exports }]) =>
    Object.entries(exports).flatMap(([name, value]) => (isPlain(value) ? [[id + ' ' + name, value]] : [])),
  );
  JSON.stringify({
    names: constants.map(([name]) => name),
    changeable: constants.filter(([, value]) => !isFrozen(value)).map(([name]) => name),
  });
`;

describe('the workflow code', function () {
  this.timeout(300_000);
  let code: string;

  before(async () => {
    code = await workflowCode();
  });

  it('is loaded once for all sessions', () => {
    const sandbox = open(code);
    const preloaded = sandbox.load('preloadModules');
    assert.ok(preloaded.some((id) => id.endsWith('@temporalio/workflow/lib/index.js')));
    sandbox.load('importInterceptors');
    // The SDK's own interceptor is all that is left for each session.
    assert.deepEqual(sandbox.load('importWorkflows'), []);
    assert.deepEqual(
      [...sandbox.loaded].filter((id) => id.startsWith('./src/')),
      [],
    );
    assert.ok(code.includes('"./src/workflows/session/loop.ts"'));
  });

  it('keeps nothing of a session in its modules', () => {
    const files = ['contracts', 'workflows'].flatMap((folder) =>
      readdirSync(join(packageDir, 'src', folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !(folder === 'workflows' && name === 'sessions.ts'))
        .map((name) => join('src', folder, name)),
    );
    const variables = files.flatMap((file) =>
      [...readFileSync(join(packageDir, file), 'utf8').matchAll(MAY_CHANGE)].map(([text]) => `${file}: ${text}`),
    );
    // What they hold is found by the object that it belongs to, never changes, is a function of its key, or says which
    // queries are refused.
    assert.deepEqual(variables.toSorted(), [
      'src/workflows/context/tree.ts: const measured = new WeakMap',
      'src/workflows/handlers/early-events.ts: const suspects = new Set',
      'src/workflows/handlers/update-limit.ts: const ALWAYS = new Set',
      'src/workflows/session/state/ended-turns.ts: const measured = new WeakMap',
      'src/workflows/session/state/shared-teams.ts: const known = new Map',
      'src/workflows/views/current-details.ts: const open = new WeakMap',
    ]);
    const sandbox = open(
      code.replace('__webpack_require__.shared ??= {}', '__webpack_require__.shared ??= globalThis.shared = {}'),
    );
    sandbox.load('preloadModules');
    const { names, changeable } = JSON.parse(runInContext(CHANGEABLE, sandbox.context) as string) as Facts;
    assert.ok(names.includes('./src/contracts/errors.ts ERRORS'));
    assert.deepEqual(changeable, []);
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
  load(what: 'preloadModules' | 'importInterceptors' | 'importWorkflows'): string[];
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
      if (what === 'importInterceptors') session = new Map();
      const known = new Set(session.keys());
      runInContext(`void __TEMPORAL__.${what}()`, context);
      return [...session.keys()].filter((id) => !known.has(id)).map(String);
    },
  };
}
