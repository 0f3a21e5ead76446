/**
 * Two changes to how webpack lays out the workflow code, through the hooks that webpack has for that. Both make opening
 * a session on a worker cheaper.
 */
import { relative, sep } from 'node:path';
import type { BundleOptions } from '@temporalio/worker';

/**
 * Built-ins that the SDK leaves unchanged. In a sandbox each use of a global asks the host, which takes about a third of
 * a microsecond; a local variable costs nothing.
 */
const BUILT_INS = [
  ...['Array', 'ArrayBuffer', 'BigInt', 'Boolean', 'DataView', 'JSON', 'Map', 'Math', 'Number', 'Object', 'Promise'],
  ...['Proxy', 'Reflect', 'RegExp', 'Set', 'String', 'Symbol', 'Uint8Array', 'WeakMap', 'WeakSet'],
  ...['Error', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'],
  ...['isFinite', 'isNaN', 'parseFloat', 'parseInt'],
];

/**
 * Contracts that all sessions of a worker share: schemas and functions that keep nothing of a session. Without sharing
 * they are half of what opening a session costs, in time and memory. The SDK's `preloadModules` shares modules, too, but
 * freezes their exports, and a zod schema completes itself when it is first used.
 */
export const SHARED_CONTRACTS = [
  ...[
    'context',
    'context-patch',
    'digest',
    'export',
    'files',
    'form',
    'image',
    'json',
    'limits',
    'payloads',
    'request',
    'rules',
    'session',
    'team',
    'text-cut',
    'trace',
    'transcript',
    'turn',
    'visible-text',
  ],
];

type WebpackConfig = Parameters<NonNullable<BundleOptions['webpackConfigHook']>>[0];

const PLUGIN = 'SharedModules';

/**
 * For `webpackConfigHook`.
 * @param contractsDir absolute path of our contracts; a service's own modules are never shared
 */
export function shareModules(config: WebpackConfig, contractsDir: string): WebpackConfig {
  return {
    ...config,
    plugins: [
      ...(config.plugins ?? []),
      {
        apply: (compiler) => {
          const { javascript, sources } = compiler.webpack;
          const requireShared = sharingRequire(moduleFolder(compiler.context, contractsDir));
          compiler.hooks.compilation.tap(PLUGIN, (compilation) => {
            const hooks = javascript.JavascriptModulesPlugin.getCompilationHooks(compilation);
            hooks.renderRequire.tap(PLUGIN, (body) => `${requireShared}\n${body}`);
            hooks.render.tap(
              PLUGIN,
              (script) =>
                new sources.ConcatSource(`{ const { ${BUILT_INS.join(', ')} } = globalThis;\n`, script, '\n}'),
            );
          });
        },
      },
    ],
  };
}

/** How webpack begins the ids of the modules of a folder. */
function moduleFolder(context: string, folder: string): string {
  const path = relative(context, folder).replaceAll(sep, '/');
  return path.startsWith('../') ? path : `./${path}`;
}

/** Runs first in webpack's `require`. It keeps shared modules in a property of that function, out of the SDK's cache. */
function sharingRequire(folder: string): string {
  const names = SHARED_CONTRACTS.map((name) => `${folder}/${name}`);
  return `
if (${JSON.stringify(names)}.includes(String(moduleId).replace(/\\.[jt]s$/, ''))) {
  const shared = (__webpack_require__.shared ??= {});
  if (shared[moduleId] === undefined) {
    const module = (shared[moduleId] = { exports: {} });
    __webpack_modules__[moduleId].call(module.exports, module, module.exports, __webpack_require__);
  }
  return shared[moduleId].exports;
}`;
}
