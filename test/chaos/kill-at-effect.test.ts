/**
 * A worker that is killed between the effect of an append and its report, in a plain answer and in a step that is tried
 * again. The line is in the file once, or a person is asked.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTick, setTimeout as sleep } from 'node:timers/promises';
import type { SessionHandle, TurnView } from '../../src/client.ts';
import { startWorldOf } from '../helpers/own-team.ts';
import { isFull } from '../helpers/full.ts';
import { seed, seededRandom } from '../helpers/random.ts';
import { calling, done, reporting } from '../helpers/replies.ts';
import { playTeam } from '../helpers/team-script.ts';
import type { World } from '../helpers/world.ts';

const KILLS = isFull ? 50 : 1;
/** After the line is in the file; the report follows within some milliseconds. */
const MAX_DELAY_MS = 8;
const TURN_TIMEOUT_MS = 180_000;
const APPEND = calling(['append_file', { path: 'log.txt', content: 'the line\n' }]);

describe('a worker killed right after an append', function () {
  this.timeout(isFull ? 90 * 60_000 : 600_000);
  let world: World;

  before(async () => {
    const tools = ['append_file'];
    world = await startWorldOf({ default: { agents: { writer: { tools }, engineer: { tools } } } });
    playTeam(world.model, {
      files: ['log.txt'],
      instead: ({ phase, lastRole, messages }) => {
        const brief = messages.findLast(([role]) => role === 'user')?.[1] ?? '';
        if (phase === 'one-shot') return lastRole === 'tool' ? { text: 'appended' } : APPEND;
        if (phase !== 'step') return undefined;
        // The first attempt fails before it does anything; the second one appends.
        if (!brief.includes('The attempt before failed')) return reporting('failed', 'not yet');
        return lastRole === 'tool' ? done() : APPEND;
      },
    });
  });
  after(async () => await world?.stop());

  const fileOf = ({ id }: SessionHandle): string => join(world.server.homeDir, 'workspaces', id, 'log.txt');

  /** Kills the worker some milliseconds after the first file has its line. */
  async function killAtEffect(sessions: readonly SessionHandle[], delayMs: number): Promise<void> {
    const deadline = Date.now() + TURN_TIMEOUT_MS;
    while (!sessions.some((session) => existsSync(fileOf(session)))) {
      assert.ok(Date.now() < deadline, 'nothing was appended');
      await nextTick();
    }
    await sleep(delayMs);
    await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
    await world.startWorker();
  }

  /** A person looks into the file, and says what is there. */
  async function untilEnded(session: SessionHandle, turnId: string): Promise<{ turn: TurnView; wasAsked: boolean }> {
    for (let wasAsked = false; ; wasAsked = true) {
      const turn = await session.awaitTurn(turnId, { signal: AbortSignal.timeout(TURN_TIMEOUT_MS) });
      const [request] = turn.requests ?? [];
      if (!request) return { turn, wasAsked };
      assert.equal(request.kind, 'outcome');
      assert.match(request.question, /^Did append_file log\.txt/);
      const isThere = (await readFile(fileOf(session), 'utf8')).includes('the line');
      await session.decide(request.id, isThere ? 'done' : 'try-again', { by: 'ada' });
    }
  }

  it('[H14] in plain answers and in steps that are tried again: each line once, or a person is asked', async () => {
    const random = seededRandom(seed);
    let asked = 0;
    for (let kill = 1; kill <= KILLS; kill++) {
      const sessions = await Promise.all([
        world.copilot.create({ mode: 'one-shot' }),
        world.copilot.create({ mode: 'copilot' }),
      ]);
      const turns = await Promise.all(sessions.map((session) => session.send('append', { wait: false })));
      await killAtEffect(sessions, random() * MAX_DELAY_MS);
      for (const [index, session] of sessions.entries()) {
        const { turn, wasAsked } = await untilEnded(session, turns[index]?.id ?? '');
        const where = `kill ${kill} with seed ${seed}, session ${session.id}`;
        assert.equal(turn.status, 'completed', `${where}: ${JSON.stringify(turn.error)}`);
        assert.equal(await readFile(fileOf(session), 'utf8'), 'the line\n', where);
        if (wasAsked) asked += 1;
      }
    }
    console.log(`      a person was asked ${asked} times about ${2 * KILLS} appends`);
  });
});
