/** The process of a service: one worker for its own workflows and for sessions, with everything of its own. */
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { loadConfig } from '../../../src/config.ts';
import { copilotPlugin } from '../../../src/worker.ts';
import * as activities from './activities.ts';
import { serviceDataConverter, workflowsPath } from './data-converter.ts';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const runtime = Runtime.install({
  logger: new DefaultLogger('INFO', ({ message }) => say(`service log: ${message}`)),
  shutdownSignals: [],
});
const config = loadConfig();
const signals = ['SIGINT', 'SIGTERM', 'uncaughtException', 'unhandledRejection', 'exit'];
const listeners = (): string => signals.map((signal) => process.listenerCount(signal)).join(' ');
const before = listeners();
const environment = JSON.stringify(process.env);
const connection = await NativeConnection.connect({ address: config.temporal.address ?? '' });
/** What the test has bundled. Without it, the worker bundles its workflows itself. */
const bundlePath = process.env['SERVICE_BUNDLE'];
let calls = 0;
const worker = await Worker.create({
  connection,
  taskQueue: config.taskQueue,
  ...(bundlePath === undefined ? { workflowsPath } : { workflowBundle: { codePath: bundlePath } }),
  activities,
  dataConverter: serviceDataConverter,
  interceptors: {
    activity: [
      () => ({
        inbound: {
          execute: async (input, next) => {
            calls += 1;
            return await next(input);
          },
        },
      }),
    ],
  },
  plugins: [copilotPlugin({ config })],
});
process.once('SIGTERM', () => worker.shutdown());
say('worker ready');
const running = worker.run();
await running;
say(`intercepted ${calls > 0}, runtime kept ${Runtime.instance() === runtime}`);
process.removeAllListeners('SIGTERM');
say(`listeners kept ${before === listeners()}, environment kept ${environment === JSON.stringify(process.env)}`);
await connection.close();
