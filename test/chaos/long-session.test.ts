/**
 * One session of very many turns: two people send at the same time and send again whenever they lose patience, strangers
 * send the same messages through the plain Temporal client, and workers die.
 *
 * With `COPILOT_TEST_FULL` 10,000 turns (`COPILOT_TEST_TURNS` changes that) with the default limits of a session;
 * without, 100 with so small ones that it continues as new and is summarised all the time. Every choice comes from a
 * seed that is printed, and `COPILOT_TEST_SEED` makes the same ones again; when they take effect is a matter of time.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { WorkflowUpdateFailedError } from '@temporalio/client';
import { CopilotClient } from '../../src/client.ts';
import { readStats } from '../../src/connection/worker-sockets.ts';
import { DEFAULT_HISTORY_LIMIT } from '../../src/contracts/limits.ts';
import { segments, send } from '../../src/contracts/messages.ts';
import type { QueuedMessage } from '../../src/contracts/session.ts';
import type { Message } from '../../src/contracts/transcript.ts';
import type { TurnView } from '../../src/contracts/turn.ts';
import { echo, type EchoModel, startEchoModel } from '../helpers/echo-model.ts';
import { bytesOf, runHistories } from '../helpers/history.ts';
import { startWorldOf, type TeamChanges } from '../helpers/own-team.ts';
import { isFull } from '../helpers/full.ts';
import { seed, seededRandom } from '../helpers/random.ts';
import { isolatedConfig } from '../helpers/server.ts';
import type { World } from '../helpers/world.ts';

interface Form {
  readonly turns: number;
  readonly historyLimit: number;
  readonly team: TeamChanges;
  /** Turns from one kill to the next, at least and at most, and kills in all. */
  readonly killAfter: readonly [number, number];
  readonly kills: number;
}

const FULL: Form = {
  turns: 10_000,
  historyLimit: DEFAULT_HISTORY_LIMIT,
  team: {},
  killAfter: [200, 400],
  kills: Number.POSITIVE_INFINITY,
};
const SHORT: Form = {
  turns: 80,
  historyLimit: 40,
  team: { team: { compaction: { atTokens: 1_500, keepTokens: 400 } } },
  killAfter: [25, 55],
  kills: 1,
};
const form: Form = {
  ...(isFull ? FULL : SHORT),
  ...(process.env['COPILOT_TEST_TURNS'] === undefined ? {} : { turns: Number(process.env['COPILOT_TEST_TURNS']) }),
};

const PEOPLE = ['ada', 'ben'];
const ID = 'long-session';
/** After so long without a sign of life from its worker a call is made again. */
const HEARTBEAT_TIMEOUT_MS = 5_000;
/** Shares of messages. */
const IMPATIENT = 0.3;
const SENT_BY_STRANGERS = 0.2;
const SENT_AGAIN_LATER = 0.1;
/** Longest patience of somebody who has little, in ms: a turn takes about as long. */
const MAX_PATIENCE_MS = 80;
/** How many messages later one may be sent again: fewer than a session remembers, since there are two people. */
const LATER = 100;
const MIN_CONTINUATIONS = 10;
/** Begin and end of a session, as shares of its turns: the first tenth warms up. */
const BEGIN = [0.1, 0.4] as const;
const END = [0.7, 1] as const;
/** The end may be so many times the begin. */
const GROWTH = 2;
/** Events that one turn and those who wait for it may add behind the limit. */
const LAST_TURN_EVENTS = 30;

interface Answered {
  readonly message: QueuedMessage;
  readonly turn: TurnView;
  /** From the first attempt to the answer. */
  readonly ms: number;
}

interface Run {
  readonly events: number;
  readonly bytes: number;
  /** Input of a run that continues another, in bytes; 0 for the first. */
  readonly carriedBytes: number;
}

describe('a long session', function () {
  this.timeout(isFull ? 60 * 60_000 : 180_000);
  const answered: Answered[] = [];
  /** When workers were killed, in ms since the epoch. */
  const kills: number[] = [];
  /** What strangers were answered, and how often they were refused with what. */
  const strangers: Promise<void>[] = [];
  const refusals = new Map<string, number>();
  const counts = { retries: 0, duplicates: 0, later: 0, laterWithoutText: 0 };
  const memoryMiB: number[] = [];
  /** Turns as a follower saw them begin. */
  const followed: [number: number, text: string][] = [];
  let world: World;
  let model: EchoModel;
  let runs: readonly Run[];
  let conversation: readonly Message[];

  before(async () => {
    model = await startEchoModel();
    world = await startWorldOf({ default: form.team }, { workers: 2, env: { OPENAI_BASE_URL: model.baseUrl } });
    console.log(`      seed ${seed}, ${form.turns} turns`);
    await live();
    conversation = (await world.copilot.session(ID).transcript({ all: true })).messages;
    runs = await readRuns();
    report();
  });
  after(async () => {
    await world?.stop();
    await model?.close();
  });

  /** The whole life of the session. */
  async function live(): Promise<void> {
    await world.copilot.create({ id: ID, mode: 'one-shot', config: { historyLimit: form.historyLimit } });
    const following = followTurns();
    const killing = killWorkers();
    const share = form.turns / PEOPLE.length;
    await Promise.all(PEOPLE.map((name, index) => converse(name, index, share)));
    await killing;
    await noteMemory();
    await Promise.all([Promise.all(strangers), following]);
  }

  /** Somebody who comes in the middle and goes again: a follower costs, and begin and end are compared. */
  async function followTurns(): Promise<void> {
    const [from, to] = [BEGIN[1] * form.turns, END[0] * form.turns];
    while (answered.length < from) await sleep(20);
    for await (const event of world.copilot.session(ID).follow()) {
      if (event.type === 'turn-started') followed.push([event.number, event.text]);
      if (event.type === 'turn-ended' && event.number >= to) return;
    }
  }

  async function noteMemory(): Promise<void> {
    const { workers } = await readStats(world.server.homeDir);
    memoryMiB.push(...workers.map(({ agents }) => Math.round(agents.memoryBytes / 2 ** 20)));
  }

  async function converse(name: string, index: number, count: number): Promise<void> {
    const { address, homeDir } = world.server;
    const copilot = await CopilotClient.connect({ config: isolatedConfig(homeDir), address });
    const own: Answered[] = [];
    try {
      for (let number = 1; number <= count; number++) {
        // One for each message: how often it is tried is a matter of time, and must not change what comes after it.
        const random = seededRandom(seed + 1_000_000 * (index + 1) + number);
        const padding = 'word '.repeat(Math.floor(random() * 30));
        const message = { messageId: `${name}-${number}`, text: `[${name}-${number}] ${padding}`.trim() };
        const entry = await ask(copilot, message, random);
        own.push(entry);
        answered.push(entry);
        const earlier = own.at(-1 - Math.floor(random() * Math.min(LATER, own.length)));
        if (earlier && random() < SENT_AGAIN_LATER) await askAgain(copilot, earlier);
      }
    } finally {
      await copilot.close();
    }
  }

  /** Sends until there is an answer. Whoever gives up sends the same again. */
  async function ask(copilot: CopilotClient, message: QueuedMessage, random: () => number): Promise<Answered> {
    const { messageId, text } = message;
    const startedAt = performance.now();
    for (;;) {
      if (random() < SENT_BY_STRANGERS) strangers.push(sendByStranger(message, random() < 0.5));
      const patience = random() < IMPATIENT ? AbortSignal.timeout(Math.ceil(random() * MAX_PATIENCE_MS)) : undefined;
      try {
        const turn = await copilot.session(ID).send(text, { messageId, signal: patience });
        return { message, turn, ms: performance.now() - startedAt };
      } catch (error) {
        if (!patience?.aborted) throw error;
        counts.retries += 1;
      }
    }
  }

  async function askAgain(copilot: CopilotClient, { message, turn }: Answered): Promise<void> {
    counts.later += 1;
    const again = await copilot.session(ID).send(message.text, { messageId: message.messageId });
    assert.equal(again.id, turn.id, `${message.messageId}, sent again`);
    // Of a turn that a summary has taken in, the session itself no longer has the words.
    if (again.reply === '') counts.laterWithoutText += 1;
    else assert.equal(again.reply, turn.reply, `${message.messageId}, sent again`);
  }

  /** The same message through the plain Temporal client, as the same update or as another. */
  async function sendByStranger(message: QueuedMessage, isSameUpdate: boolean): Promise<void> {
    counts.duplicates += 1;
    const updateId = isSameUpdate ? message.messageId : `stranger-${counts.duplicates}`;
    try {
      const handle = world.temporal.workflow.getHandle(ID);
      const turn = await handle.executeUpdate(send, { args: [message], updateId });
      assert.equal(turn.messageId, message.messageId);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
      const name = cause && 'type' in cause ? String(cause.type) : error instanceof Error ? error.name : 'unknown';
      refusals.set(name, (refusals.get(name) ?? 0) + 1);
    }
  }

  /** Most often the worker that has the session; a new one takes its place. */
  async function killWorkers(): Promise<void> {
    const random = seededRandom(seed);
    const [least, most] = form.killAfter;
    for (let next = 0; kills.length < form.kills;) {
      next = answered.length + least + Math.floor(random() * (most - least));
      while (answered.length < Math.min(next, form.turns)) await sleep(20);
      if (next > form.turns - least / 2) return;
      await noteMemory();
      const { lastWorker } = await world.copilot.session(ID).info();
      await sleep(random() * 100);
      const holder = world.workers.findIndex(({ pid }) => lastWorker?.identity.startsWith(`copilot-${pid}@`));
      const index = holder >= 0 && (!isFull || random() < 0.7) ? holder : Math.floor(random() * world.workers.length);
      const [victim] = world.workers.splice(index, 1);
      kills.push(Date.now());
      await victim?.kill();
      await world.startWorker();
    }
  }

  async function readRuns(): Promise<Run[]> {
    const found: Run[] = [];
    for await (const events of runHistories(world.temporal, ID)) {
      const started = events[0]?.workflowExecutionStartedEventAttributes;
      const [input] = started?.continuedExecutionRunId ? (started.input?.payloads ?? []) : [];
      found.push({
        events: events.length,
        bytes: events.reduce((sum, event) => sum + bytesOf(event), 0),
        carriedBytes: input?.data?.length ?? 0,
      });
    }
    return found;
  }

  const within = <T>(all: readonly T[], [from, to]: readonly [number, number]): readonly T[] =>
    all.slice(Math.floor(all.length * from), Math.ceil(all.length * to));
  const latencies = (part: readonly [number, number]) => within(answered, part).map(({ ms }) => ms);
  const carried = (part: readonly [number, number]) => within(runs, part).map(({ carriedBytes }) => carriedBytes);

  function report(): void {
    const kib = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;
    const lines = [
      `${runs.length} runs, ${model.summaries} summaries, ${kills.length} workers killed`,
      `${counts.retries} times sent again in impatience, ${counts.later} times much later (${counts.laterWithoutText} answered without the text)`,
      `${counts.duplicates} times sent by strangers, refused: ${JSON.stringify(Object.fromEntries(refusals))}`,
      `events of a run: median ${median(runs.map(({ events }) => events))}, most ${Math.max(...runs.map(({ events }) => events))}`,
      `history of a run: median ${kib(median(runs.map(({ bytes }) => bytes)))}, most ${kib(Math.max(...runs.map(({ bytes }) => bytes)))}`,
      `carried state, median and most: begin ${kib(median(carried(BEGIN)))}, ${kib(Math.max(...carried(BEGIN)))}; end ${kib(median(carried(END)))}, ${kib(Math.max(...carried(END)))}`,
      `from message to answer, p50: begin ${median(latencies(BEGIN)).toFixed(0)} ms; end ${median(latencies(END)).toFixed(0)} ms`,
      `memory of workers: ${memoryMiB.join(', ')} MiB`,
    ];
    console.log(lines.map((line) => `      ${line}`).join('\n'));
  }

  it('[R03] answers every message exactly once, in the order in which it took them, over all its continue-as-news', async () => {
    assert.ok(runs.length > MIN_CONTINUATIONS, `${runs.length} runs`);
    assert.ok(model.summaries > 0, 'nothing was ever summarised');
    const byNumber = answered.toSorted((a, b) => a.turn.number - b.turn.number);
    assert.deepEqual(
      byNumber.map(({ turn }) => turn.number),
      Array.from({ length: form.turns }, (_, index) => index + 1),
    );
    for (const { message, turn } of answered) {
      assert.deepEqual([turn.messageId, turn.status, turn.reply], [message.messageId, 'completed', echo(message.text)]);
    }
    const said = conversation.map(({ role, text, ...rest }) => [role, text, 'turn' in rest ? rest.turn : undefined]);
    const expected = byNumber.flatMap(({ message, turn }) => [
      ['user', message.text, turn.number],
      ['assistant', turn.reply, turn.number],
    ]);
    assert.equal(said.length, expected.length);
    for (const [index, line] of said.entries()) assert.deepEqual(line, expected[index], `message ${index + 1}`);
    for (const name of PEOPLE) {
      const own = byNumber.filter(({ message }) => message.messageId.startsWith(`${name}-`));
      assert.deepEqual(
        own.map(({ message }) => message.messageId),
        own.map((_, index) => `${name}-${index + 1}`),
      );
    }
    const [first] = followed;
    assert.ok(first && followed.length >= 0.8 * (END[0] - BEGIN[1]) * form.turns, `${followed.length} turns followed`);
    assert.deepEqual(
      followed,
      byNumber
        .slice(first[0] - 1, first[0] - 1 + followed.length)
        .map(({ message, turn }) => [turn.number, message.text]),
    );
    const file = await world.copilot.session(ID).export();
    assert.deepEqual([...(file.earlier ?? []), ...file.conversation.slice(1)], conversation);
    const { turns, runs: counted } = await world.copilot.session(ID).info();
    assert.deepEqual([turns, counted], [form.turns, runs.length]);
  });

  it('asks its model once for each message, but for a call whose worker was killed, or stood still for 5 s', () => {
    assert.equal(model.calls.size, form.turns);
    const repeated = [...model.calls].filter(([, times]) => times.length > 1);
    let stalls = 0;
    for (const [name, times] of repeated) {
      for (const [index, time] of times.slice(1).entries()) {
        const before = times[index] ?? 0;
        if (kills.some((kill) => before <= kill && kill <= time)) continue;
        // On a machine with too much to do a living worker may give no sign of life for that long.
        const ms = time - before;
        assert.ok(ms >= HEARTBEAT_TIMEOUT_MS, `the model was asked about ${name} again after ${ms} ms, without a kill`);
        stalls += 1;
      }
    }
    const extra = repeated.reduce((sum, [, times]) => sum + times.length - 1, 0);
    assert.ok(extra <= kills.length + stalls, `${extra} calls were made again after ${kills.length} kills`);
    console.log(`      ${extra} calls were made again, ${stalls} of them since a worker stood still`);
  });

  it('keeps the originals of what it summarised', async () => {
    const kept = await world.temporal.workflow.getHandle(ID).query(segments);
    // A summary that was cut off is made again, and counts twice at the model.
    assert.ok(kept.length <= model.summaries && kept.length >= model.summaries - kills.length);
  });

  it('costs at its end what it cost at its begin', () => {
    const most = Math.max(...runs.map(({ events }) => events));
    assert.ok(most <= 1.5 * form.historyLimit + LAST_TURN_EVENTS, `a run of ${most} events`);
    const grown = (values: (part: readonly [number, number]) => readonly number[], of: typeof median): number =>
      of(values(END)) / of(values(BEGIN));
    const state = grown(carried, (bytes) => Math.max(...bytes));
    assert.ok(state <= GROWTH, `the carried state grew ${state.toFixed(2)} times`);
    // A server lets a second pass between the begins of two runs: with few turns in a run that is most of what is measured.
    if (!isFull) return;
    const latency = grown(latencies, median);
    assert.ok(latency <= GROWTH, `turns take ${latency.toFixed(2)} times as long`);
  });
});

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
