/** [P07] [P08] How often a team opens, the time that reuse saves, and the worker's memory for each open session. */
import type { CopilotClient } from '../src/client.ts';
import { readStats } from '../src/connection/worker-sockets.ts';
import type { CacheStats } from '../src/contracts/worker-report.ts';
import { type BenchWorld, MESSAGE, timed } from './world.ts';

const DEFAULT_SESSIONS = 1_000;
const AT_ONCE = 8;
/** How many measurements are made on the way, because a process allocates memory in steps. */
const PARTS = 4;

/** Opens many sessions with one turn each and keeps them open. */
export async function agents(
  { copilot, server, worker }: BenchWorld,
  { sessions = DEFAULT_SESSIONS }: { sessions?: number } = {},
): Promise<void> {
  // The first session opens the team and everything else that is made once.
  await (await copilot.create({ mode: 'one-shot' })).send(MESSAGE);
  const before = await statsOf(server.homeDir, worker.pid);
  let now = before;
  for (let part = 1; part <= PARTS; part++) {
    const wanted = Math.round((sessions * part) / PARTS) - (now.sessions - before.sessions);
    const ms = await timed(() => runSessions(copilot, wanted));
    now = await statsOf(server.homeDir, worker.pid);
    const held = now.sessions - before.sessions;
    const growth = (now.memoryBytes - before.memoryBytes) / held / 1024;
    console.log(
      `${held} sessions: ${now.instances} instances of ${now.poolSize} allowed, ${now.opens - before.opens} opened; ` +
        `memory ${mib(before.memoryBytes)} to ${mib(now.memoryBytes)}, ${growth.toFixed(0)} KiB a session; ` +
        `${((wanted * 1_000) / ms).toFixed(0)} sessions a second`,
    );
  }
  const { opens, messages, meanOpenMs, reusePerInstance } = now;
  console.log(`opens a session: ${(opens / now.sessions).toFixed(4)}; uses of an instance: ${reusePerInstance}`);
  console.log(
    `an opening takes ${meanOpenMs} ms; saved compared with one for each call: ${((messages - opens) * meanOpenMs).toFixed(0)} ms ` +
      '(with an MCP server that starts slowly: the benchmark `mcp`)',
  );
}

async function runSessions(copilot: CopilotClient, count: number): Promise<void> {
  let started = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (started++ < count) await (await copilot.create({ mode: 'one-shot' })).send(MESSAGE);
    }),
  );
}

async function statsOf(homeDir: string, pid: number): Promise<CacheStats> {
  const found = (await readStats(homeDir)).workers.find((worker) => worker.pid === pid);
  if (!found) throw new Error(`The worker ${pid} does not answer.`);
  return found.agents;
}

const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MiB`;
