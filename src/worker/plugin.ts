/** Sessions in a service's own `Worker`, beside its own workflows and activities. */
import { readFileSync } from 'node:fs';
import { SimplePlugin } from '@temporalio/plugin';
import type {
  BundleOptions,
  ReplayWorkerOptions,
  Worker,
  WorkerOptions,
  WorkflowBundleOption,
} from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { CopilotError } from '../contracts/errors.ts';
import type { HttpListener } from '../http-listener.ts';
import { withRepeatedQueries } from '../connection/early-query.ts';
import { createWorkerDataConverter } from '../storage/data-converter.ts';
import { sessionWorkflowsPath, withSessions } from './bundle/bundle.ts';
import { createActivities, type HostParts } from './host/activities.ts';
import { openHost } from './host/host.ts';
import { NO_TRACES, traceSinks } from '../tracing/session-spans.ts';
import { nameSessions } from './host/log-attributes.ts';
import { createLogger, logUnreadable } from './logging.ts';
import { hostConfig, type HostingOptions } from './options.ts';
import { newOperated, openOperatorPort } from '../operator-port.ts';
import { prepareServer } from './deployment.ts';
import { readinessOf } from './readiness.ts';
import { sessionSettings } from './settings.ts';

/**
 * A plugin for `Worker.create` of `@temporalio/worker`. The worker then serves sessions as well: it gets their workflow
 * types and activities, whose names begin with `copilot`. Your workflows, activities, interceptors, data converter and
 * `Runtime` stay as they are. It handles no signals.
 *
 *     const worker = await Worker.create({ taskQueue: 'orders', workflowsPath, activities, plugins: [copilotPlugin()] });
 *     await worker.run();
 *
 * If you bundle your workflows ahead, pass the plugin to `bundleWorkflowCode` as well. Teams open when the worker runs,
 * and close when it has stopped.
 */
export function copilotPlugin(options: HostingOptions = {}): SessionsPlugin {
  // Each method gives what Temporal's own type of it says, which is one of those that the generic type allows.
  return new CopilotPlugin(options) as unknown as SessionsPlugin;
}

/**
 * A plugin for workers, replays and bundles of `@temporalio/worker`. Its types do not name those of that package, which
 * need `skipLibCheck` with version 26 of `@types/node`; so a project needs it only if it uses that package itself.
 */
export interface SessionsPlugin {
  readonly name: string;
  configureWorker<Options>(options: Options): Options;
  configureReplayWorker<Options>(options: Options): Options;
  configureBundler<Options>(options: Options): Options;
  runWorker<Running>(worker: Running, next: (worker: Running) => Promise<void>): Promise<void>;
}

/** A worker that was created, until it runs. */
interface Hosted {
  readonly config: Config;
  readonly opened: PromiseWithResolvers<HostParts>;
}

/** Any activity of ours tells which worker it belongs to. */
const ONE_OF_OURS = 'copilotArchive';

class CopilotPlugin extends SimplePlugin {
  readonly #options: HostingOptions;
  readonly #hosted = new WeakMap<object, Hosted>();
  #log: Logger | undefined;

  constructor(options: HostingOptions) {
    super({ name: 'durable-copilot' });
    this.#options = options;
  }

  override configureWorker(given: WorkerOptions): WorkerOptions {
    const config = { ...hostConfig(this.#options), taskQueue: given.taskQueue };
    const opened = Promise.withResolvers<HostParts>();
    // Nobody may wait for it if the worker does not run.
    opened.promise.catch(() => undefined);
    const activities = createActivities(config, opened.promise);
    const own = given.activities ?? {};
    if (ONE_OF_OURS in own) {
      throw new CopilotError('InvalidInput', {
        what: 'plugins',
        problem: 'copilotPlugin is there twice; name it once',
      });
    }
    this.#hosted.set(activities[ONE_OF_OURS], { config, opened });
    return {
      ...sessionSettings(),
      ...given,
      ...this.#code(given),
      dataConverter: given.dataConverter ?? this.#dataConverter(config),
      activities: { ...own, ...activities },
      interceptors: {
        ...given.interceptors,
        activity: [...(given.interceptors?.activity ?? []), nameSessions],
        client: withRepeatedQueries(given.interceptors?.client),
      },
      sinks: { ...given.sinks, ...traceSinks(opened.promise.then(({ traces }) => traces)) },
    };
  }

  override configureReplayWorker(given: ReplayWorkerOptions): ReplayWorkerOptions {
    const config = hostConfig(this.#options);
    return {
      ...given,
      ...this.#code(given),
      dataConverter: given.dataConverter ?? this.#dataConverter(config),
      sinks: { ...given.sinks, ...NO_TRACES },
    };
  }

  override configureBundler(given: BundleOptions): BundleOptions {
    return withSessions(given);
  }

  override async runWorker(worker: Worker, next: (worker: Worker) => Promise<void>): Promise<void> {
    const { activities, identity, namespace } = worker.options;
    const hosted = this.#hosted.get(activities.get(ONE_OF_OURS) ?? this);
    const { client, connection } = worker;
    if (!hosted || !client || !connection) throw new TypeError('the worker was not created with this plugin');
    const { config, opened } = hosted;
    const log = this.#logger(config);
    const operated = newOperated();
    operated.ready = readinessOf(worker, connection);
    const options = {
      config,
      settings: this.#options,
      archive: this.#options.archive,
      identity,
      client,
      operated,
      log,
    };
    const host = await openHost(options).catch(async (error: unknown) => {
      await release(worker, next);
      throw error;
    });
    let listener: HttpListener | undefined;
    try {
      if (config.metricsPort !== undefined) listener = await openOperatorPort(config.metricsPort, operated);
      await prepareServer({ connection, address: 'the address of this worker', namespace }, log);
      opened.resolve(host.parts);
      await next(worker);
    } finally {
      await listener?.close();
      await host.close();
    }
  }

  /** The code that is bundled. Without workflows of a service it is ours alone. */
  #code({
    workflowsPath,
    workflowBundle,
  }: Pick<WorkerOptions, 'workflowsPath' | 'workflowBundle'>): Partial<Pick<WorkerOptions, 'workflowsPath'>> {
    if (workflowBundle) checkBundle(workflowBundle);
    return workflowBundle || workflowsPath !== undefined ? {} : { workflowsPath: sessionWorkflowsPath };
  }

  #dataConverter(config: Config): NonNullable<WorkerOptions['dataConverter']> {
    return createWorkerDataConverter(config, logUnreadable(this.#logger(config)));
  }

  #logger(config: Config): Logger {
    return (this.#log ??= this.#options.log ?? createLogger(config));
  }
}

/** A worker that never ran would keep its connection from closing. */
async function release(worker: Worker, run: (worker: Worker) => Promise<void>): Promise<void> {
  const running = run(worker);
  if (worker.getState() === 'RUNNING') worker.shutdown();
  await running;
}

/** A name in our interceptor, which also bundles that only start sessions lack. */
const MARK = 'undecodable signal';

/** @throws CopilotError `InvalidInput` if the bundle lacks the sessions */
function checkBundle(bundle: WorkflowBundleOption): void {
  const code = 'code' in bundle ? bundle.code : readFileSync(bundle.codePath, 'utf8');
  if (code.includes(MARK)) return;
  const problem = 'it has no sessions; pass copilotPlugin() in `plugins` of bundleWorkflowCode as well';
  throw new CopilotError('InvalidInput', { what: 'workflowBundle', problem });
}
