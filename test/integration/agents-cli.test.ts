/** What workers tell and can be told: `copilot agents`, `copilot stats`, metrics, logs; and that nothing is left open. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageDir } from '../../src/package-info.ts';
import type {
  CacheEntry,
  CacheStats,
  WorkerAgents,
  WorkerClosed,
  WorkerStats,
} from '../../src/contracts/worker-report.ts';
import { type CliResult, runCli } from '../helpers/cli.ts';
import { itInFull } from '../helpers/full.ts';
import { until } from '../helpers/history.ts';
import { startTcpProxy, type TcpProxy } from '../helpers/tcp-proxy.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment, type WorkerProcess } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';
import { freePort } from '../helpers/ports.ts';

describe('workers and their agents', function () {
  this.timeout(240_000);
  let world: World;
  let proxy: TcpProxy;
  /** Of workers whose teams have an MCP server and reach the model through the proxy. */
  let watched: Record<string, string>;

  before(async () => {
    world = await startWorld({ workers: 0 });
    proxy = await startTcpProxy(Number(new URL(world.model.baseUrl).port));
    const agentsDir = await makeTeams(world.server.homeDir);
    watched = { COPILOT_AGENTS_DIR: agentsDir, OPENAI_BASE_URL: `http://127.0.0.1:${proxy.port}/v1` };
  });
  beforeEach(() => playTeam(world.model));
  afterEach(async () => {
    await Promise.all(world.workers.splice(0).map((worker) => worker.stop()));
  });
  after(async () => {
    await world.stop();
    await proxy.close();
  });

  const copilot = async (...args: string[]): Promise<CliResult> =>
    // They ask the workers themselves: no Temporal server is needed.
    await runCli(args, programEnvironment(world.server, { TEMPORAL_ADDRESS: '127.0.0.1:1' }));
  const json = async <T>(...args: string[]): Promise<T & { code: number | null }> => {
    const { code, stdout, stderr } = await copilot(...args, '--json');
    assert.ok(stdout.startsWith('{'), stderr);
    return { ...(JSON.parse(stdout) as T), code };
  };
  const entries = async (): Promise<CacheEntry[]> =>
    (await json<{ workers: WorkerAgents[] }>('agents', 'list')).workers.flatMap((worker) => worker.entries);
  const turn = async (team = 'default'): Promise<void> => {
    const session = await world.copilot.create({ mode: 'one-shot', team });
    assert.equal((await session.send('hello')).status, 'completed');
  };

  it('are not there before a worker runs, which is said', async () => {
    for (const command of [['agents', 'list'], ['stats'], ['agents', 'close', '--all']]) {
      const { code, stdout } = await copilot(...command);
      assert.deepEqual([code, stdout], [0, 'No worker of this home folder is running on this machine.\n']);
    }
    assert.deepEqual((await json<{ workers: [] }>('agents', 'list')).workers, []);
  });

  it('are listed with teams, instances and the private agents of sessions, and closed one by one or all together', async () => {
    const worker = await world.startWorker();
    const session = await world.copilot.create({
      mode: 'one-shot',
      config: { agents: { writer: { temperature: 0.9 } } },
    });
    await session.send('hello');
    const { team, digest, lastWorker } = await session.info();
    const [shared, own] = await entries();
    assert.ok(shared?.kind === 'shared' && own?.kind === 'private');
    assert.deepEqual([shared.key, shared.instances, shared.leases], [`${team}@${digest}`, [lastWorker?.instance], 0]);
    assert.deepEqual(
      { key: own.key, name: own.name, ...own.metadata },
      {
        key: `writer#${session.id}`,
        name: `Writer (Session: ${session.id.slice(-8)})`,
        session_id: session.id,
        base_agent_id: 'writer',
        created_for_session: true,
        team,
        digest,
        configuration: { temperature: 0.9 },
      },
    );
    const { stdout } = await copilot('agents', 'list');
    assert.match(
      stdout,
      new RegExp(`^copilot-${worker.pid}@\\S+ +default@${digest.slice(0, 12)} +1 +0 +\\d+ s +open$`, 'm'),
    );
    assert.match(stdout, new RegExp(`^copilot-${worker.pid}@\\S+ +writer#${session.id} .* Writer \\(Session: `, 'm'));

    assert.match((await copilot('agents', 'close', own.key)).stdout, new RegExp(`: ${own.key} is closed\n$`));
    assert.deepEqual(
      (await entries()).map(({ key }) => key),
      [shared.key],
    );
    await session.send('again');
    assert.equal((await entries()).length, 2, 'the next call makes it again');
    const { workers } = await json<{ workers: WorkerClosed[] }>('agents', 'close', `default@${digest.slice(0, 8)}`);
    assert.deepEqual(workers[0]?.closed, [shared.key]);
    assert.deepEqual(await entries(), []);
    await session.send('and again');
    assert.notEqual((await session.info()).lastWorker?.instance, lastWorker?.instance);
    assert.equal((await json<{ workers: WorkerClosed[] }>('agents', 'close', '--all')).workers[0]?.closed.length, 2);
  });

  itInFull('say what is wrong with a key that nobody has, and with no key', async () => {
    await world.startWorker();
    for (const [args, message] of [
      [['nothing@12345678'], /The key "nothing@12345678" is not valid: no worker on this machine has it open/],
      [[], /pass a key or --all/],
      [['key', '--all'], /pass a key or --all/],
    ] as const) {
      const { code, stderr } = await copilot('agents', 'close', ...args);
      assert.equal(code, 2);
      assert.match(stderr, message);
    }
  });

  it('[A07] give the same statistics in CLI, metrics and logs: by worker, and in the CLI for all of them together', async () => {
    const port = await freePort();
    const first = await world.startWorker({ COPILOT_METRICS_PORT: String(port), AGENT_POOL_SIZE: '2' });
    const overriding = await world.copilot.create({
      mode: 'one-shot',
      config: { agents: { writer: { temperature: 1 } } },
    });
    for (const text of ['one', 'two', 'three']) await overriding.send(text);
    await turn();
    await copilot('agents', 'close', '--all');
    await overriding.send('four');

    const { workers, total } = await json<{ workers: WorkerStats[]; total: CacheStats }>('stats');
    const { meanOpenMs, memoryBytes, memoryPerSessionBytes, ...counts } = workers[0]?.agents ?? assert.fail();
    assert.deepEqual(counts, {
      sessions: 2,
      messages: 5,
      calls: 5,
      poolSize: 2,
      sessionsWithOverrides: 1,
      privateAgents: 1,
      instances: 1,
      opens: 3,
      failedOpens: 0,
      reusePerInstance: 1.7,
      hits: 2,
      misses: 3,
      evictions: 2,
      closes: 2,
      closeFailures: 0,
    });
    assert.ok(memoryPerSessionBytes < memoryBytes);
    assert.ok(memoryBytes > 10_000_000);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const metric = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1]);
    for (const [name, value] of Object.entries({
      copilot_agent_sessions_total: counts.sessions,
      copilot_agent_messages_total: counts.messages,
      copilot_agent_calls_total: counts.calls,
      copilot_agent_closes_total: counts.closes,
      copilot_agent_pool_size: counts.poolSize,
      copilot_agent_sessions_with_overrides: counts.sessionsWithOverrides,
      copilot_agent_opens_total: counts.opens,
      copilot_agent_open_mean_seconds: meanOpenMs / 1_000,
      copilot_agent_reuse_per_instance: counts.reusePerInstance,
      copilot_agent_hits_total: counts.hits,
      copilot_agent_misses_total: counts.misses,
      copilot_agent_evictions_total: counts.evictions,
      copilot_agent_close_failures_total: counts.closeFailures,
    })) {
      assert.equal(metric(name), value, name);
    }
    // Memory is measured when it is asked for.
    const perSession = metric('copilot_agent_memory_per_session_bytes');
    assert.ok(perSession > memoryPerSessionBytes / 2 && perSession < memoryPerSessionBytes * 2, String(perSession));
    assert.ok(metric('process_resident_memory_bytes') > 10_000_000);
    const fixed = { memoryBytes: 0, memoryPerSessionBytes: 0 };
    assert.deepEqual({ ...total, ...fixed }, { ...counts, meanOpenMs, ...fixed });

    const second = await world.startWorker();
    const both = await json<{ workers: WorkerStats[]; total: CacheStats }>('stats');
    assert.deepEqual(both.workers.map(({ pid }) => pid).toSorted(), [first.pid, second.pid].toSorted());
    assert.deepEqual([both.total.sessions, both.total.opens, both.total.poolSize], [2, 3, 3]);
    const { stdout } = await copilot('stats');
    assert.match(stdout, /^ +copilot-\d+@\S+ +copilot-\d+@\S+ +ALL$/m);
    assert.match(stdout, /^reuse per instance +(0|1\.7) +(0|1\.7) +1\.7$/m);

    await first.stop();
    // When it is logged, the worker has closed everything.
    const closes = counts.closes + counts.instances;
    const closed = { sessionsWithOverrides: 0, privateAgents: 0, instances: 0, closes };
    const logged = lines(first).findLast(({ msg }) => msg === 'agent cache statistics') ?? {};
    for (const [name, value] of Object.entries({ ...counts, ...closed, meanOpenMs }))
      assert.equal(logged[name], value, name);
    assert.ok(Number(logged['memoryBytes']) > 10_000_000);
  });

  it('[A08] sockets and MCP processes of a team are gone after eviction, force and shutdown, whether its turns ended well or not', async () => {
    const worker = await world.startWorker({ ...watched, AGENT_CACHE_SIZE: '1', COPILOT_WARM: '0' });
    await turn();
    playTeam(world.model, { instead: () => ({ status: 401 }) });
    const failing = await world.copilot.create({ mode: 'one-shot' });
    assert.equal((await failing.send('hello')).status, 'failed');
    playTeam(world.model);
    assert.deepEqual(
      (await entries()).map((entry) => entry.kind === 'shared' && entry.leases),
      [0],
      'nothing holds it',
    );
    const first = await opened(worker);

    await turn('second');
    await first.areGone();
    const second = await opened(worker);

    // In use: it is left alone until the call has ended.
    const asked = Promise.withResolvers<void>();
    playTeam(world.model, { instead: () => ({ text: 'after a while', after: asked.promise }) });
    const calls = world.model.requests.length;
    const session = await world.copilot.create({ mode: 'one-shot', team: 'second' });
    const patient = session.send('wait for it');
    await until('the call', async () => world.model.requests.length > calls);
    assert.match(
      (await copilot('agents', 'close', '--all')).stdout,
      /: second@\w+ is in use and will be closed when it is free;/,
    );
    asked.resolve();
    assert.equal((await patient).reply, 'after a while');
    assert.equal(world.model.requests.length, calls + 1, 'the call was not disturbed');
    await second.areGone();

    // By force: its call fails, and is made again on a new instance.
    playTeam(world.model, {
      answer: 'second try',
      instead: () => (attempts++ === 0 ? { delayMs: 120_000 } : undefined),
    });
    let attempts = 0;
    const forced = session.send('go on');
    await until('the call', async () => attempts === 1);
    const third = await opened(worker);
    assert.match((await copilot('agents', 'close', '--all', '--force')).stdout, /: second@\w+ is closed\n/);
    await third.areGone();
    assert.deepEqual([(await forced).reply, attempts], ['second try', 2]);

    const last = await opened(worker);
    assert.equal(await worker.stop(), 0);
    await last.areGone();
    assert.deepEqual(await readdir(join(world.server.homeDir, 'workers')), []);
    assert.doesNotMatch(worker.log(), /not closed/);
  });

  itInFull('a killed worker leaves a socket that the next command removes', async () => {
    const killed = await world.startWorker();
    const other = await world.startWorker();
    await killed.kill();
    const folder = join(world.server.homeDir, 'workers');
    assert.equal((await readdir(folder)).length, 2);
    const { workers } = await json<{ workers: WorkerStats[] }>('stats');
    assert.deepEqual(
      workers.map(({ pid }) => pid),
      [other.pid],
    );
    assert.equal((await readdir(folder)).length, 1);
  });

  /** What is open now on behalf of a worker's one team: asserts that there is something to be closed. */
  async function opened({ pid }: WorkerProcess): Promise<{ areGone(): Promise<void> }> {
    const sockets = [...proxy.open];
    const children = await until('its MCP server', async () => {
      const found = await mcpChildren(pid);
      return found.length > 0 ? found : undefined;
    });
    assert.ok(sockets.length > 0, 'it has a connection to the model');
    assert.equal(children.length, 1, 'it has an MCP server');
    return {
      areGone: async () => {
        await until(
          'its connections are closed',
          async () => sockets.every((socket) => !proxy.open.has(socket)),
          10_000,
        );
        const left = async () => (await mcpChildren(pid)).filter((child) => children.includes(child));
        await until('its MCP server has ended', async () => (await left()).length === 0, 10_000);
      },
    };
  }
});

/** The default team, twice, each with an MCP server of its own. */
async function makeTeams(homeDir: string): Promise<string> {
  const agentsDir = join(homeDir, 'teams');
  for (const team of ['default', 'second']) {
    await cp(join(packageDir, 'agents/default'), join(agentsDir, team), { recursive: true });
    const server = join(packageDir, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
    const file = join(agentsDir, team, 'team.yaml');
    await appendFile(file, `\nmcp:\n  everything:\n    command: ${process.execPath}\n    args: [${server}, stdio]\n`);
    const yaml = await readFile(file, 'utf8');
    await writeFile(file, yaml.replace(/^description: .*$/m, `description: The team called ${team}`));
  }
  return agentsDir;
}

/** Process ids of MCP servers that this process started. */
async function mcpChildren(parent: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,command=']);
  return stdout.split('\n').flatMap((line) => {
    const [pid, ppid, ...command] = line.trim().split(/\s+/);
    return Number(ppid) === parent && command.join(' ').includes('server-everything') ? [Number(pid)] : [];
  });
}

function lines(worker: WorkerProcess): Record<string, unknown>[] {
  return worker
    .log()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
