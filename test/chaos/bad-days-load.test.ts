/**
 * Full disks and floods of updates: what people see of it meanwhile, and that work goes on by itself, with nothing lost
 * and nothing half written. With `COPILOT_TEST_FULL` there are more updates than Temporal takes in a run.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { CopilotClient } from '../../src/client.ts';
import type { SessionHandle } from '../../src/client.ts';
import { fails } from '../helpers/client.ts';
import { noTaskFailed, until } from '../helpers/history.ts';
import { storedFiles } from '../helpers/payload-store.ts';
import { startWorldOf } from '../helpers/own-team.ts';
import { isolatedConfig, temporaryFolder } from '../helpers/server.ts';
import { isFull } from '../helpers/full.ts';
import { playTeam } from '../helpers/team-script.ts';
import type { World } from '../helpers/world.ts';
import { calling } from '../helpers/replies.ts';

/** The most that a worker can write into one file on a disk that is full: less than what is stored. */
const FULL_BYTES = 64 * 1_024;
/** Three bytes each: they are stored, and are no longer than a reply may be. */
const LARGE_REPLY = '€'.repeat(60_000);
const LARGE_VALUE = 'x'.repeat(150_000);
/** More than there is room for, and less than is stored: only the file is in the way. */
const LARGE_FILE = 'y'.repeat(100_000);
/** Temporal takes 2,000 updates in a run. */
const UPDATES = isFull ? 2_500 : 150;
const AT_ONCE = 8;
/** A turn may have a hundred of these. */
const CALL_MS = isFull ? 1_500 : 150;
const HISTORY_LIMIT = isFull ? 200 : 60;

describe('bad days under load', function () {
  this.timeout(isFull ? 600_000 : 180_000);
  let world: World;
  let client: CopilotClient;
  let store: string;

  before(async () => {
    store = await temporaryFolder();
    const env = { COPILOT_PAYLOAD_STORE: store };
    const team = { limits: { rounds: 100, stepAttempts: 3 } };
    const agents = { writer: { tools: ['list_files', 'write_file'] } };
    world = await startWorldOf({ default: { team, agents } }, { env });
    const { homeDir, address } = world.server;
    client = await CopilotClient.connect({ config: isolatedConfig(homeDir, env), address });
  });
  after(async () => {
    await client?.close();
    await world?.stop();
    await rm(store, { recursive: true, force: true });
  });

  /** The system then refuses to write beyond that, as beyond the end of a disk. */
  async function leaveRoom(bytes: number | 'unlimited'): Promise<void> {
    const pid = String(world.workers[0]?.pid);
    await promisify(execFile)('prlimit', ['--pid', pid, `--fsize=${bytes}:`]);
  }

  const failing = (session: SessionHandle, message: RegExp): Promise<true | undefined> =>
    until(`a call of ${session.id} that ends with ${message}`, async () => {
      const { pendingCalls } = await session.describe();
      return pendingCalls.some(({ lastError }) => message.test(lastError?.message ?? '')) || undefined;
    });

  const filesOf = ({ id }: SessionHandle): string => join(world.server.homeDir, 'workspaces', id);

  /** Of util-linux: without it nothing here can fill a disk. */
  function requirePrlimit(context: Mocha.Context): void {
    try {
      execFileSync('prlimit', ['--version']);
    } catch {
      context.skip();
    }
  }

  function playLarge(): void {
    playTeam(world.model, {
      instead: ({ last, lastRole }) => {
        if (lastRole === 'tool') return { text: `I was told: ${last}` };
        if (last === 'say much') return { text: LARGE_REPLY };
        return last === 'write it'
          ? { toolCalls: [{ name: 'write_file', arguments: { path: 'large.txt', content: LARGE_FILE } }] }
          : undefined;
      },
    });
  }

  it('[R11] a full disk for payloads: calls and sessions wait and say what for, go on by themselves when there is room, and nothing is lost or half written', async function () {
    requirePrlimit(this);
    playLarge();
    const speaking = await client.create({ id: 'speaking', mode: 'one-shot' });
    const writing = await client.create({ id: 'writing', mode: 'one-shot' });
    // What it carries to its next run is large.
    const config = { historyLimit: 40 };
    const moving = await client.create({ id: 'moving', mode: 'one-shot', config, context: { large: LARGE_VALUE } });
    await leaveRoom(FULL_BYTES);
    const said = speaking.send('say much');
    const written = writing.send('write it');
    const moved = (async () => {
      const statuses = [];
      for (let turn = 1; turn <= 6; turn++) statuses.push((await moving.send(`message ${turn}`)).status);
      return statuses;
    })();
    const full = new RegExp(`The payload store ${store} cannot be used \\(EFBIG`);
    await failing(speaking, full);
    await failing(writing, /^EFBIG/);
    await until('a task that failed', async () => {
      const { raw } = await world.temporal.workflow.getHandle(moving.id).describe();
      return (raw.pendingWorkflowTask?.attempt ?? 1) > 1;
    });
    const stuck = await fails(
      moving.info(),
      'SessionStuck',
      /^Session moving cannot go on for now: .*The payload store/,
    );
    assert.match(stuck.message, full);
    assert.equal(stuck.retryable, true);

    await leaveRoom('unlimited');
    assert.equal((await said).reply, LARGE_REPLY);
    assert.deepEqual(
      await moved,
      Array.from({ length: 6 }, () => 'completed'),
    );
    assert.ok((await moving.info()).runs > 1);
    assert.equal((await moving.context()).values['large'], LARGE_VALUE);
    assert.equal((await moving.transcript()).messages.length, 12);
    assert.match((await written).reply, /^I was told: Wrote large\.txt/);
    assert.deepEqual(await readdir(filesOf(writing)), ['large.txt']);
    assert.equal(await readFile(join(filesOf(writing), 'large.txt'), 'utf8'), LARGE_FILE);

    const stored = await storedFiles(store);
    assert.ok(stored.length >= 3, stored.join());
    for (const file of stored) {
      const content = createHash('sha256').update(await readFile(file));
      assert.equal(content.digest('hex'), basename(file), 'half written, or left over');
    }
  });

  if (isFull) {
    it('a disk for files that stays full: the agent is told, and the session goes on', async function () {
      requirePrlimit(this);
      playLarge();
      const session = await client.create({ id: 'full-workspace', mode: 'one-shot' });
      await leaveRoom(FULL_BYTES);
      const { status, reply } = await session.send('write it');
      assert.deepEqual([status, reply], ['completed', 'I was told: write_file failed: EFBIG: file too large, write']);
      assert.deepEqual(await readdir(filesOf(session)), []);
      await leaveRoom('unlimited');
      assert.match((await session.send('write it')).reply, /Wrote large\.txt/);
    });
  }

  const newSession = (id: string): Promise<SessionHandle> =>
    client.create({ id, mode: 'one-shot', config: { historyLimit: HISTORY_LIMIT } });

  /** Changes of the context, several at a time. @returns the versions that they made */
  async function flood(session: SessionHandle, name: string): Promise<number[]> {
    const versions: number[] = [];
    let next = 0;
    const sender = async (): Promise<void> => {
      while (next < UPDATES) {
        const number = (next += 1);
        const report = await session.setContext(`${name}-${number % 10}`, number);
        versions.push(report.contextVersion);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sender));
    return versions;
  }

  it(`${UPDATES} to an idle session, ${UPDATES} in the middle of a turn with many calls: all are answered, each has its effect once`, async () => {
    let isOver = false;
    playTeam(world.model, {
      answer: 'at last',
      // As many rounds as it takes: between two of them the session can go on in a new run.
      instead: ({ messages }) =>
        messages.some(([, text]) => text === 'work') && !isOver
          ? { ...calling(['write_file', { path: 'n.txt', content: String(messages.length) }]), delayMs: CALL_MS }
          : undefined,
    });
    const session = await newSession('flooded');
    await session.send('hello');
    const before = await session.info();
    const idle = await flood(session, 'idle');
    const between = await session.info();
    assert.equal(new Set(idle).size, UPDATES);
    assert.equal(between.contextVersion, before.contextVersion + UPDATES);
    assert.ok(between.runs > before.runs, `${between.runs} runs`);

    const turn = session.send('work');
    await until('the turn', async () => (await session.info()).phase === 'one-shot');
    const { contextVersion } = await session.info();
    const busy = await flood(session, 'busy');
    const during = await session.info();
    assert.equal(new Set(busy).size, UPDATES);
    assert.equal(during.contextVersion, contextVersion + UPDATES);
    assert.ok(during.runs > between.runs, `${during.runs} runs`);
    isOver = true;
    const { status, reply } = await turn;
    assert.deepEqual([status, reply], ['completed', 'at last']);
    await noTaskFailed(world.temporal, session.id);
  });

  if (isFull) {
    it('more than a run takes, while one call waits for its provider: interrupt gets through, and afterwards everything does', async () => {
      playTeam(world.model, { answer: 'at last', instead: () => ({ status: 503 }) });
      const session = await newSession('held-up');
      const turn = session.send('hello');
      await until('the turn', async () => (await session.info()).pendingCalls.length > 0);
      await fails(flood(session, 'busy'), 'WrongState', /in the middle of one, and took 1000 changes.* interrupt it/);
      await fails(session.send('another'), 'WrongState', /Repeat this when the turn has ended/);
      const waiting = session.awaitTurn('turn-1');
      assert.deepEqual(await session.interrupt(), { changed: true, status: 'active' });
      assert.deepEqual([(await turn).status, (await waiting).status], ['interrupted', 'interrupted']);
      playTeam(world.model, { answer: 'at last' });
      assert.equal((await session.send('and now?')).reply, 'at last');
      assert.equal(new Set(await flood(session, 'after')).size, UPDATES);
      assert.ok((await session.info()).runs > 1);
      await noTaskFailed(world.temporal, session.id);
    });
  }
});
