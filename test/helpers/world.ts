/** A world for integration tests: a real Temporal server, a model API that the test scripts, real worker processes. */
import {
  type Client,
  Client as TemporalClient,
  Connection,
  defaultGrpcRetryOptions,
  makeGrpcRetryInterceptor,
} from '@temporalio/client';
import { CopilotClient } from '../../src/client.ts';
import { endClosedCalls } from '../../src/connection/closed-calls.ts';
import { type ModelServer, startModelServer } from './model-server.ts';
import { isolatedConfig, startTestServer, type TestServer } from './server.ts';
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
}

/** For histories with large payloads. */
const channelArgs = { 'grpc.max_receive_message_length': -1 };
/** The SDK's own, and that a test which restarts the server may close the connection to it at any time. */
const interceptors = [makeGrpcRetryInterceptor(defaultGrpcRetryOptions()), endClosedCalls];

/** Starts everything; `stop` ends it, whatever the test did to it. */
export async function startWorld({ workers = 1, env = {}, cwd }: WorldOptions = {}): Promise<World> {
  const server = await startTestServer();
  const model = await startModelServer();
  const startWorker = async (changes: Record<string, string> = {}, folder = cwd): Promise<WorkerProcess> => {
    const own = { OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: 'test', ...env, ...changes };
    const worker = await startWorkerProcess(server, own, folder);
    world.workers.push(worker);
    return worker;
  };
  const connect = async () => {
    const config = isolatedConfig(server.homeDir);
    return {
      copilot: await CopilotClient.connect({ config, address: server.address }),
      temporal: new TemporalClient({
        connection: await Connection.connect({ address: server.address, channelArgs, interceptors }),
      }),
    };
  };
  const world = {
    server,
    model,
    ...(await connect()),
    workers: [] as WorkerProcess[],
    startWorker,
    reconnect: async () => {
      await world.copilot.close();
      await world.temporal.connection.close();
      Object.assign(world, await connect());
    },
    stop: async () => {
      await world.copilot.close();
      await world.temporal.connection.close();
      await Promise.all(world.workers.map((worker) => worker.kill()));
      await server.stop();
      // The last, since it fails for calls that nobody scripted.
      await model.close();
    },
  };
  await Promise.all(Array.from({ length: workers }, () => startWorker()));
  return world;
}
