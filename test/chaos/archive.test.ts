/**
 * Sessions that close while the disk of the archive is full, or whose worker is killed while it writes the file: they say
 * so, are archived later, and leave no torn file.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTick } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { SessionExport, SessionHandle } from '../../src/client.ts';
import { runCli } from '../helpers/cli.ts';
import { itInFull } from '../helpers/full.ts';
import { until } from '../helpers/history.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** The most that a worker can write into one file on a disk that is full: less than the exports here have. */
const FULL_BYTES = 64 * 1_024;
const LARGE_VALUE = 'x'.repeat(150_000);
/** So large that writing it takes some milliseconds. */
const HUGE_VALUE = 'x'.repeat(250_000);
const MAX_KILLS = 10;

describe('[R15] closing a session', function () {
  this.timeout(300_000);
  let world: World;
  let archive: string;

  before(async function () {
    try {
      execFileSync('prlimit', ['--version']);
    } catch {
      // Of util-linux: without it nothing here can fill a disk.
      this.skip();
    }
    world = await startWorld();
    archive = join(world.server.homeDir, 'archive');
    await mkdir(archive, { recursive: true });
    playTeam(world.model);
  });
  after(async () => await world?.stop());

  /** The system then refuses to write beyond that, as beyond the end of a disk. */
  async function leaveRoom(bytes: number | 'unlimited'): Promise<void> {
    const [worker] = world.workers;
    await promisify(execFile)('prlimit', ['--pid', String(worker?.pid), `--fsize=${bytes}:`]);
  }

  const create = (value: string, config = {}): Promise<SessionHandle> =>
    world.copilot.create({ mode: 'one-shot', context: { large: value }, config });

  const filesOf = async ({ id }: SessionHandle): Promise<string[]> =>
    (await readdir(archive)).filter((name) => name.startsWith(id));

  const isClosed = async (session: SessionHandle): Promise<true | undefined> =>
    (await session.describe()).isClosed || undefined;

  /** The archive has it whole: a session can be made of the file. */
  async function isArchived(session: SessionHandle, value: string): Promise<void> {
    assert.deepEqual(await filesOf(session), [`${session.id}.json`]);
    const file = JSON.parse(await readFile(join(archive, `${session.id}.json`), 'utf8')) as SessionExport;
    const imported = await world.copilot.import(file);
    assert.equal((await imported.context()).values['large'], value);
  }

  it('on a full disk: who completes it is told, no torn file is left, and it is archived when there is room', async () => {
    const session = await create(LARGE_VALUE);
    await leaveRoom(FULL_BYTES);
    const { status, archiveProblem } = await session.complete();
    assert.equal(status, 'completed');
    assert.match(archiveProblem ?? '', /^The archive \S+ cannot be used \(EFBIG/);
    assert.deepEqual([await isClosed(session), await filesOf(session)], [undefined, []]);
    const shown = await runCli(['show', session.id], programEnvironment(world.server));
    assert.match(shown.stdout, /attempt \d+ .*ArchiveUnavailable/);
    await leaveRoom('unlimited');
    await until('the archive', () => isClosed(session));
    await isArchived(session, LARGE_VALUE);
  });

  it('by expiry on a full disk: it is expired, stays open, and is archived when there is room', async () => {
    await leaveRoom(FULL_BYTES);
    const session = await create(LARGE_VALUE, { idleTimeoutMs: 1_000 });
    const [call] = await until('a failed attempt', async () => {
      const { pendingCalls } = await session.describe();
      return pendingCalls.some(({ lastError }) => lastError !== null) ? pendingCalls : undefined;
    });
    assert.match(call?.lastError?.message ?? '', /^The archive \S+ cannot be used \(EFBIG/);
    assert.deepEqual([(await session.info()).status, await filesOf(session)], ['expired', []]);
    await assert.rejects(session.send('too late'), { type: 'SessionClosed' });
    await leaveRoom('unlimited');
    await until('the archive', () => isClosed(session));
    await isArchived(session, LARGE_VALUE);
  });

  itInFull(
    'deleted while it waits for its archive, it leaves nothing there, also when there is room again',
    async () => {
      const session = await create(LARGE_VALUE);
      await leaveRoom(FULL_BYTES);
      assert.match((await session.complete()).archiveProblem ?? '', /EFBIG/);
      await session.delete();
      await leaveRoom('unlimited');
      // One that is archived later shows that the worker archives again.
      const later = await create(LARGE_VALUE);
      await later.complete();
      await until('the archive', () => isClosed(later));
      assert.deepEqual(await filesOf(session), []);
      await assert.rejects(session.info(), { type: 'SessionNotFound' });
    },
  );

  itInFull(
    'with a worker that is killed while it writes: the next one writes the whole file, and removes the half one',
    async () => {
      for (let kill = 1; ; kill++) {
        assert.ok(kill <= MAX_KILLS, `no kill of ${MAX_KILLS} hit the middle of a write`);
        const session = await create(HUGE_VALUE);
        const completed = session.complete();
        const isBeingWritten = () => readdirSync(archive).some((name) => name.startsWith(session.id));
        while (!isBeingWritten()) await nextTick();
        await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
        const [left = ''] = await filesOf(session);
        await world.startWorker();
        assert.equal((await completed).status, 'completed');
        await until('the archive', () => isClosed(session));
        await isArchived(session, HUGE_VALUE);
        if (left.endsWith('.part')) return;
      }
    },
  );
});
