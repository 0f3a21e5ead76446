/** How long agents are kept: teams that are open before anybody asks, and agents of sessions that leave with them. */
import assert from 'node:assert/strict';
import { appendFile, cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionHandle } from '../../src/client.ts';
import { readStats } from '../../src/connection/worker-sockets.ts';
import type { CacheStats } from '../../src/contracts/worker-report.ts';
import { packageDir } from '../../src/package-info.ts';
import { runCli } from '../helpers/cli.ts';
import { isFull, itInFull } from '../helpers/full.ts';
import { until } from '../helpers/history.ts';
import { playTeam, readCall } from '../helpers/team-script.ts';
import { programEnvironment, type WorkerProcess } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

const OVERRIDE = { agents: { writer: { temperature: 0.9 } } };
const SESSIONS = isFull ? 34 : 6;

describe('agents of a worker', function () {
  this.timeout(300_000);
  let world: World;
  /** Of workers whose one team has an MCP server. */
  let served: Record<string, string>;

  before(async () => {
    world = await startWorld({ workers: 0 });
    const agentsDir = join(world.server.homeDir, 'teams');
    await cp(join(packageDir, 'agents/default'), join(agentsDir, 'default'), { recursive: true });
    const server = join(packageDir, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
    const file = join(agentsDir, 'default', 'team.yaml');
    await appendFile(file, `\nmcp:\n  everything:\n    command: ${process.execPath}\n    args: [${server}, stdio]\n`);
    served = { COPILOT_AGENTS_DIR: agentsDir };
  });
  beforeEach(() => playTeam(world.model));
  afterEach(async () => {
    await Promise.all(world.workers.splice(0).map((worker) => worker.stop()));
  });
  after(() => world.stop());

  const stats = async (): Promise<CacheStats> =>
    (await readStats(world.server.homeDir)).workers[0]?.agents ?? assert.fail('no worker answers');
  const logged = (worker: WorkerProcess, message: string): number => worker.log().split(`"${message}"`).length - 1;
  async function told(config = {}): Promise<SessionHandle> {
    const session = await world.copilot.create({ mode: 'one-shot', config });
    assert.equal((await session.send('hello')).status, 'completed');
    return session;
  }

  it(`[A15] ${SESSIONS} sessions with overrides, completed or not, never close the shared team, and count while they are open`, async () => {
    const worker = await world.startWorker({ ...served, AGENT_CACHE_SIZE: '2', AGENT_IDLE_SECONDS: '60' });
    const sessions: SessionHandle[] = [];
    for (let n = 1; n <= SESSIONS; n++) sessions.push(await told(OVERRIDE));
    const during = await stats();
    assert.deepEqual([during.opens, during.evictions, during.closes], [1, 0, 0]);
    assert.equal(during.sessionsWithOverrides, SESSIONS);
    const [last, ...others] = sessions.toReversed();
    for (const session of others) await session.complete();
    const after = await stats();
    assert.deepEqual([after.sessionsWithOverrides, after.opens, after.closes], [1, 1, 0]);
    assert.ok(after.privateAgents <= 1);
    assert.equal(logged(worker, 'agent team initialised'), 1);
    // Nothing tells a worker that a session was deleted, so it asks.
    await last?.delete();
    await until('the forgetting', async () => (await stats()).sessionsWithOverrides === 0, 180_000);
  });

  itInFull(
    '[A16] opens all instances of the teams of its folder when it starts, so that the first user waits for none',
    async () => {
      const worker = await world.startWorker({ ...served, AGENT_POOL_SIZE: '2', COPILOT_WARM: '1' });
      await until('two instances', async () => (await stats()).opens === 2);
      for (let n = 1; n <= 3; n++) await told();
      const { opens, hits, misses, sessions, messages } = await stats();
      assert.deepEqual([opens, misses, sessions, messages, hits], [2, 0, 3, 3, 3]);
      assert.equal(logged(worker, 'agent team initialised'), 1);
    },
  );

  itInFull(
    '[A16] COPILOT_WARM=0 opens nothing ahead, and a team that does not open is logged and tried again',
    async () => {
      const cold = await world.startWorker({ ...served, COPILOT_WARM: '0' });
      await told();
      const { opens, misses } = await stats();
      assert.deepEqual([opens, misses], [1, 1]);
      await cold.stop();

      const broken = join(world.server.homeDir, 'broken');
      await cp(join(packageDir, 'agents/default'), join(broken, 'default'), { recursive: true });
      const file = join(broken, 'default', 'team.yaml');
      const yaml = await readFile(file, 'utf8');
      await writeFile(file, `${yaml}\nnonsense: 1\n`);
      const worker = await world.startWorker({ COPILOT_AGENTS_DIR: broken, COPILOT_WARM: '1' });
      await until('a failure', async () => logged(worker, 'agent team did not open; it is tried again') > 0);
      await writeFile(file, yaml);
      await until('the opening', async () => logged(worker, 'agent team initialised') === 1);
    },
  );

  it('[A18] a session has one model and one agent as a whole, and an idle time of the setting', async () => {
    await world.startWorker();
    const env = programEnvironment(world.server, { COPILOT_SESSION_IDLE_SECONDS: '7200' });
    const before = world.model.requests.length;
    const { code, stdout, stderr } = await runCli(
      ['start', 'hello', '--mode', 'one-shot', '--model', 'gpt-special', '--agent', 'engineer', '--wait', '--json'],
      env,
    );
    assert.equal(code, 0, stderr);
    const { sessionId } = JSON.parse(stdout) as { sessionId: string };
    const { config } = await world.copilot.session(sessionId).info();
    assert.deepEqual(config, { idleTimeoutMs: 7_200_000, model: 'gpt-special', agent: 'engineer' });
    const requests = world.model.requests.slice(before);
    assert.deepEqual([...new Set(requests.map(({ body }) => body.model))], ['gpt-special']);
    assert.equal(
      requests.every(({ body }) => readCall(body).phase === 'one-shot'),
      true,
    );
    const { usageByAgent } = await world.copilot.session(sessionId).info();
    assert.deepEqual(
      Object.keys(usageByAgent).map((key) => key.split('/')[0]),
      ['engineer'],
    );
    await assert.rejects(world.copilot.create({ config: { agent: 'nobody' } }), {
      type: 'InvalidInput',
      message: /config\.agent \("nobody"\).*engineer/,
    });
    const wrong = await runCli(['start'], programEnvironment(world.server, { COPILOT_SESSION_IDLE_SECONDS: 'soon' }));
    assert.deepEqual([wrong.code, wrong.stderr.includes('COPILOT_SESSION_IDLE_SECONDS=soon is not valid')], [2, true]);
  });
});
