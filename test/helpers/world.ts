/** A world for integration tests: a real Temporal server, a model API that the test scripts, real worker processes. */
import { rm } from 'node:fs/promises';
import {
  type Client,
  Client as TemporalClient,
  Connection,
  defaultGrpcRetryOptions,
  makeGrpcRetryInterceptor,
} from '@temporalio/client';
import { CopilotClient } from '../../src/client.ts';
import { isAlive } from '../../src/connection/address/home-server.ts';
import { endClosedCalls } from '../../src/connection/closed-calls.ts';
import { type ModelServer, startModelServer } from './model-server.ts';
import { isolatedConfig, startTestServer, temporaryFolder, type TestServer } from './server.ts';
import { leaveShared, takeShared } from './shared-worlds.ts';
import { startWorkerProcess, type WorkerProcess } from './worker.ts';

export interface World {
  readonly server: TestServer;
  readonly model: ModelServer;
  /** The product's own client. */
  readonly copilot: CopilotClient;
  /** The plain Temporal client, as a stranger would use it. */
  readonly temporal: Client;
  readonly workers: WorkerProcess[];
  /** @param folder of its `copilot.config.ts`; default as for the others */
  startWorker(env?: Record<string, string>, folder?: string): Promise<WorkerProcess>;
  /** Connects again after the server was restarted. */
  reconnect(): Promise<void>;
  stop(): Promise<void>;
}

export interface WorldOptions {
  /** Default 1. */
  readonly workers?: number;
  /** Environment of the workers. */
  readonly env?: Record<string, string>;
  /** Where the workers find `copilot.config.ts`. Default: the checkout, which has none. */
  readonly cwd?: string;
  /** Writes the teams of the workers into an empty folder. Default: they have those of the package. */
  readonly writeTeams?: (agentsDir: string) => Promise<void>;
}

/** For histories with large payloads. */
const channelArgs = { 'grpc.max_receive_message_length': -1 };
/** The SDK's own, and that a test which restarts the server may close the connection to it at any time. */
const interceptors = [makeGrpcRetryInterceptor(defaultGrpcRetryOptions()), endClosedCalls];

/** Starts everything; `stop` ends it, whatever the test did to it. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const { workers = 1, env = {}, cwd, writeTeams } = options;
  const key = JSON.stringify([workers, env, cwd, writeTeams !== undefined]);
  const shared = await takeShared(key);
  const server = shared?.server ?? (await startTestServer());
  const model = await startModelServer({ port: shared?.worker?.modelPort });
  const agentsDir = writeTeams && (shared?.worker?.agentsDir ?? (await temporaryFolder()));
  if (agentsDir !== undefined) await writeTeams?.(agentsDir);
  /** Those that run as this function starts them. */
  const plain = new Set(shared?.worker ? [shared.worker.process] : []);
  const startWorker = async (changes: Record<string, string> = {}, folder = cwd): Promise<WorkerProcess> => {
    const teams = agentsDir === undefined ? {} : { COPILOT_AGENTS_DIR: agentsDir };
    const own = { OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: 'test', ...teams, ...env, ...changes };
    const worker = await startWorkerProcess(server, own, folder);
    if (Object.keys(changes).length === 0 && folder === cwd) plain.add(worker);
    world.workers.push(worker);
    return worker;
  };
  const world: World = {
    server,
    model,
    ...(await connect(server)),
    workers: [...plain],
    startWorker,
    reconnect: async () => {
      await disconnect(world);
      Object.assign(world, await connect(server));
    },
    stop: async () => {
      const running = world.workers.filter(({ pid }) => isAlive(pid));
      const [kept] = workers === 1 && running.length === 1 ? running.filter((one) => plain.has(one)) : [];
      const worker = kept && { process: kept, key, modelPort: model.port, agentsDir };
      await Promise.all(running.filter((one) => one !== kept).map((one) => one.kill()));
      const isLeft = await leaveShared({ server, worker }, world.temporal);
      await disconnect(world);
      if (!isLeft) {
        await kept?.kill();
        await server.stop();
      }
      if (agentsDir !== undefined && !(isLeft && worker)) await rm(agentsDir, { recursive: true, force: true });
      // The last, since it fails for calls that nobody scripted.
      await model.close();
    },
  };
  await Promise.all(Array.from({ length: workers - plain.size }, () => startWorker()));
  return world;
}

async function connect({ homeDir, address }: TestServer): Promise<Pick<World, 'copilot' | 'temporal'>> {
  return {
    copilot: await CopilotClient.connect({ config: isolatedConfig(homeDir), address }),
    temporal: new TemporalClient({ connection: await Connection.connect({ address, channelArgs, interceptors }) }),
  };
}

async function disconnect({ copilot, temporal }: World): Promise<void> {
  await copilot.close();
  await temporal.connection.close();
}
