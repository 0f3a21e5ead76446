/** The world of benchmarks: a server, a model that answers at once, and a worker of each kind, as processes. */
import { Client, Connection } from '@temporalio/client';
import { CopilotClient } from '../src/client.ts';
import { isolatedConfig, startTestServer, type TestServer } from '../test/helpers/server.ts';
import { startWorkerProcess, type WorkerProcess } from '../test/helpers/worker.ts';
import { rawWorkerStarter } from './raw/start.ts';
import { COLLECTS_GARBAGE, startScript } from './script.ts';

/** 200 bytes, as in the published figures. */
export const MESSAGE = 'text '.repeat(40);

export interface BenchWorld {
  readonly server: TestServer;
  readonly copilot: CopilotClient;
  readonly raw: Client;
  startWorker(): Promise<WorkerProcess>;
  /** The worker that `openBench` started. */
  worker: WorkerProcess;
  /** Process of the raw SDK's worker. */
  rawPid: number;
  /** Both, as new processes. */
  restartWorkers(): Promise<void>;
  close(): Promise<void>;
}

export async function openBench(): Promise<BenchWorld> {
  const server = await startTestServer();
  const model = await startScript('model.ts', [], /model ready (\S+)/);
  const startWorker = () =>
    startWorkerProcess(server, {
      OPENAI_BASE_URL: model.ready,
      OPENAI_API_KEY: 'bench',
      NODE_OPTIONS: `--import ${COLLECTS_GARBAGE}`,
    });
  const worker = await startWorker();
  const startRawWorker = await rawWorkerStarter(server, model.ready);
  let rawWorker = await startRawWorker();
  const connection = await Connection.connect({ address: server.address });
  const copilot = await CopilotClient.connect({ config: isolatedConfig(server.homeDir), address: server.address });
  const world: BenchWorld = {
    server,
    copilot,
    raw: new Client({ connection }),
    worker,
    rawPid: rawWorker.pid,
    startWorker,
    restartWorkers: async () => {
      await Promise.all([world.worker.stop(), rawWorker.stop()]);
      world.worker = await startWorker();
      rawWorker = await startRawWorker();
      world.rawPid = rawWorker.pid;
    },
    close: async () => {
      await copilot.close();
      await connection.close();
      await world.worker.stop();
      await rawWorker.stop();
      await model.stop();
      await server.stop();
    },
  };
  return world;
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export function show(name: string, values: readonly number[]): void {
  const ms = (q: number) => quantile(values, q).toFixed(1).padStart(7);
  console.log(`${name.padEnd(44)} p50 ${ms(0.5)} ms   p95 ${ms(0.95)} ms   n ${values.length}`);
}
