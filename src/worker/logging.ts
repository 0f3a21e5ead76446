/** Logs: JSON lines on stderr, or readable lines if stderr is a terminal. stdout belongs to the CLI's answers. */
import { pino, type DestinationStream, type Logger, stdSerializers, stdTimeFunctions } from 'pino';
import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import type pinoPretty from 'pino-pretty';
import type { Config } from '../config.ts';
import { visible, visibleJson } from '../contracts/visible-text.ts';
import { failWhereUsed, type Unreadable } from '../storage/unreadable.ts';

const STDERR = 2;

/** Errors of HTTP clients contain their requests. */
const SECRETS = [
  'apiKey',
  '*.apiKey',
  '*.authorization',
  '*.headers',
  '*.*.apiKey',
  '*.*.authorization',
  '*.*.headers',
];

/** @param destination takes the JSON lines. Default: stderr */
export function createLogger(config: Config, destination?: DestinationStream): Logger {
  const options = {
    level: config.logLevel,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // The Temporal SDK names it `error`; pino by itself knows `err` only.
    serializers: { error: stdSerializers.err },
    // Values of log lines may be text of models, tools and people.
    hooks: { streamWrite: visibleJson },
    redact: { paths: SECRETS, censor: '[redacted]' },
  };
  return pino(options, destination ?? openStderr());
}

/** Writes synchronously, so that the last lines before an exit are not lost. */
function openStderr(): DestinationStream {
  if (!isatty(STDERR)) return pino.destination({ dest: STDERR, sync: true });
  // Only here, since its modules take some time to load. Few workers log to a terminal.
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof pinoPretty; // CommonJS
  const lines = pretty({ destination: STDERR, sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' });
  return { write: (line) => void lines.write(visibleLine(line)) };
}

/** A file that only its owner can read, written to its end. */
export function openLogFile(path: string): DestinationStream {
  return pino.destination({ dest: path, mkdir: true, mode: 0o600, sync: true });
}

/** A log line whose texts are as they may be shown: the readable form has no escapes. */
function visibleLine(line: string): string {
  const show = (_key: string, value: unknown): unknown => (typeof value === 'string' ? visible(value) : value);
  return `${JSON.stringify(JSON.parse(line, show))}\n`;
}

/** Whoever sends unreadable payloads must not fill the log. */
const UNREADABLE_LOG_INTERVAL_MS = 60_000;

/**
 * A payload that this worker cannot read fails where it is used, and Temporal retries that, perhaps on a worker that has
 * the key or the store. The log says so once a minute.
 */
export function logUnreadable(log: Logger): Unreadable {
  let loggedAtMs = 0;
  let unreadable = 0;
  return (problem, context) => {
    unreadable++;
    if (Date.now() - loggedAtMs >= UNREADABLE_LOG_INTERVAL_MS) {
      log.error({ sessionId: context?.workflowId, unreadable, ...problem.details }, `cannot read: ${problem.message}`);
      loggedAtMs = Date.now();
      unreadable = 0;
    }
    return failWhereUsed(problem);
  };
}
