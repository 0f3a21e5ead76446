/** Teams with MCP servers. Real server, real worker processes, the official reference servers, a scripted model. */
import assert from 'node:assert/strict';
import { mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { McpServer } from '../../src/contracts/team.ts';
import type { SessionHandle } from '../../src/client.ts';
import { collect, isTurnEnd } from '../helpers/client.ts';
import { itInFull } from '../helpers/full.ts';
import { until } from '../helpers/history.ts';
import { textOf } from '../helpers/chat-wire.ts';
import { type HttpServer, isRunning, processesWith, startHttpServer, stdioServer } from '../helpers/mcp.ts';
import { killProcess, temporaryFolder } from '../helpers/server.ts';
import type { WorkerProcess } from '../helpers/worker.ts';
import { playToolCalls } from '../helpers/tool-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

const AGENTS = {
  'router.yaml': 'description: Routes\ninstructions: Route it.\n',
  'planner.yaml': 'description: Plans\ninstructions: Plan it.\n',
  'engineer.yaml': `description: Uses tools and servers, calculates, runs code, changes files, computes data.
instructions: Do it.
tools: [write_file, everything.*, web.echo, files.*]
`,
};
const teamFile = (mcp: Record<string, McpServer>) => `description: Uses MCP servers
model: any
routing: {agent: router}
planning: {agent: planner}
answering: {agent: engineer}
mcp: ${JSON.stringify(mcp)}
`;

describe('MCP servers', function () {
  this.timeout(180_000);
  let world: World;
  let folder: string;
  let web: HttpServer;

  before(async () => {
    folder = await realpath(await temporaryFolder());
    web = await startHttpServer();
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, 'data/long.txt'), `${'line of text\n'.repeat(5_000)}the end`);
    const everything = stdioServer('everything', { effects: 'none', env: { ANSWER: '${MCP_TEST_ANSWER}' } });
    const files = stdioServer('filesystem', { args: [join(folder, 'data')] });
    await writeTeam('connected', { everything, files, web: { url: web.url } });
    await writeTeam('plain', {});
    await writeTeam('broken', { files, everything, absent: { command: 'no-such-program-anywhere' } });
    world = await startWorld({
      workers: 0,
      env: { COPILOT_AGENTS_DIR: join(folder, 'agents'), AGENT_CACHE_SIZE: '1', MCP_TEST_ANSWER: '42' },
    });
    playToolCalls(world.model);
  });
  after(async () => {
    await world.stop();
    await web.kill();
    await rm(folder, { recursive: true, force: true });
  });

  async function writeTeam(name: string, mcp: Record<string, McpServer>): Promise<void> {
    const path = join(folder, 'agents', name);
    await mkdir(path, { recursive: true });
    const agents = Object.entries(AGENTS).map(([file, text]): [string, string] => [
      file,
      'web' in mcp ? text : text.replace('web.echo, ', ''),
    ]);
    for (const [file, text] of [...agents, ['team.yaml', teamFile(mcp)]] as const) {
      const isPlain = file === 'engineer.yaml' && Object.keys(mcp).length === 0;
      await writeFile(join(path, file), isPlain ? text.replace(/tools: .*/, 'tools: [write_file]') : text);
    }
  }

  /** What models were given by tools. */
  const given = () =>
    world.model.requests.flatMap(({ body }) =>
      body.messages.flatMap((message) => (message.role === 'tool' ? [textOf(message)] : [])),
    );
  const children = () => processesWith(join(folder, 'data'));

  it('[A14] are opened once for all turns of all sessions, over stdio and HTTP; their tools are called; a killed one comes back', async () => {
    const worker = await world.startWorker();
    const direct = await world.copilot.create({ team: 'connected', mode: 'one-shot' });
    const planned = await world.copilot.create({ team: 'connected', mode: 'planning-control' });
    assert.deepEqual(openings(worker), {}, 'creating a session opens nothing');
    const [turn] = await Promise.all([
      direct.send('use everything.echo with {"message": "hi"}'),
      planned.send('use everything.get-sum with {"a": 2, "b": 40}, then use web.echo with {"message": "over HTTP"}'),
    ]);
    assert.equal(turn.reply, 'everything.echo gave: Echo: hi');
    assert.deepEqual(await calledTools(direct), ['everything.echo']);
    assert.ok(given().includes('Echo: hi'), given().join());
    const plan = await planned.awaitTurn('turn-1');
    assert.deepEqual(
      plan.steps.map(({ status, summary }) => [
        status,
        summary.includes('The sum of 2 and 40 is 42.') || summary.includes('Echo: over HTTP'),
      ]),
      [
        ['completed', true],
        ['completed', true],
      ],
    );
    for (const text of ['second', 'third']) {
      await direct.send(`use web.echo with {"message": "${text}"}`);
      const { reply } = await planned.send(`use everything.echo with {"message": "${text}"}`);
      assert.match(reply, new RegExp(`Echo: ${text}`));
    }
    assert.match((await direct.send('use everything.get-env with {}')).reply, /"ANSWER": "42"/);
    assert.doesNotMatch((await direct.send('use everything.get-env with {}')).reply, /OPENAI|TEMPORAL|COPILOT_HOME/);
    assert.deepEqual(openings(worker), { everything: 1, files: 1, web: 1 });
    assert.equal(web.log().match(/Session initialized/g)?.length, 1);

    const [child] = children();
    await killProcess(child ?? 0);
    const listed = await direct.send(`use files.list_directory with {"path": "${join(folder, 'data')}"}`);
    assert.match(listed.reply, /\[FILE\] long\.txt/);
    assert.deepEqual(openings(worker), { everything: 1, files: 2, web: 1 });
    assert.equal(children().length, 1);
  });

  it('give results that are capped in the conversation and whole in the workspace', async () => {
    const session = await world.copilot.create({ team: 'connected', mode: 'one-shot' });
    const turn = await session.send(`use files.read_text_file with {"path": "${join(folder, 'data/long.txt')}"}`);
    assert.equal(turn.status, 'completed');
    assert.equal(turn.artifacts.length, 1);
    assert.match(turn.artifacts[0] ?? '', /^tool-output\/.+\.txt$/);
    const text = given().at(-1) ?? '';
    assert.ok(text.length < 25_200 && text.includes('Full output: tool-output/'), `${text.length} characters`);
  });

  it('are told of an interrupt, and answer the next call', async () => {
    const session = await world.copilot.create({ team: 'connected', mode: 'one-shot' });
    const outcome = session.send('use everything.trigger-long-running-operation with {"duration": 300, "steps": 1}');
    await until('a running tool', async () => {
      const { raw } = await world.temporal.workflow.getHandle(session.id).describe();
      return raw.pendingActivities?.some(({ activityType }) => activityType?.name === 'copilotRunTool');
    });
    const startedAt = Date.now();
    await session.interrupt();
    assert.equal((await outcome).status, 'interrupted');
    assert.ok(Date.now() - startedAt < 60_000, 'by itself it takes five minutes');
    assert.match((await session.send('use everything.echo with {"message": "again"}')).reply, /Echo: again/);
    assert.deepEqual(openings(world.workers[0])['everything'], 1);
  });

  itInFull(
    'are gone when their team is evicted, when its opening fails, and when the worker stops or dies',
    async () => {
      const [worker] = world.workers;
      assert.equal(children().length, 1);
      const other = await world.copilot.create({ team: 'plain', mode: 'one-shot' });
      await other.send('hello');
      await until('the end of the evicted', async () => children().length === 0);

      const broken = await world.copilot.create({ team: 'broken', mode: 'one-shot' });
      const { status, error } = await broken.send('use files.list_directory with {}');
      assert.equal(status, 'failed');
      assert.equal(error?.type, 'McpUnavailable');
      assert.match(error?.message ?? '', /MCP server "absent" of team broken does not start: spawn .+ ENOENT/);
      assert.deepEqual(children(), []);

      const session = await world.copilot.create({ team: 'connected', mode: 'one-shot' });
      await session.send('use everything.echo with {"message": "hi"}');
      const [stopped] = children();
      assert.equal(await worker?.stop(), 0);
      assert.equal(isRunning(stopped ?? 0), false);

      const next = await world.startWorker();
      await session.send('use everything.echo with {"message": "hi"}');
      assert.equal(children().length, 1);
      await next.kill();
      await until('the end of the orphans', async () => children().length === 0);
    },
  );
});

/** Names of the tools that a session has called, as its followers see them. */
async function calledTools(session: SessionHandle): Promise<string[]> {
  const events = await collect(session, isTurnEnd, 0);
  return events.flatMap((event) => (event.type === 'tool-started' ? [event.tool] : []));
}

/** How often each server was opened, by the worker's log. */
function openings(worker: WorkerProcess | undefined): Record<string, number> {
  const found: Record<string, number> = {};
  for (const line of (worker?.log() ?? '').split('\n')) {
    if (!line.includes('MCP server opened')) continue;
    const { server } = JSON.parse(line) as { server: string };
    found[server] = (found[server] ?? 0) + 1;
  }
  return found;
}
