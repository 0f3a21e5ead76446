/** Logs: JSON lines on stderr, or readable lines where stderr is a terminal. stdout belongs to the CLI's answers. */
import { pino, type DestinationStream, type Logger, stdSerializers, stdTimeFunctions } from 'pino';
import { isatty } from 'node:tty';
import pretty from 'pino-pretty';
import type { Config } from '../config.ts';

const STDERR = 2;

/** Errors of HTTP clients carry their requests with them. */
const SECRETS = [
  'apiKey',
  '*.apiKey',
  '*.authorization',
  '*.headers',
  '*.*.apiKey',
  '*.*.authorization',
  '*.*.headers',
];

/** @param destination gets the JSON lines; default stderr */
export function createLogger(config: Config, destination?: DestinationStream): Logger {
  const options = {
    level: config.logLevel,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // The Temporal SDK names it `error`; pino by itself knows `err` only.
    serializers: { error: stdSerializers.err },
    redact: { paths: SECRETS, censor: '[redacted]' },
  };
  return pino(options, destination ?? openStderr());
}

/** Synchronous, so that the last lines before an exit are not lost. */
function openStderr(): DestinationStream {
  if (!isatty(STDERR)) return pino.destination({ dest: STDERR, sync: true });
  return pretty({ destination: STDERR, sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' });
}
