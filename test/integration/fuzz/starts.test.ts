/** Sessions that somebody starts by hand, with whatever input. `COPILOT_TEST_SEED` draws the same ones again. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Payload, defaultPayloadConverter } from '@temporalio/common';
import fc from 'fast-check';
import { type HistoryEvent, until } from '../../helpers/history.ts';
import { payloadOf, Stranger } from '../../helpers/raw-messages.ts';
import { isFull } from '../../helpers/full.ts';
import { seed } from '../../helpers/random.ts';
import { CORPUS, NEEDS_MORE, spoiledFrom } from '../../helpers/spoiled-payloads.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { startWorld, type World } from '../../helpers/world.ts';

const DRAWN = isFull ? 1_000 : 6;
const ANSWER_MS = 2_000;
const TASK_COMPLETED = 7;
const TASK_FAILED = 9;

describe(`a session that is started by hand (seed ${seed})`, function () {
  this.timeout(isFull ? 3_600_000 : 240_000);
  let world: World;
  let stranger: Stranger;
  let started = 0;

  before(async () => {
    world = await startWorld({ env: { COPILOT_LOG_LEVEL: 'warn' } });
    stranger = new Stranger(world.temporal);
    playTeam(world.model, { answer: 'still here' });
  });
  after(() => world?.stop());

  /** The failure that it ended with, or undefined where it runs. */
  async function failureOf(payloads: readonly Payload[], what: string, type?: string): Promise<string | undefined> {
    const workflowId = `by-hand-${(started += 1)}`;
    await stranger.start(workflowId, payloads, type);
    const handle = world.temporal.workflow.getHandle(workflowId);
    const events = await until(`${what} is looked at`, async () => {
      const { events: so = [] } = await handle.fetchHistory();
      return (so ?? []).some(({ eventType }) => eventType === TASK_COMPLETED || eventType === TASK_FAILED) && so;
    });
    noTaskFailed(events, what);
    const outer = events.at(-1)?.workflowExecutionFailedEventAttributes?.failure;
    const failure = outer?.cause ?? outer;
    if (failure) return `${failure.applicationFailureInfo?.type}: ${failure.message}`;
    if (type !== undefined) return undefined;
    // Its team may be one that answers nothing: then its turn fails, or waits.
    const answered = handle.executeUpdate('send', { args: [{ text: 'hello' }] }).catch(() => undefined);
    await Promise.race([answered, sleep(ANSWER_MS)]);
    noTaskFailed((await handle.fetchHistory()).events ?? [], what);
    await handle.terminate();
    await answered;
    return undefined;
  }

  function noTaskFailed(events: readonly HistoryEvent[], what: string): void {
    const failed = events.find(({ eventType }) => eventType === TASK_FAILED);
    assert.equal(failed?.workflowTaskFailedEventAttributes?.failure?.message, undefined, what);
  }

  /** Input of a run of a real session. */
  async function inputOf(id: string): Promise<object> {
    const { events } = await world.temporal.workflow.getHandle(id).fetchHistory();
    const [payload] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    assert.ok(payload);
    return defaultPayloadConverter.fromPayload<object>(payload);
  }

  it('with no input of any known form fails at once, with a reason', async () => {
    for (const [what, payloads] of Object.entries(CORPUS)) {
      // It waits for a worker that has the key or the store.
      if (what in NEEDS_MORE) continue;
      assert.match((await failureOf(payloads, what)) ?? 'it runs', /^InvalidInput: Input of the workflow/, what);
      const failure = (await failureOf(payloads, what, 'copilotResolveTeam')) ?? 'it runs';
      assert.match(failure, /^(InvalidInput|TeamNotFound): |it runs/, `${what}: ${failure}`);
    }
  });

  it('with an input that is wrong in one place fails at once, or runs', async () => {
    const origin = await world.copilot.create({ context: { city: 'Ulm' }, message: 'hello' });
    const good = await inputOf(origin.id);
    for (const payload of fc.sample(spoiledFrom(good), { seed, numRuns: DRAWN })) {
      const what = String(payload.data).slice(0, 2_000);
      assert.match((await failureOf([payload], what)) ?? 'InvalidInput', /^InvalidInput/, what);
    }
    const file = await origin.export();
    for (const payload of fc.sample(spoiledFrom({ start: { ...Reflect.get(good, 'start'), from: file } }), {
      seed,
      numRuns: DRAWN,
    })) {
      const what = String(payload.data).slice(0, 2_000);
      assert.match((await failureOf([payload], what)) ?? 'InvalidInput', /^InvalidInput/, what);
    }
  });

  it('with what another carried from run to run fails at once: a session is continued by itself only', async () => {
    const session = await world.copilot.create({ mode: 'one-shot', config: { historyLimit: 40 } });
    for (let turn = 0; (await session.info()).runs === 1; turn++) await session.send(`message ${turn}`);
    const carried = await inputOf(session.id);
    assert.ok('carried' in carried);
    for (const input of [carried, { carried: null }, { carried: {} }, { carried: [] }]) {
      const failure = await failureOf([payloadOf(JSON.stringify(input))], 'carried');
      assert.match(failure ?? 'it runs', /^InvalidInput: Input of the workflow/);
    }
  });
});
