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
 * Modules of the workflow folder that stay apart: the entry for the workflows of services, which keeps what belongs to
 * one of them, and those that have the service's own code in them.
 */
const UNSHARED = ['sessions', 'with-service', 'service-workflows'];

type WebpackConfig = Parameters<NonNullable<BundleOptions['webpackConfigHook']>>[0];

const PLUGIN = 'SharedModules';

/**
 * For `webpackConfigHook`. All sessions of a worker share the modules of these folders: schemas, functions and classes
 * that keep nothing of a session. Without sharing, each session evaluates them anew, which is most of what opening it
 * costs, in time and memory. The SDK's `preloadModules` shares modules, too, but freezes their exports, and a zod schema
 * completes itself when it is first used.
 * @param folders absolute paths; a service's own modules are never shared
 */
export function shareModules(config: WebpackConfig, folders: readonly string[]): WebpackConfig {
  return {
    ...config,
    plugins: [
      ...(config.plugins ?? []),
      {
        apply: (compiler) => {
          const { javascript, sources } = compiler.webpack;
          const requireShared = sharingRequire(folders.map((folder) => moduleFolder(compiler.context, folder)));
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

/**
 * Runs first in webpack's `require`. It keeps shared modules in a property of that function, out of the SDK's cache, and
 * freezes the constants that they export.
 */
function sharingRequire(folders: readonly string[]): string {
  const isOurs = folders.map((folder) => `id.startsWith(${JSON.stringify(`${folder}/`)})`).join(' || ');
  return `
const shared = (__webpack_require__.shared ??= {});
if (shared[moduleId] !== undefined) return shared[moduleId].exports;
const id = String(moduleId);
if ((${isOurs}) && !/\\/(${UNSHARED.join('|')})\\.[jt]s$/.test(id)) {
  const module = (shared[moduleId] = { exports: {} });
  __webpack_modules__[moduleId].call(module.exports, module, module.exports, __webpack_require__);
  const freeze = (value) => {
    if (![Object.prototype, Array.prototype].includes(Object.getPrototypeOf(Object(value)))) return;
    Object.values(Object.freeze(value)).forEach(freeze);
  };
  Object.values(module.exports).forEach(freeze);
  return module.exports;
}`;
}
