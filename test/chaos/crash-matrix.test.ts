/**
 * A planned turn with tools and an approval, cut off at every boundary between events of its history, in the middle of
 * every model call and in the middle of an external effect; by the death of its worker, and by that of its server.
 *
 * A ledger outside counts what really happened. Without `COPILOT_TEST_FULL` a few moments are drawn from a seed;
 * `COPILOT_TEST_SEED` draws the same ones again.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { decide } from '../../src/contracts/messages.ts';
import type { TurnView } from '../../src/contracts/turn.ts';
import { fullHistory } from '../helpers/history.ts';
import { type Ledger, openLedger } from '../helpers/ledger.ts';
import { draw, isFull, seed } from '../helpers/random.ts';
import { DIRECT_ROUTE } from '../helpers/replies.ts';
import { playTeam, readCall } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Moments that the short form draws, for the worker and for the server. */
const DRAWN = { worker: 3, server: 1 };
/** A model call lasts so long: there is a middle to kill in. */
const CALL_MS = 150;
const EFFECT_MS = 800;
const TURN_TIMEOUT_MS = 90_000;

type Victim = 'worker' | 'server';

/** When to kill: at a length of the history, at the begin of a model call, or when the effect has been entered. */
type Moment = { readonly events: number } | { readonly call: number } | { readonly effect: true };

interface Outcome {
  readonly turn: TurnView;
  readonly calls: readonly string[];
  readonly effects: number;
  readonly wasToldUnknown: boolean;
  /** From the kill to the end of the turn. */
  readonly recoveryMs: number;
}

describe('crash matrix', function () {
  this.timeout(isFull ? 60 * 60_000 : 300_000);
  let world: World;
  let ledger: Ledger;
  let number = 0;
  let calm: Outcome & { readonly events: number };
  const table: string[] = [];

  before(async () => {
    world = await startWorld();
    ledger = await openLedger(join(world.server.homeDir, 'ledger.txt'), EFFECT_MS);
    calm = await calmly();
    console.log(`      seed ${seed}; undisturbed: ${calm.events} events, ${calm.calls.length} model calls`);
  });
  after(async () => {
    if (table.length > 0) console.log(['', ...table].join('\n      '));
    await ledger?.close();
    await world?.stop();
  });

  /** The turn without any harm, for comparison. */
  async function calmly(): Promise<Outcome & { readonly events: number }> {
    const outcome = await run(undefined, 'worker');
    const events = await fullHistory(world.temporal, `matrix-${number}`);
    assert.equal(outcome.turn.status, 'completed');
    assert.equal(outcome.effects, 1);
    return { ...outcome, events: events.length };
  }

  async function run(moment: Moment | undefined, victim: Victim): Promise<Outcome> {
    const id = `matrix-${(number += 1)}`;
    const effect = `mail of ${id}`;
    play(world, ledger, effect);
    const firstCall = world.model.requests.length;
    const session = await world.copilot.create({ id, mode: 'copilot' });
    const turn = await session.send('send the mail, then write the file', { wait: false });
    const killed = moment ? await killAt(moment, id, firstCall, victim) : Date.now();
    const stop = new AbortController();
    const deciding = approveAll(id, stop.signal);
    const ended = await world.copilot.session(id).awaitTurn(turn.id, { signal: AbortSignal.timeout(TURN_TIMEOUT_MS) });
    // What an approval interrupts is followed to its end.
    const settled = await untilEnded(id, ended);
    stop.abort();
    await deciding;
    const requests = world.model.requests.slice(firstCall);
    return {
      turn: settled,
      calls: requests.map(({ body }) => nameOf(readCall(body))),
      effects: (await ledger.entries()).filter((entry) => entry === effect).length,
      wasToldUnknown: requests.some(({ body }) => JSON.stringify(body.messages).includes('its outcome is unknown')),
      recoveryMs: Date.now() - killed,
    };
  }

  async function untilEnded(id: string, turn: TurnView): Promise<TurnView> {
    let view = turn;
    const deadline = Date.now() + TURN_TIMEOUT_MS;
    while (view.status === 'awaiting-approval') {
      if (Date.now() > deadline) throw new Error(`turn of ${id} still waits after ${TURN_TIMEOUT_MS} ms`);
      await sleep(50);
      view = await world.copilot.session(id).awaitTurn(turn.id);
    }
    return view;
  }

  /** A person who approves whatever is asked, and who is not disturbed by what dies meanwhile. */
  async function approveAll(id: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const { pendingApprovals } = await world.copilot.session(id).info({ signal });
        const handle = world.temporal.workflow.getHandle(id);
        for (const { id: requestId } of pendingApprovals) {
          await handle.executeUpdate(decide, { args: [{ requestId, decision: 'once', by: 'ada' }] });
        }
      } catch (error) {
        if (error instanceof TypeError) throw error;
      }
      await sleep(50);
    }
  }

  async function killAt(moment: Moment, id: string, firstCall: number, victim: Victim): Promise<number> {
    const deciding = new AbortController();
    const approving = approveAll(id, deciding.signal);
    await reached(moment, id, firstCall);
    const killed = Date.now();
    deciding.abort();
    if (victim === 'server') {
      await world.server.kill();
      await world.server.restart();
      await world.reconnect();
    } else {
      await Promise.all(world.workers.map((worker) => worker.kill()));
      await world.startWorker();
    }
    await approving;
    return killed;
  }

  async function reached(moment: Moment, id: string, firstCall: number): Promise<void> {
    if ('effect' in moment) {
      await new Promise<void>((resolve) => (ledger.onEntry = () => resolve()));
      ledger.onEntry = undefined;
      return;
    }
    const handle = world.temporal.workflow.getHandle(id);
    const deadline = Date.now() + TURN_TIMEOUT_MS;
    for (let look = 0; Date.now() < deadline; look++) {
      // The number of events differs a little from run to run: the end of the turn is a moment, too.
      if (look % 50 === 49 && (await world.copilot.session(id).turns()).at(-1)?.status === 'completed') return;
      if ('call' in moment && world.model.requests.length > firstCall + moment.call) return;
      if ('events' in moment && (await handle.describe()).historyLength >= moment.events) return;
      await sleep(2);
    }
    throw new Error(`${JSON.stringify(moment)} was not reached`);
  }

  async function check(moment: Moment, victim: Victim): Promise<void> {
    const outcome = await run(moment, victim);
    const repeated = outcome.calls.filter((call, index) => outcome.calls.indexOf(call) !== index);
    const where = JSON.stringify(moment);
    const effect = outcome.wasToldUnknown ? 'once, told unknown' : 'once';
    table.push(
      `| ${victim} | ${where} | ${outcome.turn.status} | ${repeated.length} | ${effect} | ${outcome.recoveryMs} ms |`,
    );
    assert.equal(outcome.turn.status, 'completed', `${where}: ${JSON.stringify(outcome.turn.error)}`);
    assert.equal(outcome.turn.reply, calm.turn.reply, where);
    assert.deepEqual(
      outcome.turn.steps.map(({ status }) => status),
      calm.turn.steps.map(({ status }) => status),
      where,
    );
    assert.deepEqual([...new Set(outcome.calls)].sort(), [...new Set(calm.calls)].sort(), where);
    // A call that was cut off is made again, and no other.
    assert.ok(repeated.length <= 1, `${where}: made again: ${repeated.join(', ')}`);
    assert.ok(outcome.effects <= 1, `${where}: the effect happened ${outcome.effects} times`);
    assert.ok(outcome.effects === 1 || outcome.wasToldUnknown, `${where}: no effect, and nobody was told`);
  }

  function momentsOf(victim: Victim): Moment[] {
    const all: Moment[] = [
      ...Array.from({ length: calm.events - 2 }, (_, index) => ({ events: index + 2 })),
      ...calm.calls.map((_, call) => ({ call })),
    ];
    return isFull ? all : draw(all, DRAWN[victim], victim === 'worker' ? seed : seed + 1);
  }

  it('[R01] a worker killed at any moment: same answer, nothing that had finished runs again, no effect happens twice', async () => {
    for (const moment of momentsOf('worker')) await check(moment, 'worker');
  });

  it('a worker killed in the middle of an external effect: it is not repeated, and its agent is told that its outcome is unknown', async () => {
    await check({ effect: true }, 'worker');
    assert.match(table.at(-1) ?? '', /told unknown/);
  });

  it('a server killed at any moment: the turn ends as if nothing had been', async () => {
    for (const moment of momentsOf('server')) await check(moment, 'server');
  });
});

/** Two steps: a mail that needs approval, beside a harmless tool; then a file. */
function play({ model }: World, ledger: Ledger, effect: string): void {
  playTeam(model, {
    answer: 'The mail is sent and the file is written.',
    instead: (call) => {
      const { phase, last, lastRole } = call;
      if (phase === 'routing')
        return {
          json: { ...DIRECT_ROUTE, route: 'planned', primaryAgent: 'engineer', refinedTask: last },
          delayMs: CALL_MS,
        };
      if (phase === 'planning') return { json: { steps: STEPS }, delayMs: CALL_MS };
      if (phase === 'review') return { json: { approved: true, feedback: '' }, delayMs: CALL_MS };
      if (phase !== 'step') return undefined;
      if (lastRole === 'tool') {
        return {
          toolCalls: [{ name: 'report_step', arguments: { status: 'done', summary: 'it is done' } }],
          delayMs: CALL_MS,
        };
      }
      const toolCalls = /# Your step\nsend/.test(last)
        ? [
            { name: 'shell', arguments: { command: ledger.command(effect) } },
            { name: 'list_files', arguments: {} },
          ]
        : [{ name: 'write_file', arguments: { path: 'a.txt', content: 'I am a.txt\n' } }];
      return { toolCalls, delayMs: CALL_MS };
    },
  });
}

const STEPS = [
  { agent: 'engineer', task: 'send the mail', notes: '' },
  { agent: 'engineer', task: 'write a.txt', notes: '' },
];

function nameOf({ phase, last, lastRole }: ReturnType<typeof readCall>): string {
  if (phase !== 'step') return phase;
  const step = /# Your step\n(.*)/.exec(last)?.[1];
  return lastRole === 'tool' ? `step after ${last.slice(0, 20)}` : `step ${step}`;
}
