/**
 * Workers that are asked to stop (SIGTERM) in the middle of model calls and external effects, as in every deployment;
 * another one takes over. A ledger outside counts what really happened.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { readStats, socketFolder } from '../../src/connection/worker-sockets.ts';
import type { TurnView } from '../../src/contracts/turn.ts';
import type { SessionHandle } from '../../src/client.ts';
import { until } from '../helpers/history.ts';
import { type Ledger, openLedger } from '../helpers/ledger.ts';
import { startWorldOf } from '../helpers/own-team.ts';
import { isFull, itInFull } from '../helpers/full.ts';
import { playTeam, readCall } from '../helpers/team-script.ts';
import type { WorkerProcess } from '../helpers/worker.ts';
import type { World } from '../helpers/world.ts';

/** As `src/worker.ts` has it: what takes longer is handed over. */
const GRACE_MS = 10_000;
/** The same, for what does not stop when it is told to. */
const FORCE_MS = 15_000;
/** What a worker may take for itself: noticing, closing, and a busy machine. */
const CLOSING_MS = 5_000;
/**
 * Until another worker has a session: Temporal gives a task that reached a worker just before its end to another one
 * after 10 s.
 */
const TAKE_OVER_MS = 10_000;
const WORD_DELAY_MS = 100;
const WORDS = 20;
const QUICK_EFFECT_MS = 1_500;
const SLOW_MS = 60_000;
/** `temporal.api.enums.v1.PendingActivityState.PENDING_ACTIVITY_STATE_STARTED` */
const STARTED = 2;

interface Begun {
  readonly message: string;
  readonly session: SessionHandle;
  readonly end: () => Promise<TurnView>;
}

interface Stopped {
  readonly code: number | null;
  /** From SIGTERM to the end of the process. */
  readonly ms: number;
  readonly log: string;
}

describe('draining', function () {
  this.timeout(120_000);
  let world: World;
  let quick: Ledger;
  let slow: Ledger;

  before(async () => {
    const short = { compaction: { atTokens: 500, keepTokens: 100 } };
    world = await startWorldOf(
      { default: { agents: { writer: { tools: ['shell'] } } }, short: { team: short } },
      { workers: 0 },
    );
    quick = await openLedger(join(world.server.homeDir, 'quick.txt'), QUICK_EFFECT_MS);
    slow = await openLedger(join(world.server.homeDir, 'slow.txt'), SLOW_MS);
    play();
  });
  beforeEach(() => world.startWorker());
  afterEach(async () => {
    await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
  });
  after(async () => {
    await world?.stop();
    await quick?.close();
    await slow?.close();
  });

  /** `say x` streams for two seconds, `ponder x` takes a minute the first time, `mail x` enters it in a ledger. */
  function play(): void {
    playTeam(world.model, {
      instead: ({ last, lastRole, messages, phase }) => {
        if (phase === 'summary') return { text: 'a summary' };
        if (lastRole === 'tool') return { text: `the agent was told: ${last}` };
        const [verb, name = ''] = (messages.at(-1)?.[1] ?? '').split(' ');
        if (verb === 'say') return { text: spoken(name), wordDelayMs: WORD_DELAY_MS };
        if (verb === 'ponder') return { text: 'pondered', delayMs: asked(`ponder ${name}`).length > 1 ? 0 : SLOW_MS };
        if (verb === 'greet') return { text: 'hello' };
        const ledger = verb === 'mail' ? quick : slow;
        return { toolCalls: [{ name: 'shell', arguments: { command: ledger.command(name) } }] };
      },
    });
  }

  const spoken = (name: string): string => `${name} `.repeat(WORDS).trim();
  /** Calls of the model whose last message this is. */
  const asked = (message: string) => world.model.requests.filter(({ body }) => readCall(body).last === message);
  const entered = async (name: string): Promise<number> =>
    [...(await quick.entries()), ...(await slow.entries())].filter((entry) => entry === name).length;

  const newSession = (): Promise<SessionHandle> =>
    world.copilot.create({ mode: 'one-shot', config: { approvals: { tools: { shell: 'allow' } } } });

  /** Sends, and returns when the model call or the effect is in its middle. */
  async function begin(message: string, given?: SessionHandle): Promise<Begun> {
    const session = given ?? (await newSession());
    const turn = await session.send(message, { wait: false });
    const [verb, name = ''] = message.split(' ');
    const isEffect = verb === 'mail' || verb === 'ship';
    await until(message, async () => (isEffect ? (await entered(name)) > 0 : asked(message).length > 0));
    return { message, session, end: () => session.awaitTurn(turn.id, { signal: AbortSignal.timeout(SLOW_MS) }) };
  }

  async function terminate(worker: WorkerProcess | undefined): Promise<Stopped> {
    assert.ok(worker);
    world.workers.splice(world.workers.indexOf(worker), 1);
    const startedAt = Date.now();
    const code = await worker.stop();
    return { code, ms: Date.now() - startedAt, log: worker.log() };
  }

  /** It ended well, closed its agents and left nothing behind. */
  async function checkStopped({ code, ms, log }: Stopped, limitMs: number): Promise<void> {
    console.log(`      stopped in ${ms} ms`);
    assert.equal(code, 0, log);
    assert.ok(ms <= limitMs, `it took ${ms} ms`);
    assert.match(log, /agent teams closed/);
    assert.doesNotMatch(log, /closed while in use|not closed/);
    const { workers, silent } = await readStats(world.server.homeDir);
    assert.deepEqual([workers.length, silent], [world.workers.length, []]);
    assert.equal((await readdir(socketFolder(world.server.homeDir))).length, world.workers.length);
  }

  itInFull('a model call that streams goes on to its end on the worker that stops, and is not made again', async () => {
    const turn = await begin('say one');
    await sleep(3 * WORD_DELAY_MS);
    await checkStopped(await terminate(world.workers[0]), WORDS * WORD_DELAY_MS + CLOSING_MS);
    // Nobody was there to take its result in.
    await world.startWorker();
    const { status, reply } = await turn.end();
    assert.deepEqual([status, reply], ['completed', spoken('one')]);
    assert.equal(asked('say one').length, 1);
  });

  itInFull('an external effect goes on to its end, happens once, and its agent hears how it ended', async () => {
    const turn = await begin('mail one-mail');
    await checkStopped(await terminate(world.workers[0]), QUICK_EFFECT_MS + CLOSING_MS);
    await world.startWorker();
    const { status, reply } = await turn.end();
    assert.equal(status, 'completed');
    assert.match(reply, /entered/);
    assert.doesNotMatch(reply, /unknown/);
    assert.deepEqual([await entered('one-mail'), asked('mail one-mail').length], [1, 1]);
  });

  it('[R10] with many sessions at once all that ends in time ends, the rest is handed over, nothing is repeated, and agents are closed', async () => {
    const [old] = world.workers;
    const messages = ['say a', 'say b', 'say c', 'mail d', 'mail e', 'ponder x', 'ship y'];
    const sessions = await Promise.all(messages.map(() => newSession()));
    // Each has its worker, which keeps it although there is another one.
    await Promise.all(sessions.map((session) => session.send('greet')));
    await world.startWorker();
    const turns = await Promise.all(messages.map((message, index) => begin(message, sessions[index])));
    const [pondering, shipping] = [turns[5], turns[6]];
    assert.ok(pondering && shipping);
    const startedAt = Date.now();
    const stopping = terminate(old);
    await until('the begin of the end', async () => Promise.resolve(old?.log().includes('worker stops')));

    for (const { message, session, end } of turns.slice(0, 5)) {
      const { status, reply } = await end();
      assert.equal(status, 'completed', message);
      assert.match(reply, message.startsWith('say') ? new RegExp(`^${spoken(message.slice(4))}$`) : /entered/);
      assert.equal(asked(message).length, 1, message);
      if (!message.startsWith('say')) continue;
      const { lastWorker } = await session.info();
      assert.ok(lastWorker?.identity.startsWith(`copilot-${old?.pid}@`), `${message} was answered by another worker`);
    }
    console.log(`      what ends in time is answered after ${Date.now() - startedAt} ms`);
    assert.ok(Date.now() - startedAt < TAKE_OVER_MS + CLOSING_MS);
    for (const name of ['d', 'e']) assert.equal(await entered(name), 1);

    await checkStopped(await stopping, GRACE_MS + CLOSING_MS);
    const pondered = await pondering.end();
    assert.deepEqual([pondered.status, pondered.reply], ['completed', 'pondered']);
    assert.deepEqual(
      asked('ponder x').map(({ closedByClient }) => closedByClient),
      [true, false],
      'the call that was handed over was stopped at the provider, and made again once',
    );
    const [request] = (await shipping.end()).requests ?? [];
    assert.equal(request?.kind, 'outcome');
    await shipping.session.decide(request.id, 'done', { by: 'ada' });
    const shipped = await shipping.end();
    assert.equal(shipped.status, 'completed');
    assert.match(shipped.reply, /took effect, as ada found out/);
    assert.equal(await entered('y'), 1);
    console.log(`      what was handed over is answered after ${Date.now() - startedAt} ms`);
    assert.ok(Date.now() - startedAt < GRACE_MS + CLOSING_MS + TAKE_OVER_MS);
  });

  itInFull('a worker with nothing to do stops at once', async () => {
    await checkStopped(await terminate(world.workers[0]), CLOSING_MS);
  });

  if (isFull) {
    it('agents are closed in time although an activity does not heed it', async () => {
      const session = await world.copilot.create({ mode: 'one-shot', team: 'short' });
      const segments = join(world.server.homeDir, 'archive', 'segments', session.id);
      const kept = async (): Promise<string | undefined> => (await readdir(segments).catch(() => []))[0];
      for (let sent = 0; (await kept()) === undefined; sent++) {
        assert.ok(sent < 20, 'the conversation is never summarised');
        await session.send(`greet ${'x'.repeat(1_000)}`);
      }
      // A pipe that nobody writes to: the archive waits for ever when it opens this part of the conversation, and
      // cannot be aborted.
      const pipe = join(segments, (await kept()) ?? '');
      await rm(pipe);
      await promisify(execFile)('mkfifo', [pipe]);
      const completing = session.complete();
      await until('the archive', async () => {
        const { raw } = await world.temporal.workflow.getHandle(session.id).describe();
        return raw.pendingActivities?.some(({ state }) => state === STARTED);
      });
      const [worker] = world.workers;
      const startedAt = Date.now();
      const stopping = worker?.stop();
      await until('closed agents', async () => Promise.resolve(worker?.log().includes('agent teams closed')));
      assert.ok(Date.now() - startedAt < FORCE_MS + CLOSING_MS);
      // No program can end itself while the system holds one of its threads: whoever runs it does this.
      await worker?.kill();
      await stopping;
      await rm(pipe);
      await world.startWorker();
      await completing;
    });
  }
});
