/**
 * A worker that stands still, as on a laptop that sleeps or in a container that is paused: SIGSTOP, then SIGCONT, while
 * sessions are in the middle of turns that write to files and run commands.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionHandle } from '../../src/client.ts';
import { startWorldOf } from '../helpers/own-team.ts';
import { isFull } from '../helpers/full.ts';
import { playTeam } from '../helpers/team-script.ts';
import type { World } from '../helpers/world.ts';

const SESSIONS = isFull ? 40 : 3;
const FREEZES = isFull ? 3 : 1;
/** More than the heartbeat timeout of 5 s, after which the server gives the running calls to others. */
const FROZEN_MS = isFull ? 30_000 : 8_000;
const ROUNDS = 12;
const WORK_MS = 1_500;
const TURN_TIMEOUT_MS = 240_000;

describe('frozen worker', function () {
  this.timeout(isFull ? 20 * 60_000 : 300_000);
  let world: World;

  before(async () => {
    const approvals = { tools: { shell: 'allow' } } as const;
    const agents = { writer: { tools: ['append_file', 'shell'] } };
    world = await startWorldOf({ default: { team: { approvals, limits: { rounds: 50 } }, agents } });
    playTeam(world.model, {
      instead: ({ phase, messages }) => {
        if (phase !== 'one-shot') return undefined;
        const from = messages.findLastIndex(([role]) => role === 'user');
        const round = messages.slice(from).filter(([role]) => role === 'assistant').length + 1;
        if (round > ROUNDS) return { text: 'all done' };
        const line = `${messages[from]?.[1]} round ${round}\n`;
        return {
          toolCalls: [
            { name: 'append_file', arguments: { path: 'appended.txt', content: line } },
            { name: 'shell', arguments: { command: `sleep 0.1; printf '%s' '${line}' >> by-shell.txt` } },
          ],
        };
      },
    });
  });
  after(async () => await world?.stop());

  const linesOf = async ({ id }: SessionHandle, file: string): Promise<string[]> =>
    (await readFile(join(world.server.homeDir, 'workspaces', id, file), 'utf8')).split('\n').slice(0, -1);

  it(`[R14] ${SESSIONS} sessions at work, frozen ${FREEZES} times: all complete, and nothing happens twice`, async () => {
    const sessions = await Promise.all(
      Array.from({ length: SESSIONS }, () => world.copilot.create({ mode: 'one-shot' })),
    );
    for (let freeze = 1; freeze <= FREEZES; freeze++) {
      const turns = await Promise.all(sessions.map((session) => session.send(`freeze ${freeze}`, { wait: false })));
      await sleep(WORK_MS);
      const pid = world.workers[0]?.pid ?? 0;
      process.kill(pid, 'SIGSTOP');
      await sleep(FROZEN_MS);
      process.kill(pid, 'SIGCONT');
      const ended = await Promise.all(
        sessions.map((session, index) =>
          session.awaitTurn(turns[index]?.id ?? '', { signal: AbortSignal.timeout(TURN_TIMEOUT_MS) }),
        ),
      );
      assert.deepEqual(
        ended.map(({ status, error, requests }) => error ?? requests?.[0]?.question ?? status),
        sessions.map(() => 'completed'),
      );
    }
    const expected = Array.from({ length: FREEZES }, (_, freeze) =>
      Array.from({ length: ROUNDS }, (__, round) => `freeze ${freeze + 1} round ${round + 1}`),
    ).flat();
    for (const session of sessions) {
      assert.deepEqual(await linesOf(session, 'appended.txt'), expected, `appended by ${session.id}`);
      assert.deepEqual(await linesOf(session, 'by-shell.txt'), expected, `by the shell of ${session.id}`);
    }
  });
});
