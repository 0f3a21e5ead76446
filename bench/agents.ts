/** P07, P08: how often a team is opened, the time that reuse saves, and the worker's memory for each open session. */
import { appendFile, cp } from 'node:fs/promises';
import { join } from 'node:path';
import { CopilotClient } from '../src/client.ts';
import { readStats } from '../src/client/workers.ts';
import { packageDir } from '../src/config.ts';
import type { WorkerStats } from '../src/worker-report.ts';
import { startModelServer } from '../test/helpers/model-server.ts';
import { isolatedConfig } from '../test/helpers/server.ts';
import { playTeam } from '../test/helpers/team-script.ts';
import { startWorkerProcess } from '../test/helpers/worker.ts';
import { type BenchWorld, MESSAGE, timed } from './world.ts';

const DEFAULT_SESSIONS = 1_000;
const AT_ONCE = 8;
/** Measured so often on the way, since a process takes memory in steps. */
const PARTS = 4;
/** How long the MCP server of the slow team takes to start. */
const START_SECONDS = 2;
const PLANNED_TURNS = 3;
const QUEUE = 'slow-team';

export async function agents(world: BenchWorld, { sessions }: { sessions?: number | undefined } = {}): Promise<void> {
  await openSlowTeam(world);
  await holdSessions(world, sessions ?? DEFAULT_SESSIONS);
}

/** Turns with a plan, in a team whose MCP server starts slowly, against opening it for each call. */
async function openSlowTeam({ server }: BenchWorld): Promise<void> {
  const model = await startModelServer();
  playTeam(model, { files: ['a.txt', 'b.txt'] });
  const changes = { COPILOT_TASK_QUEUE: QUEUE, COPILOT_AGENTS_DIR: await slowTeam(server.homeDir) };
  const worker = await startWorkerProcess(server, { ...changes, OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: 'bench' });
  const config = isolatedConfig(server.homeDir, changes);
  const copilot = await CopilotClient.connect({ config, address: server.address });
  try {
    const session = await copilot.create();
    const ms = await timed(async () => {
      for (let number = 0; number < PLANNED_TURNS; number++) await session.send(MESSAGE);
    });
    const { opens, messages, meanOpenMs } = (await statsOf(server.homeDir, worker.pid)).agents;
    const savedMs = (messages - opens) * meanOpenMs;
    console.log(`MCP server that takes ${START_SECONDS} s: ${PLANNED_TURNS} planned turns in ${seconds(ms)}`);
    console.log(`${messages} calls of agents, opened ${opens} times, ${meanOpenMs} ms each`);
    console.log(`saved against opening for each call: ${seconds(savedMs)}; such turns would take ${seconds(ms + savedMs)}`);
  } finally {
    await copilot.close();
    await worker.stop();
    await model.close();
  }
}

/** @returns folder of teams with the default one, whose MCP server starts slowly */
async function slowTeam(homeDir: string): Promise<string> {
  const folder = join(homeDir, 'slow-teams');
  await cp(join(packageDir, 'agents/default'), join(folder, 'default'), { recursive: true });
  const server = join(packageDir, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
  const command = `sleep ${START_SECONDS}; exec "$0" "$1" stdio`;
  const mcp = { everything: { command: 'sh', args: ['-c', command, process.execPath, server] } };
  // JSON is YAML.
  await appendFile(join(folder, 'default/team.yaml'), `\nmcp: ${JSON.stringify(mcp)}\n`);
  return folder;
}

/** Many sessions, a turn each, all of them open: instances of the team, and memory. */
async function holdSessions({ copilot, server, worker }: BenchWorld, sessions: number): Promise<void> {
  // The first opens the team, and what else is made once.
  await (await copilot.create({ mode: 'one-shot' })).send(MESSAGE);
  const before = (await statsOf(server.homeDir, worker.pid)).agents;
  for (let part = 1; part <= PARTS; part++) {
    const wanted = Math.round((sessions * part) / PARTS) - Math.round((sessions * (part - 1)) / PARTS);
    const ms = await timed(() => runSessions(copilot, wanted));
    const { agents: now } = await statsOf(server.homeDir, worker.pid);
    const held = now.sessions - before.sessions;
    const growth = (now.memoryBytes - before.memoryBytes) / held / 1024;
    console.log(
      `${held} sessions: ${now.instances} instances of AGENT_POOL_SIZE=${now.poolSize}, ${now.opens - before.opens} opened since the first; ` +
        `memory ${mib(before.memoryBytes)} to ${mib(now.memoryBytes)}, ${growth.toFixed(0)} KiB a session; ` +
        `${((wanted * 1_000) / ms).toFixed(0)} sessions a second`,
    );
  }
}

async function runSessions(copilot: CopilotClient, count: number): Promise<void> {
  let started = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (started++ < count) await (await copilot.create({ mode: 'one-shot' })).send(MESSAGE);
    }),
  );
}

async function statsOf(homeDir: string, pid: number): Promise<WorkerStats> {
  const found = (await readStats(homeDir)).workers.find((worker) => worker.pid === pid);
  if (!found) throw new Error(`The worker ${pid} does not answer.`);
  return found;
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MiB`;
