/** The SDK's runtime, which a process has once, and its log lines in ours. */
import { IllegalStateError } from '@temporalio/common';
import { type Logger as TemporalLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';

/** Does nothing if the process has a runtime already: the first one's logger stays. */
export function installRuntime(logger: TemporalLogger): void {
  const logging = { filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} };
  try {
    Runtime.install({ logger, shutdownSignals: [], telemetryOptions: { logging } });
  } catch (error) {
    if (!(error instanceof IllegalStateError)) throw error;
  }
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
