/** What benchmarks run on: one server, one model that answers at once, one worker of each kind, as processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { CopilotClient } from '../src/client.ts';
import { type ModelServer, startModelServer } from '../test/helpers/model-server.ts';
import { isolatedConfig, startTestServer, type TestServer } from '../test/helpers/server.ts';
import { startWorkerProcess, type WorkerProcess } from '../test/helpers/worker.ts';

/** 200 bytes, as in the published figures. */
export const REPLY = 'word '.repeat(40);
export const MESSAGE = 'text '.repeat(40);

export interface BenchWorld {
  readonly server: TestServer;
  readonly copilot: CopilotClient;
  readonly raw: Client;
  startWorker(): Promise<WorkerProcess>;
  /** The worker that `openBench` started. */
  worker: WorkerProcess;
  close(): Promise<void>;
}

export async function openBench(): Promise<BenchWorld> {
  const server = await startTestServer();
  const model = await startModelServer();
  model.respond(() => ({ text: REPLY }));
  const startWorker = () => startWorkerProcess(server, { OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: 'bench' });
  const [worker, rawWorker] = await Promise.all([startWorker(), startRawWorker(server, model)]);
  const connection = await Connection.connect({ address: server.address });
  const copilot = await CopilotClient.connect({ config: isolatedConfig(server.homeDir), address: server.address });
  const world: BenchWorld = {
    server,
    copilot,
    raw: new Client({ connection }),
    worker,
    startWorker,
    close: async () => {
      await copilot.close();
      await connection.close();
      await world.worker.stop();
      rawWorker.kill('SIGTERM');
      await once(rawWorker, 'exit');
      await model.close();
      await server.stop();
    },
  };
  return world;
}

async function startRawWorker(server: TestServer, model: ModelServer): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('raw/worker.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, server.address, model.baseUrl], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const chunk of child.stderr) {
    if (String(chunk).includes('raw worker ready')) break;
  }
  return child;
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export function show(name: string, values: readonly number[]): void {
  const ms = (q: number) => quantile(values, q).toFixed(1).padStart(7);
  console.log(`${name.padEnd(44)} p50 ${ms(0.5)} ms   p95 ${ms(0.95)} ms   n ${values.length}`);
}
