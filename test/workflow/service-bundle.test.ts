/** Bundles of a service whose worker hosts sessions. No server needed. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { bundleWorkflowCode, type WorkerOptions } from '@temporalio/worker';
import { WORKFLOW_TYPES } from '../../src/contracts/messages.ts';
import { packageDir } from '../../src/package-info.ts';
import { copilotPlugin } from '../../src/worker.ts';
import * as ours from '../../src/workflows/index.ts';
import { itInFull } from '../helpers/full.ts';

const quiet = { log: () => {}, trace: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const ALL = [...WORKFLOW_TYPES, 'orders'];

describe('a bundle with sessions beside the workflows of a service', function () {
  this.timeout(300_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'copilot-service-'));
    await symlink(join(packageDir, 'node_modules'), join(folder, 'node_modules'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function bundle(path: string, source: string, options: Partial<Parameters<typeof bundleWorkflowCode>[0]> = {}) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), source);
    return await bundleWorkflowCode({
      workflowsPath: join(folder, path),
      logger: quiet,
      plugins: [copilotPlugin()],
      ...options,
    });
  }

  describe('of a service in TypeScript that has modules, names and settings like ours', () => {
    let code: string;
    let isAsked = false;

    before(async () => {
      await mkdir(join(folder, 'contracts'), { recursive: true });
      await writeFile(join(folder, 'contracts', 'session.ts'), 'export const state = { count: 0 };');
      await writeFile(join(folder, 'interceptors.ts'), 'export const interceptors = () => ({ inbound: [], mark: 1 });');
      const source = [
        "import { state } from './contracts/session.ts';",
        `import { openSession } from ${JSON.stringify(join(packageDir, 'src/workflows/sessions.ts'))};`,
        'export function orders() { return { count: ++state.count, openSession }; }',
        "export async function copilotSession(): Promise<string> { return 'theirs'; }",
      ];
      ({ code } = await bundle('own.ts', source.join('\n'), {
        workflowInterceptorModules: [join(folder, 'interceptors.ts')],
        payloadConverterPath: join(packageDir, 'test/helpers/service/converter.ts'),
        webpackConfigHook: (config) => {
          isAsked = true;
          return config;
        },
      }));
    });

    it('has the workflows of both', () => {
      assert.deepEqual(exportsOf(code), { names: ALL.toSorted(), default: 'undefined' });
    });

    it('has ours of a name that both have', () => {
      const session = evaluate(code, '__TEMPORAL__.importWorkflows().copilotSession.toString()');
      assert.match(session, /LiveSession/);
    });

    it('keeps the interceptors, converter and webpack settings of the service', () => {
      assert.ok(isAsked);
      assert.ok(code.includes('mark: 1'));
      assert.ok(code.includes('service/reversed'));
      assert.ok(code.includes('undecodable signal'), 'our own interceptor is missing');
    });

    it('shares no module of the service between its workflows, whatever its name is', () => {
      const { first, second } = JSON.parse(
        evaluate(
          code,
          `(() => {
            const preloaded = { ...__webpack_module_cache__ };
            const open = () => {
              for (const id in __webpack_module_cache__) if (!(id in preloaded)) delete __webpack_module_cache__[id];
              return __TEMPORAL__.importWorkflows();
            };
            const first = open();
            const second = open();
            const facts = ({ orders, copilotSession }, other) => {
              const { count, openSession } = orders();
              const isOwn = openSession !== other.orders().openSession;
              return { count, isOwn, isOurs: copilotSession === other.copilotSession };
            };
            return JSON.stringify({ first: facts(first, open()), second: facts(second, open()) });
          })()`,
        ),
      ) as Record<'first' | 'second', unknown>;
      assert.deepEqual(first, { count: 1, isOwn: true, isOurs: true });
      assert.deepEqual(second, { count: 1, isOwn: true, isOurs: true });
    });
  });

  itInFull(
    'has the workflows of both if the service writes CommonJS, or ES modules in a folder with one for all types',
    async () => {
      const common = 'exports.orders = async () => {};';
      assert.deepEqual(exportsOf((await bundle('common.cjs', common)).code).names, ALL.toSorted());
      const catchAll = 'export async function orders() {}\nexport default async function any() {}';
      await mkdir(join(folder, 'folder'));
      await writeFile(join(folder, 'folder', 'index.js'), catchAll);
      const { code } = await bundle('unused.js', '', { workflowsPath: join(folder, 'folder') });
      assert.deepEqual(exportsOf(code), { names: ALL.toSorted(), default: 'function' });
    },
  );

  it('is refused if it was made without the plugin', () => {
    const options = { taskQueue: 'orders', workflowBundle: { code: 'exports.orders = () => {};' } };
    assert.throws(() => copilotPlugin().configureWorker(options), {
      type: 'InvalidInput',
      message: /workflowBundle is not valid: it has no sessions; pass copilotPlugin\(\) in `plugins`/,
    });
  });

  it('is of our workflows alone if the service has none', () => {
    const { workflowsPath } = copilotPlugin().configureWorker<WorkerOptions>({ taskQueue: 'orders' });
    assert.match(workflowsPath ?? '', /workflows[\\/]index\.ts$/);
  });
});

describe('the workflows of a service whose sessions other workers host', function () {
  this.timeout(300_000);

  it('bundle without the plugin, and bring no session and no zod along', async () => {
    const workflowsPath = join(packageDir, 'test/helpers/service/workflows.ts');
    const { code } = await bundleWorkflowCode({ workflowsPath, logger: quiet });
    const { names } = exportsOf(code);
    assert.ok(names.includes('handleOrder'));
    assert.deepEqual(
      names.filter((name) => WORKFLOW_TYPES.includes(name)),
      [],
    );
    const modules = [...code.matchAll(/^\/\*{3}\/ "(\.\/[^"]+)":?/gm)].map((match) => match[1] ?? '');
    assert.ok(modules.includes('./src/workflows/sessions.ts'));
    assert.deepEqual(
      modules.filter((path) => /node_modules\/zod|workflows\/(session|phases|handlers)\//.test(path)),
      [],
    );
  });
});

describe('the plugin', () => {
  it('adds to the options of a worker, and changes none that the service has', () => {
    const given = {
      taskQueue: 'orders',
      workflowsPath: '/workflows.ts',
      activities: { plan: () => 'own', charge: () => 'own' },
      dataConverter: { payloadCodecs: [] },
      interceptors: { workflowModules: ['/interceptors.ts'], activity: [() => ({})], client: { workflow: [{}] } },
      maxCachedWorkflows: 7,
      shutdownGraceTime: '1s',
    } satisfies WorkerOptions;
    const { activities, interceptors, ...rest } = copilotPlugin().configureWorker(given);
    const { activities: own, interceptors: ownInterceptors, ...kept } = given;
    for (const [key, value] of Object.entries(kept))
      assert.equal(Object.entries(rest).find(([name]) => name === key)?.[1], value, key);
    const names = Object.keys(activities ?? {});
    assert.deepEqual(names.filter((name) => !name.startsWith('copilot')).toSorted(), Object.keys(own).toSorted());
    assert.ok(names.length > 10);
    const { activity, client, ...others } = interceptors;
    assert.deepEqual(others, { workflowModules: ownInterceptors.workflowModules });
    // One more, which names the session in the log lines of our own activities.
    assert.deepEqual(activity.slice(0, -1), ownInterceptors.activity);
    assert.equal(activity.length, 2);
    // One more, which repeats queries that came too early.
    assert.ok(Array.isArray(client.workflow));
    assert.deepEqual(client.workflow.slice(0, -1), ownInterceptors.client.workflow);
    assert.equal(client.workflow.length, 2);
  });

  it('is refused if it is there twice', () => {
    const once = copilotPlugin().configureWorker({ taskQueue: 'orders' });
    assert.throws(() => copilotPlugin().configureWorker(once), { type: 'InvalidInput' });
  });
});

it('the workflow types are those that the bundle exports', () => {
  assert.deepEqual(Object.keys(ours).toSorted(), [...WORKFLOW_TYPES].toSorted());
});

/** What the SDK finds in a bundle. */
function exportsOf(code: string): { names: string[]; default: string } {
  const script =
    '(() => { const found = __TEMPORAL__.importWorkflows(); ' +
    "return JSON.stringify({ names: Object.keys(found).filter((name) => name !== 'default').sort(), default: typeof found.default }); })()";
  return JSON.parse(evaluate(code, script)) as { names: string[]; default: string };
}

function evaluate(code: string, script: string): string {
  const cache: Record<string, unknown> = {};
  const { TextEncoder, TextDecoder, URL, AbortController, AbortSignal } = globalThis;
  const context = createContext({
    ...{ TextEncoder, TextDecoder, URL, AbortController, AbortSignal, console },
    __webpack_module_cache__: cache,
  });
  runInContext(code, context);
  return runInContext(`__TEMPORAL__.preloadModules(); ${script}`, context) as string;
}
