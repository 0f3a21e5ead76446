/** The agent cache under real sessions: one instance for all calls, pool, isolation, reuse. Real server, real workers. */
import assert from 'node:assert/strict';
import type { temporal } from '@temporalio/proto';
import { readStats } from '../../src/connection/worker-sockets.ts';
import type { SessionHandle } from '../../src/client.ts';
import { loadConfig } from '../../src/config.ts';
import type { CacheStats } from '../../src/contracts/worker-report.ts';
import { runCli } from '../helpers/cli.ts';
import { fullHistory } from '../helpers/history.ts';
import type { RecordedRequest } from '../helpers/model-server.ts';
import { writeTeam } from '../helpers/own-team.ts';
import { temporaryFolder } from '../helpers/server.ts';
import { isFull, itInFull, someOf } from '../helpers/full.ts';
import { playTeam, readCall } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

const SESSIONS = isFull ? 1_000 : 12;
/** Of each of three sessions side by side. */
const TURNS = isFull ? 50 : 5;
const SESSIONS_AT_ONCE = 8;

describe('the agent cache', function () {
  this.timeout(isFull ? 900_000 : 240_000);
  let world: World;

  before(async () => {
    world = await startWorld({ workers: 0 });
  });
  afterEach(async () => {
    await Promise.all(world.workers.splice(0).map((worker) => worker.stop()));
    // A client keeps teams for 5 s, and the next worker has others of the same name.
    await world.reconnect();
  });
  after(() => world.stop());

  it('[A02] routing, direct answers, planning, review and every step of a session use one instance, in each result and in info', async () => {
    const agentsDir = await temporaryFolder();
    await writeTeam(agentsDir, 'default');
    await world.startWorker({ AGENT_POOL_SIZE: '3', COPILOT_AGENTS_DIR: agentsDir });
    playTeam(world.model, { files: ['a.txt', 'b.txt'] });
    const session = await world.copilot.create();
    assert.equal((await session.send('write two files')).route, 'planned');
    // So that more than one instance is there to be chosen from.
    for (const other of [await world.copilot.create(), await world.copilot.create()])
      await other.send('write them too');
    playTeam(world.model);
    assert.equal((await session.send('say something')).route, 'one-shot');

    const calls = await agentCalls(world, session);
    assert.deepEqual(count(calls.map(({ activity, phase }) => `${activity} ${phase}`.trim())), {
      copilotRoute: 2,
      copilotPlan: 1,
      copilotReview: 1,
      'copilotRunAgent step': 4,
      'copilotRunAgent answer': 1,
      'copilotRunAgent one-shot': 1,
    });
    const { lastWorker } = await session.info();
    assert.match(lastWorker?.instance ?? '', /^default@[0-9a-f]{12}\/[0-9a-f]{8}$/);
    assert.deepEqual([...new Set(calls.map(({ instance }) => instance))], [lastWorker?.instance]);
    assert.equal((await statsOf(world)).instances, 3);
  });

  it(`[A04] sessions with different overrides of one agent, ${TURNS} turns each side by side, never see each other`, async () => {
    await world.startWorker();
    world.model.respond((request) => {
      const call = readCall(request);
      return { text: `heard: ${call.last}` };
    });
    const before = world.model.requests.length;
    const overrides = {
      Alder: { model: 'model-Alder', temperature: 0.1, instructions: 'You are called Alder. Readers: {{audience}}.' },
      Birch: { model: 'model-Birch', temperature: 0.9, instructions: 'You are called Birch. Readers: {{audience}}.' },
      Cedar: undefined,
    };
    await Promise.all(
      Object.entries(overrides).map(async ([name, writer]) => {
        const session = await world.copilot.create({
          context: { audience: `readers-${name}` },
          config: writer ? { agents: { writer } } : {},
        });
        for (let turn = 1; turn <= TURNS; turn++) {
          assert.equal((await session.send(`${name} says ${turn}`)).reply, `heard: ${name} says ${turn}`);
        }
      }),
    );
    const requests = world.model.requests.slice(before);
    assert.equal(requests.length, 3 * TURNS);
    for (const [name, writer] of Object.entries(overrides)) checkAlone(requests, name, writer);
    assert.ok(interleavings(requests) > TURNS, 'the sessions ran side by side');
    const { instances, privateAgents, sessionsWithOverrides } = await statsOf(world);
    assert.deepEqual(
      { instances, privateAgents, sessionsWithOverrides },
      { instances: 1, privateAgents: 2, sessionsWithOverrides: 2 },
    );
  });

  it('[A05] AGENT_POOL_SIZE instances, 1 by default, are given to sessions in turn, and each keeps its own', async () => {
    playTeam(world.model);
    const sizes = [
      [undefined, [0, 0, 0, 0]],
      ['2', [0, 1, 0, 1]],
      ['3', [0, 1, 2, 0]],
    ] as const;
    for (const [size, wanted] of someOf(sizes, 1)) {
      const worker = await world.startWorker(size === undefined ? {} : { AGENT_POOL_SIZE: size });
      const sessions: SessionHandle[] = [];
      const given: string[][] = [];
      for (let number = 0; number < wanted.length; number++) {
        const session = await world.copilot.create({ mode: 'one-shot' });
        sessions.push(session);
        given.push([await instanceOfTurn(session)]);
      }
      for (const round of [1, 2]) {
        for (const [index, session] of sessions.entries()) given[index]?.push(await instanceOfTurn(session, round));
      }
      assert.deepEqual(
        given.map((instances) => new Set(instances).size),
        [1, 1, 1, 1],
        'each keeps its own',
      );
      const order = [...new Set(given.flat())];
      assert.deepEqual(
        given.map(([instance = '']) => order.indexOf(instance)),
        wanted,
        `AGENT_POOL_SIZE=${size}`,
      );
      assert.equal((await statsOf(world)).poolSize, Number(size ?? 1));
      await worker.stop();
    }
    const problem = (value: string): string =>
      `AGENT_POOL_SIZE=${value} is not valid: use a whole number of at least 1\\.`;
    const { code, stderr } = await runCli(['worker'], programEnvironment(world.server, { AGENT_POOL_SIZE: '0' }));
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`^error: ${problem('0')}`));
    for (const value of ['0', '-1', 'abc', '1.5', '']) {
      const expected = { type: 'InvalidConfig', message: new RegExp(`^${problem(value)}`) };
      assert.throws(() => loadConfig({ AGENT_POOL_SIZE: value }), expected);
    }
  });

  itInFull(
    `[A10] ${SESSIONS} sessions on one worker hold AGENT_POOL_SIZE instances of their team, and one more opens none`,
    async () => {
      await world.startWorker({ AGENT_POOL_SIZE: '3' });
      playTeam(world.model);
      let started = 0;
      await Promise.all(
        Array.from({ length: SESSIONS_AT_ONCE }, async () => {
          while (started++ < SESSIONS) {
            const session = await world.copilot.create({ mode: 'one-shot' });
            assert.equal((await session.send('hello')).status, 'completed');
          }
        }),
      );
      const { sessions, messages, instances, opens } = await statsOf(world);
      assert.deepEqual(
        { sessions, messages, instances, opens },
        { sessions: SESSIONS, messages: SESSIONS, instances: 3, opens: 3 },
      );
      await (await world.copilot.create({ mode: 'one-shot' })).send('hello');
      const after = await statsOf(world);
      assert.deepEqual([after.sessions, after.instances, after.opens], [SESSIONS + 1, 3, 3]);
    },
  );
});

interface AgentCall {
  readonly activity: string;
  readonly phase: string;
  readonly instance: string;
}

/** Calls of agents in the history of a session, with the instance that each result names. */
async function agentCalls({ temporal }: World, { id }: SessionHandle): Promise<AgentCall[]> {
  const history = await fullHistory(temporal, id);
  const scheduled = new Map(
    history.flatMap(({ eventId, activityTaskScheduledEventAttributes: event }) =>
      event ? [[String(eventId), event] as const] : [],
    ),
  );
  return history.flatMap(({ activityTaskCompletedEventAttributes: event }) => {
    if (!event) return [];
    const call = scheduled.get(String(event.scheduledEventId));
    const { agent, phase = '' } = firstPayload<{ agent?: string; phase?: string }>(call?.input);
    if (agent === undefined) return [];
    const { instance = '' } = firstPayload<{ instance?: string }>(event.result);
    return { activity: call?.activityType?.name ?? '', phase, instance };
  });
}

/** What an activity took or gave. */
function firstPayload<T extends object>(given: temporal.api.common.v1.IPayloads | null | undefined): Partial<T> {
  const data = given?.payloads?.[0]?.data;
  return data ? (JSON.parse(Buffer.from(data).toString()) as T) : {}; // the program's own JSON
}

async function instanceOfTurn(session: SessionHandle, round = 0): Promise<string> {
  assert.equal((await session.send(`round ${round}`)).status, 'completed');
  return (await session.info()).lastWorker?.instance ?? '';
}

async function statsOf({ server }: World): Promise<CacheStats> {
  const { workers } = await readStats(server.homeDir);
  assert.equal(workers.length, 1);
  return workers[0]?.agents ?? assert.fail();
}

/** Every request that has anything of this session has nothing of another, and what the session set. */
function checkAlone(
  requests: readonly RecordedRequest[],
  name: string,
  writer: { model: string; temperature: number } | undefined,
): void {
  const own = requests.filter(({ body }) => JSON.stringify(body).includes(name));
  assert.equal(own.length, TURNS);
  const others = ['Alder', 'Birch', 'Cedar'].filter((other) => other !== name);
  for (const { body } of own) {
    const text = JSON.stringify(body);
    for (const other of others) assert.equal(text.includes(other), false, `${other} in a request of ${name}`);
    const { system } = readCall(body);
    assert.deepEqual(
      [body.model, body.temperature],
      writer ? [writer.model, writer.temperature] : ['gpt-6-luna', undefined],
    );
    assert.match(
      system,
      writer ? new RegExp(`You are called ${name}\\. Readers: readers-${name}\\.`) : /Your readers: readers-Cedar/,
    );
  }
  const said = (own.at(-1)?.body.messages ?? []).filter(({ role }) => role === 'user').map(({ content }) => content);
  assert.deepEqual(
    said,
    Array.from({ length: TURNS }, (_, index) => `${name} says ${index + 1}`),
  );
}

/** How often a request is of another session than the one before it. */
function interleavings(requests: readonly RecordedRequest[]): number {
  const owners = requests.map(({ body }) => /Alder|Birch|Cedar/.exec(JSON.stringify(body))?.[0]);
  return owners.filter((owner, index) => index > 0 && owner !== owners[index - 1]).length;
}

function count(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
