/** `copilot dev`, `worker` and `demo`: run server and worker until they are stopped. */
import { join } from 'node:path';
import { dropUndefined } from '../../client/defined-fields.ts';
import { CopilotClient } from '../../client/copilot-client.ts';
import { findServer, refuseGuess } from '../../connection/address/server-address.ts';
import { type Config, loadConfig, programEnvironment } from '../../config.ts';
import { loadConfigFile } from '../../config-file.ts';
import { packageDir } from '../../package-info.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { makeHomeFolder } from '../../storage/atomic-file.ts';
import type { Operated } from '../../operator-port.ts';
import type { RunningWorker } from '../../worker.ts';
import type { Logger } from 'pino';
import { sameMachine, startDevCodec } from './codec.ts';
import { type CommonFlags, whenServed } from '../connected.ts';
import { toCopilotError } from '../error-report.ts';
import { optional, parsePort } from '../numbers.ts';
import { watchTurn } from '../conversation/follow.ts';
import { ProgressText } from '../conversation/progress-text.ts';
import { isTerminal, paint, remark, say, sayJson } from '../terminal.ts';
import {
  isSupervised,
  leaveSupervisor,
  reportToSupervisor,
  startSupervised,
  supervisorGone,
} from './supervised-worker.ts';
import { sessionLine } from '../conversation/turns.ts';
import { startSupervisedServer, type SupervisedServer } from './supervised-server.ts';
import { preloadWorkflowThreads } from './thread-preload.ts';

export interface DevFlags extends CommonFlags {
  readonly port?: string;
  readonly uiPort?: string;
  readonly pagePort?: string;
}

/** Of the page, unless it is in use. */
const DEFAULT_PAGE_PORT = 7_280;
const ANY_PORT = 0;

const DEMO_FILE = join(packageDir, 'examples/data/seattle-weather.csv');
const DEMO_MESSAGE =
  'Profile seattle-weather.csv, find the wettest month, and write a short report with a table to report.md';

interface Stack {
  readonly server: SupervisedServer;
  readonly worker: RunningWorker;
  /** Address of the codec server, if payloads are encrypted or in a store. */
  readonly codecUrl: string | undefined;
  /** Stops what this process has started, the worker first. */
  stop(): Promise<void>;
}

export async function runDev({ json, port, uiPort, pagePort }: DevFlags): Promise<void> {
  const config = loadConfig();
  const pageAt = optional(parsePort, '--page-port', pagePort);
  const ports = dropUndefined({
    port: optional(parsePort, '--port', port),
    uiPort: optional(parsePort, '--ui-port', uiPort),
  });
  await makeHomeFolder(config.homeDir);
  const stack = await startStack(config, ports, ({ address, namespace }) =>
    startSupervised({
      ...programEnvironment(),
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
    }),
  );
  const { server, worker, codecUrl = null } = stack;
  // The signal handlers come first: whoever reads that it is ready may stop it immediately.
  const { address, namespace, uiUrl = null } = server;
  const onLink = (link: string): void => remark(`The page for another browser: ${link}`);
  const gateway = await startDevGateway({ config, address, port: pageAt, onLink }).catch(async (error: unknown) => {
    await stack.stop();
    throw error;
  });
  const stopped = Promise.race([worker.stopped, server.stopped]);
  const stop = async (): Promise<void> => {
    await gateway.close();
    await stack.stop();
  };
  // A worker or server that is given up takes everything else with it.
  const ended = untilStopped({ stopped }, stop).catch(async (error: unknown) => {
    await stop().catch(() => undefined);
    throw error;
  });
  const found = { address, namespace, uiUrl, ...(codecUrl === null ? {} : { codecUrl }) };
  if (json) sayJson({ type: 'ready', ...found, page: gateway.link, model: worker.model, worker: worker.identity });
  else {
    say(`Page             ${gateway.link}`);
    say(`Temporal server  ${address}, namespace ${namespace}`);
    if (uiUrl !== null) say(`Web UI           ${uiUrl}`);
    if (codecUrl !== null) say(`Codec server     ${codecUrl}${server.started ? '' : ', to be entered in the Web UI'}`);
    say(`Worker           ${worker.identity}, task queue ${config.taskQueue}`);
    say(`Model            ${modelLine(worker)}`);
    say('Open the page, or in another terminal: copilot chat. Ctrl-C stops everything.');
  }
  await ended;
  if (json) sayJson({ type: 'stopped' });
}

interface DevGatewayOptions {
  readonly config: Config;
  readonly address: string;
  readonly port?: number | undefined;
  /** Told the next link when one was used. */
  readonly onLink?: (link: string) => void;
  readonly log?: Logger | undefined;
}

interface DevGateway {
  readonly link: string;
  close(): Promise<void>;
}

/** The page for people of this machine, by a link that works once. */
async function startDevGateway({ config, address, port, onLink, log }: DevGatewayOptions): Promise<DevGateway> {
  const [{ startGateway }, { preparePage }, { createLogger }] = await Promise.all([
    import('../../gateway/gateway.ts'),
    import('../../gateway/browser/page-build.ts'),
    import('../../worker/logging.ts'),
  ]);
  const client = await CopilotClient.connect({ config, address });
  const page = preparePage(config, remark);
  // Whoever opens the page is told what is wrong with it. Everything else works.
  page.catch(() => undefined);
  const startAt = (at: number): Promise<Gateway> =>
    startGateway({
      client,
      homeDir: config.homeDir,
      host: '127.0.0.1',
      port: at,
      portOption: '--page-port',
      tokens: config.gatewayTokens,
      limits: config.gatewayLimits,
      withLink: true,
      preparePage: () => page,
      ...dropUndefined({ onLink }),
      log: log ?? createLogger(config),
    });
  try {
    const gateway =
      port === undefined ? await startAt(DEFAULT_PAGE_PORT).catch(() => startAt(ANY_PORT)) : await startAt(port);
    return {
      link: gateway.link ?? gateway.url,
      close: async () => {
        await gateway.close();
        await client.close();
      },
    };
  } catch (error) {
    await client.close();
    throw error;
  }
}

export async function runWorker(): Promise<void> {
  const config = loadConfig();
  await makeHomeFolder(config.homeDir);
  if (!config.promiseStacks) preloadWorkflowThreads();
  let isReady = false;
  const abandoned = supervisorGone().then(() => (isReady ? undefined : process.exit(1)));
  const { newOperated, openOperatorPort } = await import('../../operator-port.ts');
  const operated = newOperated();
  const port = config.metricsPort === undefined ? undefined : await openOperatorPort(config.metricsPort, operated);
  const { running, address } = await startWhenServed(config, operated).catch(async (error: unknown) => {
    if (!isSupervised) throw error;
    // The process that supervises this one prints the error, and would keep this one alive.
    const { type, details, exitCode } = toCopilotError(error);
    await reportToSupervisor({ error: { type, details } });
    process.exit(exitCode);
  });
  // The signal handlers come first: whoever reads that it is ready may stop it immediately.
  isReady = true;
  const stopped = Promise.race([running.stopped, abandoned]);
  const ended = untilStopped({ stopped }, () => running.stop());
  await reportToSupervisor({ identity: running.identity, model: running.model });
  remark(
    `worker ready: ${running.identity}, task queue ${config.taskQueue} at ${address}, model ${modelLine(running)}`,
  );
  await ended;
  await port?.close();
  leaveSupervisor();
}

/**
 * Starts a worker as soon as its server answers, so that both may be started in any order. Once the worker runs,
 * Temporal's own code waits through outages of the server.
 */
async function startWhenServed(
  config: Config,
  operated: Operated,
): Promise<{ running: RunningWorker; address: string }> {
  return await whenServed(async () => {
    // A `copilot dev` that was started meanwhile has recorded its server.
    const server = await findServer(config);
    refuseGuess(server);
    const { address, namespace } = server;
    return { running: await serve({ address, namespace }, operated), address };
  });
}

/** `npm start`: one session on sample data; in a terminal, a chat. */
export async function runDemo(): Promise<void> {
  const config = loadConfig();
  await makeHomeFolder(config.homeDir);
  const isChat = isTerminal.stdin && isTerminal.stdout;
  // The worker's log would disturb the conversation. Who sets its level wants to see it.
  const logFile =
    config.temporal.environment['COPILOT_LOG_LEVEL'] === undefined ? join(config.homeDir, 'worker.log') : undefined;
  const log = logFile === undefined ? undefined : await openLog(config, logFile);
  let isDone = false;
  try {
    const stack = await startStack(config, {}, (server) => serve(server, undefined, log));
    try {
      say(`Model: ${modelLine(stack.worker)}`);
      if (isChat) await runDemoChat(config, stack, log);
      else await runSample(config, stack);
      isDone = process.exitCode === undefined;
    } finally {
      await stack.stop();
    }
  } finally {
    if (!isDone && logFile !== undefined) remark(`The log of the worker is in ${logFile}`);
  }
}

/** A chat in the terminal, and the page with the same session. */
async function runDemoChat(config: Config, { server }: Stack, log: Logger | undefined): Promise<void> {
  const { runChat } = await import('../conversation/chat.ts');
  const { address } = server;
  const gateway = await startDevGateway({ config, address, log }).catch((error: unknown) => {
    remark(`There is no page now: ${toCopilotError(error).message}`);
  });
  const farewell = (id: string): string =>
    [
      `The session is kept${server.started ? ', and rests while no server and no worker run' : ''}. Come back with:`,
      ...(server.started ? ['  npm run copilot -- dev           in one terminal'] : []),
      `  npm run copilot -- chat ${id}`,
    ].join('\n');
  if (gateway) say(`Page:  ${gateway.link} (while this runs)`);
  say(`Try: ${DEMO_MESSAGE}`);
  try {
    await runChat(undefined, { attach: [DEMO_FILE] }, { config, address }, farewell);
  } finally {
    await gateway?.close();
  }
}

async function runSample(config: Config, { server }: Stack): Promise<void> {
  const client = await CopilotClient.connect({ config, address: server.address });
  try {
    const session = await client.create({ attach: [DEMO_FILE], message: DEMO_MESSAGE, messageId: 'sample' });
    say(paint('bold', sessionLine(session)));
    say(`You: ${DEMO_MESSAGE}`);
    const text = new ProgressText({ sessionId: session.id, showsMessages: false });
    const { id } = await session.send(DEMO_MESSAGE, { messageId: 'sample', wait: false });
    const turn = await watchTurn(session, id, { from: 0, show: (event) => text.show(event) });
    text.endLine();
    say('');
    if (turn.reply !== text.latestText) say(turn.reply);
    if (turn.error) remark(turn.error.message);
    for (const file of turn.artifacts) say(`Written: ${join(config.workspaceRoot, session.id, file)}`);
    if (session.webUrl !== undefined) say(`Web UI:  ${session.webUrl} (with \`copilot dev\` running)`);
    if (turn.status !== 'completed') process.exitCode = 1;
  } finally {
    await client.close();
  }
}

type StartWorker = (server: { address: string; namespace: string }) => Promise<RunningWorker>;

async function startStack(
  config: Config,
  ports: { port?: number; uiPort?: number },
  start: StartWorker,
): Promise<Stack> {
  const codec = await startDevCodec(config);
  let server: SupervisedServer | undefined;
  const stopRest = async (): Promise<void> => {
    await codec?.close();
    await server?.stop();
  };
  try {
    const forUi = codec === undefined ? {} : { uiCodecEndpoint: codec.url };
    server = await startSupervisedServer(config, { ...ports, ...forUi, log: remark });
    for (const page of server.uiUrl === undefined ? [] : sameMachine(server.uiUrl)) codec?.allow(page);
    remark('Starting a worker.');
    const running = await start({ address: server.address, namespace: server.namespace });
    return {
      server,
      worker: running,
      codecUrl: codec?.url,
      stop: async () => {
        try {
          await running.stop();
        } finally {
          await stopRest();
        }
      },
    };
  } catch (error) {
    await stopRest();
    throw error;
  }
}

async function openLog(config: Config, path: string): Promise<Logger> {
  const { createLogger, openLogFile } = await import('../../worker/logging.ts');
  return createLogger(config, openLogFile(path));
}

/** Starts a worker with what `copilot.config.ts` of this folder says. */
async function serve(
  server: { readonly address: string; readonly namespace: string },
  operated?: Operated,
  log?: Logger,
): Promise<RunningWorker> {
  const file = await loadConfigFile(process.cwd());
  const [{ startWorker, startOperated }, { createLogger }] = await Promise.all([
    import('../../worker.ts'),
    import('../../worker/logging.ts'),
  ]);
  const { teams: _, ...code } = file;
  const config = loadConfig(undefined, file);
  surviveCareless(log ?? createLogger(config));
  const options = { ...code, config, ...server, log };
  return operated ? await startOperated(options, operated) : await startWorker(options);
}

/** A tool that forgets to await a promise must not end the sessions of everybody else on this worker, again and again. */
function surviveCareless(log: Logger): void {
  // An attempt to start may come after another.
  if (process.listenerCount('unhandledRejection') > 0) return;
  process.on('unhandledRejection', (err) =>
    log.error({ err }, 'a promise was rejected that nobody awaits, perhaps in a tool or provider of your own'),
  );
}

/** Waits for a signal, then stops. A second signal ends the process immediately. */
async function untilStopped({ stopped }: Pick<RunningWorker, 'stopped'>, stop: () => Promise<void>): Promise<void> {
  const { promise: asked, resolve: ask } = signalled();
  try {
    await Promise.race([asked, stopped]);
    process.once('SIGINT', endAtOnce).once('SIGTERM', endAtOnce);
    await stop();
  } finally {
    process.off('SIGINT', ask).off('SIGTERM', ask).off('SIGINT', endAtOnce).off('SIGTERM', endAtOnce);
  }
}

const endAtOnce = (): never => process.exit(1);

function signalled(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((yes) => (resolve = yes));
  process.once('SIGINT', resolve).once('SIGTERM', resolve);
  return { promise, resolve };
}

function modelLine({ model }: RunningWorker): string {
  return model === 'offline' ? 'offline (scripted; set OPENAI_API_KEY or OPENAI_BASE_URL for a real one)' : model;
}
