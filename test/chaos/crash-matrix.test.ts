/**
 * A planned turn with tools and an approval. Its worker, or its server, is killed between any two events of its history,
 * in the middle of every model call and in the middle of an external effect.
 *
 * A ledger outside counts the effects that really happened. Without `COPILOT_TEST_FULL` a few moments are drawn from a
 * seed; set `COPILOT_TEST_SEED` to draw the same ones again.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defaultPayloadConverter } from '@temporalio/common';
import { optionalTsToMs } from '@temporalio/common/lib/time.js';
import { CopilotError } from '../../src/contracts/errors.ts';
import { decide } from '../../src/contracts/messages.ts';
import type { TurnView } from '../../src/contracts/turn.ts';
import { fullHistory, type HistoryEvent } from '../helpers/history.ts';
import { type Ledger, openLedger } from '../helpers/ledger.ts';
import { startWorldOf } from '../helpers/own-team.ts';
import { itInFull, isFull } from '../helpers/full.ts';
import { draw, seed } from '../helpers/random.ts';
import { DIRECT_ROUTE } from '../helpers/replies.ts';
import { playTeam, readCall } from '../helpers/team-script.ts';
import type { World } from '../helpers/world.ts';

/** Moments that the short form draws, for the worker and for the server. */
const DRAWN = { worker: 2, server: 1 };
/** How long a model call lasts, so that a kill can hit the middle of it. */
const CALL_MS = 150;
const EFFECT_MS = 800;
const TURN_TIMEOUT_MS = 90_000;

type Victim = 'worker' | 'server';

/** When to kill: at a length of the history, at the start of a model call, or once the effect is in the ledger. */
type Moment = { readonly events: number } | { readonly call: number } | { readonly effect: true };

interface Attempt {
  readonly id: string;
  readonly effect: string;
  /** Number of model calls before it. */
  readonly firstCall: number;
}

interface Outcome {
  readonly turn: TurnView;
  /** Model calls that the provider got, oldest first. */
  readonly calls: readonly string[];
  /** Activities that the session asked for, oldest first. */
  readonly activities: readonly Activity[];
  readonly effects: number;
  /** Whether a person was asked what became of a call. */
  readonly wasAsked: boolean;
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
    world = await startWorldOf({ default: { agents: { engineer: { tools: ['list_files', 'write_file', 'shell'] } } } });
    ledger = await openLedger(join(world.server.homeDir, 'ledger.txt'), EFFECT_MS);
    calm = await calmly();
    console.log(`      seed ${seed}; undisturbed: ${calm.events} events, ${calm.calls.length} model calls`);
  });
  after(async () => {
    if (table.length > 0) console.log(['', ...table].join('\n      '));
    await ledger?.close();
    await world?.stop();
  });

  /** The same turn with nothing killed, for comparison. */
  async function calmly(): Promise<Outcome & { readonly events: number }> {
    const outcome = await run(undefined, 'worker');
    const events = await fullHistory(world.temporal, `matrix-${number}`);
    assert.equal(outcome.turn.status, 'completed');
    assert.equal(outcome.effects, 1);
    assert.equal(new Set(outcome.calls).size, outcome.calls.length, 'two calls have one name');
    assert.equal(outcome.activities.filter(({ isModelCall }) => isModelCall).length, outcome.calls.length);
    return { ...outcome, events: events.length };
  }

  async function run(moment: Moment | undefined, victim: Victim): Promise<Outcome> {
    const id = `matrix-${(number += 1)}`;
    const effect = `mail of ${id}`;
    play(world, ledger, effect);
    const firstCall = world.model.requests.length;
    const session = await world.copilot.create({ id, mode: 'copilot' });
    const turn = await session.send('send the mail, then write the file', { wait: false });
    const died = moment ? await killAt(moment, { id, effect, firstCall }, victim) : Date.now();
    const stop = new AbortController();
    const deciding = approveAll(id, effect, stop.signal);
    const ended = await settled(id, turn.id);
    // `awaitTurn` also returns when an approval is due.
    const last = await untilEnded(id, ended);
    stop.abort();
    await deciding;
    const requests = world.model.requests.slice(firstCall);
    return {
      turn: last,
      calls: requests.map(({ body }) => nameOf(readCall(body))),
      activities: activitiesIn(await fullHistory(world.temporal, id), died),
      effects: (await ledger.entries()).filter((entry) => entry === effect).length,
      wasAsked: (await world.copilot.session(id).decisions()).some(({ kind }) => kind === 'outcome'),
      recoveryMs: Date.now() - died,
    };
  }

  async function settled(id: string, turnId: string): Promise<TurnView> {
    const limits = { signal: AbortSignal.timeout(TURN_TIMEOUT_MS), retryForMs: TURN_TIMEOUT_MS };
    return await world.copilot.session(id).awaitTurn(turnId, limits);
  }

  async function untilEnded(id: string, turn: TurnView): Promise<TurnView> {
    let view = turn;
    const deadline = Date.now() + TURN_TIMEOUT_MS;
    while (view.status === 'awaiting-approval') {
      if (Date.now() > deadline) throw new Error(`turn of ${id} still waits after ${TURN_TIMEOUT_MS} ms`);
      await sleep(50);
      view = await settled(id, turn.id);
    }
    return view;
  }

  /** A person who approves what is asked, looks up what became of a call, and tries again when something was killed. */
  async function approveAll(id: string, effect: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const { pendingApprovals } = await world.copilot.session(id).info({ signal });
        const handle = world.temporal.workflow.getHandle(id);
        for (const { id: requestId, kind } of pendingApprovals) {
          const found = (await ledger.entries()).includes(effect) ? 'done' : 'try-again';
          const decision = kind === 'outcome' ? found : 'once';
          await handle.executeUpdate(decide, { args: [{ requestId, decision, by: 'ada' }] });
        }
      } catch (error) {
        if (error instanceof TypeError) throw error;
      }
      await sleep(50);
    }
  }

  /** @returns when the victim was dead: what had been recorded by then was finished */
  async function killAt(moment: Moment, { id, effect, firstCall }: Attempt, victim: Victim): Promise<number> {
    const deciding = new AbortController();
    const approving = approveAll(id, effect, deciding.signal);
    await reached(moment, id, firstCall);
    deciding.abort();
    if (victim === 'server') await world.server.kill();
    else await Promise.all(world.workers.map((worker) => worker.kill()));
    const died = Date.now();
    if (victim === 'server') {
      await world.server.restart();
      await world.reconnect();
    } else {
      await world.startWorker();
    }
    await approving;
    return died;
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
      // The number of events varies a little between runs, so the last ones may never come: stop at the end of the turn.
      if (look % 50 === 49 && (await isCompleted(id))) return;
      if ('call' in moment && world.model.requests.length > firstCall + moment.call) return;
      if ('events' in moment && (await handle.describe()).historyLength >= moment.events) return;
      await sleep(2);
    }
    throw new Error(`${JSON.stringify(moment)} was not reached`);
  }

  /** False as long as no worker can say: one that lost its server takes a while to come back. */
  async function isCompleted(id: string): Promise<boolean> {
    try {
      return (await world.copilot.session(id).turns()).at(-1)?.status === 'completed';
    } catch (error) {
      if (error instanceof CopilotError && error.retryable) return false;
      throw error;
    }
  }

  async function check(moment: Moment, victim: Victim): Promise<void> {
    const outcome = await run(moment, victim);
    const where = `${victim} killed at ${JSON.stringify(moment)}`;
    const repeated = outcome.calls.length - calm.calls.length;
    const effect = outcome.wasAsked ? 'once, a person was asked' : 'once';
    table.push(
      `| ${victim} | ${JSON.stringify(moment)} | ${outcome.turn.status} | ${repeated} | ${effect} | ${outcome.recoveryMs} ms |`,
    );
    assert.equal(outcome.turn.status, 'completed', `${where}: ${JSON.stringify(outcome.turn.error)}`);
    assert.equal(outcome.turn.reply, calm.turn.reply, where);
    assert.deepEqual(stepsOf(outcome.turn), stepsOf(calm.turn), where);
    nothingFinishedRanAgain(outcome, where);
    assert.equal(outcome.effects, 1, where);
  }

  /** The provider got each call once, in order; only the one without a recorded answer at the kill may have come twice. */
  function nothingFinishedRanAgain({ calls, activities }: Outcome, where: string): void {
    // A call that a person has made again has the same id.
    const made = activities.filter(
      ({ id, name }, index) =>
        !name.startsWith('copilotSettleTool') && activities.findIndex((other) => other.id === id) === index,
    );
    assert.deepEqual(namesOf(made), namesOf(calm.activities), where);
    const finished = activities.filter(({ isModelCall, wasFinished }) => isModelCall && wasFinished).length;
    const inFlight = calm.calls.slice(finished, finished + 1);
    const isRepeated = calls.length > calm.calls.length;
    const expected = [...calm.calls.slice(0, finished), ...(isRepeated ? inFlight : []), ...calm.calls.slice(finished)];
    assert.deepEqual(calls, expected, `${where}, after ${finished} model calls had finished`);
    const again = activities.filter(({ wasFinished, attempt }) => wasFinished && attempt > 1);
    assert.deepEqual(again, [], where);
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

  it('a worker killed in the middle of an external effect: it is not repeated, and a person is asked what became of it', async () => {
    await check({ effect: true }, 'worker');
    assert.match(table.at(-1) ?? '', /a person was asked/);
  });

  itInFull('a server killed at any moment: the turn ends as if nothing had been', async () => {
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

const stepsOf = ({ steps }: TurnView): unknown[] => steps.map(({ status, attempts }) => [status, attempts]);

interface Activity {
  readonly id: string;
  readonly name: string;
  readonly isModelCall: boolean;
  /** Of the attempt that ended it. */
  readonly attempt: number;
  /** Whether its end was recorded when the victim died. */
  readonly wasFinished: boolean;
}

const MODEL_CALLS = ['copilotRoute', 'copilotPlan', 'copilotReview', 'copilotRunAgent'];

/** Sorted, since those of one round run side by side. */
const namesOf = (activities: readonly Activity[]): string[] => activities.map(({ name }) => name).sort();

/** @param died milliseconds since the epoch */
function activitiesIn(events: readonly HistoryEvent[], died: number): Activity[] {
  const startOf = new Map<string, number>();
  const endOf = new Map<string, number>();
  for (const event of events) {
    const { activityTaskStartedEventAttributes: started, activityTaskCompletedEventAttributes: completed } = event;
    if (started) startOf.set(String(started.scheduledEventId), started.attempt ?? 1);
    if (completed) endOf.set(String(completed.scheduledEventId), optionalTsToMs(event.eventTime) ?? 0);
  }
  return events.flatMap(({ eventId, userMetadata, activityTaskScheduledEventAttributes: scheduled }) => {
    if (!scheduled) return [];
    const type = scheduled.activityType?.name ?? '';
    const summary = userMetadata?.summary ? defaultPayloadConverter.fromPayload<string>(userMetadata.summary) : '';
    return [
      {
        id: scheduled.activityId ?? '',
        name: `${type}: ${summary}`,
        isModelCall: MODEL_CALLS.includes(type),
        attempt: startOf.get(String(eventId)) ?? 0,
        wasFinished: (endOf.get(String(eventId)) ?? Infinity) <= died,
      },
    ];
  });
}
