/** [A14] Planned turns with one MCP server that takes 2 s to start, compared with the same calls that each open it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { CopilotClient } from '../src/client.ts';
import { McpServers } from '../src/tools/mcp/servers.ts';
import { isolatedConfig } from '../test/helpers/server.ts';
import { startWorkerProcess } from '../test/helpers/worker.ts';
import { type BenchWorld, show, timed } from './world.ts';

const TURNS = 3;
const TASK_QUEUE = 'bench-mcp';
/** The offline model plans one step for each. */
const CALLS = [
  ['echo', '{"message": "hello"}'],
  ['get-sum', '{"a": 2, "b": 40}'],
] as const;
const MESSAGE = CALLS.map(([tool, args]) => `use slow.${tool} with ${args}`).join(', then ');
const MCP = {
  slow: {
    command: process.execPath,
    args: [fileURLToPath(new URL('slow-mcp-server.ts', import.meta.url))],
  },
};

export async function mcp({ server }: BenchWorld): Promise<void> {
  const agentsDir = join(server.homeDir, 'bench-agents');
  await writeTeam(join(agentsDir, 'slow'));
  const settings = { COPILOT_TASK_QUEUE: TASK_QUEUE, COPILOT_AGENTS_DIR: agentsDir };
  const worker = await startWorkerProcess(server, settings);
  const copilot = await CopilotClient.connect({
    config: isolatedConfig(server.homeDir, settings),
    address: server.address,
  });
  try {
    const session = await copilot.create({ team: 'slow', mode: 'planning-control' });
    const turns: number[] = [];
    for (let turn = 1; turn <= TURNS; turn++) {
      turns.push(
        await timed(async () => {
          const { status, steps } = await session.send(MESSAGE);
          if (status !== 'completed' || steps.length !== CALLS.length) throw new Error(`turn ${turn} ${status}`);
        }),
      );
    }
    const openings = worker.log().match(/MCP server opened/g)?.length ?? 0;
    const once = turns.reduce((sum, ms) => sum + ms, 0);
    const each = await openingEach();
    const calls = each.length;
    show(`planned turn of ${CALLS.length} MCP calls, first opens`, turns);
    show('the same call with an opening of its own', each);
    const perCall = once + each.reduce((sum, ms) => sum + ms, 0) - (turns[0] ?? 0) + Math.min(...turns);
    console.log(`${TURNS} turns, ${calls} calls, ${openings} opening: ${seconds(once)}`);
    console.log(`with an opening for each call: ${seconds(perCall)}; saved: ${seconds(perCall - once)}`);
    if (openings !== 1) throw new Error(`the server was opened ${openings} times`);
  } finally {
    await copilot.close();
    await worker.stop();
  }
}

/** Milliseconds of each call, including opening and closing. */
async function openingEach(): Promise<number[]> {
  const environment = { PATH: process.env['PATH'] ?? '' };
  const context = { idempotencyKey: 'bench', signal: new AbortController().signal };
  const times: number[] = [];
  for (const [tool, args] of Array.from({ length: TURNS }, () => CALLS).flat()) {
    times.push(
      await timed(async () => {
        const servers = await McpServers.open(
          { name: 'slow', mcp: MCP },
          { environment, log: pino({ level: 'silent' }) },
        );
        await servers.call(`slow.${tool}`, args, context);
        await servers.close();
      }),
    );
  }
  return times;
}

async function writeTeam(folder: string): Promise<void> {
  const files = {
    'team.yaml': `description: Uses a slow server
model: offline
routing: {agent: router}
planning: {agent: planner}
answering: {agent: engineer}
mcp: ${JSON.stringify(MCP)}
`,
    'router.yaml': 'description: Routes\ninstructions: Route it.\n',
    'planner.yaml': 'description: Plans\ninstructions: Plan it.\n',
    'engineer.yaml': "description: Uses tools\ninstructions: Do it.\ntools: ['slow.*']\n",
  };
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
