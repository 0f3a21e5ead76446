/** The SDK's runtime, which a process has once, and its log lines in ours. */
import { createRequire } from 'node:module';
import type * as Sdk from '@temporalio/worker';
import type { Logger as TemporalLogger, RuntimeOptions } from '@temporalio/worker';
import type { Logger } from 'pino';

/** The options of the runtime that this module has installed. */
let ours: RuntimeOptions | undefined;

/**
 * Installs a runtime that handles no signals and logs to `logger`. It does nothing if the process has a runtime, or had
 * one that somebody else installed: the SDK makes that again when it is needed.
 */
export function installRuntime(logger: TemporalLogger): void {
  // Whoever only imports this module may not have the package. It is CommonJS, so that `import` gives the same copy.
  const sdk = createRequire(import.meta.url)('@temporalio/worker') as typeof Sdk; // its types
  const { makeTelemetryFilterString, Runtime } = sdk;
  const { _instance: present, defaultOptions: known } = Runtime;
  if (present !== undefined || (Object.keys(known).length > 0 && known !== ours)) return;
  const logging = { filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} };
  ours = { logger, shutdownSignals: [], telemetryOptions: { logging } };
  Runtime.install(ours);
}

/** The SDK's log lines in ours. Its routine lines appear with `COPILOT_LOG_LEVEL=debug` only. */
export function toTemporalLogger(log: Logger): TemporalLogger {
  const at = (level: 'trace' | 'debug' | 'warn' | 'error') => (message: string, meta?: object) =>
    log[level](meta ?? {}, message);
  const error = at('error');
  const warn = at('warn');
  const debug = at('debug');
  const trace = at('trace');
  const levels = { TRACE: trace, DEBUG: debug, INFO: debug, WARN: warn, ERROR: error };
  return { log: (level, message, meta) => levels[level](message, meta), trace, debug, info: debug, warn, error };
}
