/**
 * What is around a session is away, broken or wrong: what people see of it meanwhile, and that work goes on by itself.
 * Full disks and floods of updates are in bad-days-load.test.ts, an hour without a provider in time-skipping/.
 */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type FollowEvent, isSettled, type PendingCall, type SessionHandle } from '../../src/client.ts';
import { type RunningCli, runCli, startCli } from '../helpers/cli.ts';
import { collect, fails, isTurnEnd } from '../helpers/client.ts';
import { itInFull } from '../helpers/full.ts';
import { noTaskFailed, until } from '../helpers/history.ts';
import type { ScriptedReply } from '../helpers/model-server.ts';
import { writeTeam } from '../helpers/own-team.ts';
import { temporaryFolder } from '../helpers/server.ts';
import { startTcpProxy, type TcpProxy } from '../helpers/tcp-proxy.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

const HOUR_MS = 60 * 60_000;
const MINUTE_MS = 60_000;
const START_TIMEOUT_MS = 60_000;

/** A server of the Model Context Protocol whose one tool ends it. */
const CRASHING = `
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method, params } = JSON.parse(line);
    if (method === 'tools/call') process.exit(1);
    const info = { capabilities: { tools: {} }, serverInfo: { name: 'crashing', version: '1' } };
    const results = {
      initialize: { ...info, protocolVersion: params?.protocolVersion },
      'tools/list': { tools: [{ name: 'crash', inputSchema: { type: 'object' } }] },
    };
    if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result: results[method] ?? {} }));
  });`;

/** Loaded before a program: its clock is wrong by so much, and with SIGUSR2 as wrong in the other direction. */
const WRONG_CLOCK = `
  const Real = Date;
  let shiftMs = Number(process.env.TEST_CLOCK_SHIFT_MS);
  process.on('SIGUSR2', () => (shiftMs = -shiftMs));
  globalThis.Date = class extends Real {
    constructor(...given) { super(...(given.length === 0 ? [Real.now() + shiftMs] : given)); }
    static now() { return Real.now() + shiftMs; }
  };`;

const POISON = 'a word that the model API cannot bear';
const REFUSED: ScriptedReply = {
  status: 400,
  error: { code: 'invalid_value', type: 'invalid_request_error', message: `Invalid value: '${POISON}'` },
};
const OVERLOADED: ScriptedReply = {
  status: 503,
  headers: { 'retry-after-ms': '500' },
  error: { message: 'the model is overloaded' },
};

type Retry = Extract<FollowEvent, { type: 'retry' }>;
const retried = (events: readonly FollowEvent[]): Retry[] => events.filter((event) => event.type === 'retry');

describe('bad days', function () {
  this.timeout(180_000);
  let world: World;
  let agentsDir: string;
  let clockFile: string;
  /** The way from the worker to the model API. */
  let way: TcpProxy;
  let worker: RunningCli;

  before(async () => {
    agentsDir = await temporaryFolder();
    const mcp = { crashing: { command: process.execPath, args: ['-e', CRASHING] } };
    await writeTeam(agentsDir, 'default', { team: { mcp }, agents: { writer: { tools: ['crashing.*'] } } });
    clockFile = join(agentsDir, 'wrong-clock.cjs');
    await writeFile(clockFile, WRONG_CLOCK);
    world = await startWorld({ workers: 0 });
    way = await startTcpProxy(modelPort());
  });
  after(async () => {
    worker?.process.kill('SIGKILL');
    await world?.stop();
    await way?.close();
    await rm(agentsDir, { recursive: true, force: true });
  });

  // Without it all that follows fails, and its log says why.
  afterEach(() => {
    const { exitCode, signalCode } = worker.process;
    assert.deepEqual([exitCode, signalCode], [null, null], worker.stderr());
  });

  const modelPort = (): number => Number(new URL(world.model.baseUrl).port);
  const newSession = (id: string, mode = 'one-shot'): Promise<SessionHandle> => world.copilot.create({ id, mode });
  const wrongClock = (shiftMs: number): Record<string, string> => ({
    NODE_OPTIONS: `--require ${clockFile}`,
    TEST_CLOCK_SHIFT_MS: String(shiftMs),
  });

  function startWorker(changes: Record<string, string> = {}): void {
    const baseUrl = world.model.baseUrl.replace(String(modelPort()), String(way.port));
    const model = { OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: 'test', COPILOT_AGENTS_DIR: agentsDir };
    worker = startCli(['worker'], programEnvironment(world.server, { ...model, ...changes }));
  }

  const said = (words: string): Promise<true> =>
    until(
      `a worker that says "${words}"`,
      async () => {
        assert.equal(worker.process.exitCode, null, worker.stderr());
        return Promise.resolve(worker.stderr().includes(words) || undefined);
      },
      START_TIMEOUT_MS,
    );

  /** What `copilot show` prints. */
  async function shown({ id }: SessionHandle): Promise<string> {
    const { code, stdout, stderr } = await runCli(['show', id], programEnvironment(world.server));
    assert.equal(code, 0, stderr);
    return stdout;
  }

  /** The call that the session waits for, when its last attempt has ended so. */
  const failing = (session: SessionHandle, message: RegExp): Promise<PendingCall> =>
    until(`a call that ends with ${message}`, async () =>
      (await session.info()).pendingCalls.find(({ lastError }) => message.test(lastError?.message ?? '')),
    );

  /** What the page of a session in the Web UI is made of. */
  async function webUi({ id }: SessionHandle): Promise<{ pendingActivities: Record<string, unknown>[] }> {
    const response = await fetch(`${world.server.uiUrl}/api/v1/namespaces/default/workflows/${id}`);
    assert.equal(response.status, 200);
    return (await response.json()) as { pendingActivities: Record<string, unknown>[] }; // the server's own form
  }

  /** `Current Details` of the Web UI. */
  async function details({ id }: SessionHandle): Promise<string> {
    const handle = world.temporal.workflow.getHandle(id);
    const { currentDetails = '' } = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
    return currentDetails;
  }

  it('[R11] a worker without a reachable server says so and waits, and serves once there is one', async () => {
    playTeam(world.model, { answer: 'here I am' });
    await world.server.kill();
    startWorker();
    await said(`waiting: No Temporal server answers at ${world.server.address} `);
    await world.server.restart();
    await said('worker ready');
    await world.reconnect();
    const session = await newSession('early');
    assert.equal((await session.send('hello')).reply, 'here I am');
  });

  it('[R11] a server that goes away and comes back, twice: callers hear of it, and messages sent meanwhile are answered once', async () => {
    playTeam(world.model, { answer: 'still here' });
    const session = await newSession('away');
    for (const round of [1, 2]) {
      await world.server.kill();
      const turn = session.send(`message ${round}`);
      if (round === 1) await fails(session.info(), 'ServerUnreachable', /^No Temporal server answers at /);
      await world.server.restart();
      const { status, number } = await turn;
      assert.deepEqual([status, number], ['completed', round]);
    }
    const { messages } = await session.transcript();
    assert.deepEqual(
      messages.map(({ text }) => text),
      ['message 1', 'still here', 'message 2', 'still here'],
    );
    await noTaskFailed(world.temporal, session.id);
  });

  it('[R11] a provider that is away: show, the Web UI and followers say what is waited for, interrupt works, and the turn ends by itself', async () => {
    let isAway = true;
    playTeam(world.model, { answer: 'back again', instead: () => (isAway ? OVERLOADED : undefined) });
    const session = await newSession('patient');
    const other = await newSession('impatient', 'copilot');
    const watched = collect(session, isTurnEnd, 0);
    const otherTold = collect(other, ({ type }) => type === 'retry', 0);
    await way.close();
    const turn = session.send('hello');
    const stopped = other.send('hello');
    try {
      await failing(session, /^The model API did not answer as it should \(.*ECONNREFUSED/);
    } finally {
      way = await startTcpProxy(modelPort(), way.port);
    }

    const { id, attempt, lastError } = await failing(session, /the model is overloaded/);
    assert.deepEqual([id, lastError?.type], ['turn-1/one-shot/1', 'ModelUnavailable']);
    assert.ok(attempt > 1, String(attempt));
    assert.match(
      await shown(session),
      /Turn 1 · running[^]*\n↻ turn-1\/one-shot\/1: attempt \d+ (runs|comes .+)\. ModelUnavailable: .*the model is overloaded.* The session retries the call\.\n/,
    );
    const [pending] = (await webUi(session)).pendingActivities;
    assert.equal(pending?.['activityId'], id);
    assert.match(JSON.stringify(pending?.['lastFailure']), /the model is overloaded/);
    assert.match(await details(session), /\*\*active\*\* · one-shot/);

    await failing(other, /the model is overloaded/);
    assert.equal(retried(await otherTold)[0]?.activityId, 'turn-1/route');
    assert.deepEqual(await other.interrupt(), { changed: true, status: 'active' });
    assert.equal((await stopped).status, 'interrupted');
    assert.deepEqual((await other.info()).pendingCalls, []);
    isAway = false;
    const { status, reply } = await turn;
    assert.deepEqual([status, reply], ['completed', 'back again']);
    assert.deepEqual((await session.info()).pendingCalls, []);
    const told = retried(await watched);
    assert.match(told[0]?.error.message ?? '', /ECONNREFUSED/);
    assert.match(told.at(-1)?.error.message ?? '', /the model is overloaded/);
    const attempts = told.map(({ attempt }) => attempt);
    assert.deepEqual(
      attempts,
      [...new Set(attempts)].sort((one, next) => one - next),
      'each attempt once',
    );
    assert.equal((await other.send('and you?')).reply, 'back again');
  });

  it('a message that the model API refuses each time fails its turn, and the session answers the next with it in its history', async () => {
    const isPoisoned = (texts: unknown): boolean => JSON.stringify(texts).includes(POISON);
    playTeam(world.model, {
      answer: 'fine',
      instead: ({ system, messages }) => (isPoisoned([system, messages]) ? REFUSED : undefined),
    });
    for (const mode of ['one-shot', 'copilot']) {
      const session = await newSession(`poisoned-${mode}`, mode);
      await session.send('my name is Ada');
      const { status, error } = await session.send(`say ${POISON}`);
      assert.deepEqual([status, error?.type], ['failed', 'ModelRejected']);
      assert.match(error?.message ?? '', /^The model API refused the request \(.*Invalid value/);
      if (mode === 'copilot') {
        const text = await shown(session);
        assert.match(text, /Status +active[^]*Turn 2 · failed[^]*ModelRejected: The model API refused/);
      }
      const next = await session.send('and now?');
      assert.deepEqual([next.status, next.reply], ['completed', 'fine'], next.error?.message);
      assert.ok(isPoisoned(await session.transcript()), 'people still see what they wrote');
      const asked = world.model.requests.at(-1)?.body;
      assert.ok(JSON.stringify(asked).includes('my name is Ada'), 'the rest of the conversation is there');
    }
  });

  it('[H14] a tool that crashes each time: a person says what became of each call, its agent is told, and the session goes on', async () => {
    playTeam(world.model, {
      answer: 'fine',
      instead: ({ last, lastRole, tools }) => {
        if (lastRole === 'tool') return { text: `I was told: ${last}` };
        const name = tools.find((tool) => tool.includes('crash')) ?? '';
        return last === 'crash' ? { toolCalls: [{ name, arguments: {} }] } : undefined;
      },
    });
    const session = await newSession('crashing');
    for (const _ of [1, 2]) {
      const asked = await session.send('crash');
      assert.equal(asked.status, 'awaiting-approval');
      const [request, ...more] = (await session.info()).pendingApprovals;
      assert.deepEqual([request?.kind, more.length], ['outcome', 0]);
      assert.match(
        request?.question ?? '',
        /^Did crashing\.crash take effect\? .*, and its MCP server died during the call\.$/,
      );
      await session.decide(request?.id ?? '', 'not-done', { by: 'ada' });
      const { status, reply } = await session.awaitTurn(asked.id);
      assert.equal(status, 'completed');
      assert.match(reply, /^I was told: This call did not take effect, as ada found out/);
    }
    assert.equal((await session.send('hello')).reply, 'fine');
  });

  it('a full queue: show and the Web UI say how many wait, the next message is refused, and all that wait are answered', async () => {
    playTeam(world.model, { answer: 'word '.repeat(1_000), wordDelayMs: 50 });
    const session = await newSession('full');
    await session.send('first', { wait: false });
    const waiting = [];
    for (let number = 1; number <= 16; number++) waiting.push(await session.send(`message ${number}`, { wait: false }));
    await fails(session.send('one too many'), 'QueueFull', /^16 messages are waiting already/);
    assert.equal((await session.info()).queueLength, 16);
    assert.match(await shown(session), /Turns +1, 16 waiting/);
    assert.match(await details(session), /16 messages waiting/);
    playTeam(world.model, { answer: 'quick' });
    await session.interrupt();
    await session.awaitTurn(waiting.at(-1)?.id ?? '');
    const statuses = (await session.turns()).map(({ status }) => status);
    assert.deepEqual(statuses, ['interrupted', ...waiting.map(() => 'completed')]);
  });

  itInFull(
    'a worker whose clock is an hour ahead and jumps two hours back in mid-turn: turns work, order and times stay',
    async () => {
      worker.process.kill('SIGTERM');
      await worker.ended;
      startWorker(wrongClock(HOUR_MS));
      await said('worker ready');
      const startedMs = Date.now();
      const session = await newSession('wrong-clock');
      playTeam(world.model, { answer: 'quick' });
      assert.equal((await session.send('first')).reply, 'quick');
      playTeam(world.model, { answer: 'word '.repeat(30), wordDelayMs: 50 });
      const calls = world.model.requests.length;
      const slow = session.send('second');
      await until('the call', async () => Promise.resolve(world.model.requests.length > calls || undefined));
      assert.equal(worker.process.kill('SIGUSR2'), true);
      assert.equal((await slow).status, 'completed');
      playTeam(world.model, { answer: 'quick' });
      // Clients whose clocks are wrong, too.
      const env = programEnvironment(world.server, wrongClock(-HOUR_MS));
      const [sent, listed] = await Promise.all([
        runCli(['send', session.id, 'third', '--wait', '--json'], env),
        runCli(['list', '--json'], env),
      ]);
      assert.equal(sent.code, 0, sent.stderr);
      assert.match(listed.stdout, /"id":"wrong-clock"/);

      const { createdAt, lastActiveAt, updatedAt } = await session.info();
      const turns = await session.turns();
      const times = [
        createdAt,
        ...turns.flatMap(({ startedAt, endedAt }) => [startedAt, endedAt]),
        lastActiveAt,
        updatedAt,
      ];
      assert.deepEqual(times, times.toSorted(), 'in order');
      for (const time of times) {
        const offMs = Math.abs(Date.parse(time ?? '') - startedMs);
        assert.ok(offMs < MINUTE_MS, `${time} is not now`);
      }
      assert.deepEqual(
        turns.map(({ number, status }) => [number, isSettled(status)]),
        [1, 2, 3].map((number) => [number, true]),
      );
      const { messages } = await session.transcript();
      const asked = messages.filter(({ role }) => role === 'user').map(({ text }) => text);
      assert.deepEqual(asked, ['first', 'second', 'third']);
      await noTaskFailed(world.temporal, session.id);
    },
  );
});
