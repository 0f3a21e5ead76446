/**
 * Whatever anyone sends to a session: every signal, update and query of the contract, and names that are in none,
 * with payloads that no client of ours would send. `COPILOT_TEST_SEED` draws the same ones again.
 */
import assert from 'node:assert/strict';
import { isGrpcServiceError } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import fc from 'fast-check';
import { z } from 'zod';
import type { SessionHandle } from '../../../src/client.ts';
import * as messages from '../../../src/contracts/messages.ts';
import * as payloads from '../../../src/contracts/payloads.ts';
import { noTaskFailed } from '../../helpers/history.ts';
import { type Outcome, payloadOf, Stranger } from '../../helpers/raw-messages.ts';
import { isFull, itInFull, someOf } from '../../helpers/full.ts';
import { seed } from '../../helpers/random.ts';
import { CORPUS, spoiled, spoiledFrom } from '../../helpers/spoiled-payloads.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { startWorld, type World } from '../../helpers/world.ts';

const DRAWN = isFull ? 300 : 3;
/** https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
const NOT_FOUND = 5;

const named = (kind: 'signal' | 'update' | 'query'): string[] =>
  Object.values(messages).flatMap((value) =>
    typeof value === 'object' && 'name' in value && value.type === kind ? [value.name] : [],
  );
const UNKNOWN = ['selfDestruct', '__proto__', 'constructor', 'toString', 'a\u0000b', '😀'.repeat(200), '__stack_trace'];
const RESERVED = ['__temporal_anything', '__temporal_workflow_metadata'];

const IGNORED = /^Signal "[^"]*" was ignored: (there is no such signal|it cannot be read: .*)\.$/s;

/** Takes nothing. */
const BARE = ['move'];

function schemaOf(name: string): z.ZodType {
  if (BARE.includes(name)) return z.unknown();
  const schema = Object.entries(payloads).find(([key]) => key.toLowerCase() === `${name}payload`.toLowerCase())?.[1];
  assert.ok(schema instanceof z.ZodType, `${name} has no schema ${name}Payload`);
  return schema;
}

describe(`[R06] what anyone sends (seed ${seed})`, function () {
  this.timeout(isFull ? 3_600_000 : 240_000);
  let world: World;
  let stranger: Stranger;
  let original: SessionHandle;

  before(async () => {
    world = await startWorld({ env: { COPILOT_LOG_LEVEL: 'warn' } });
    stranger = new Stranger(world.temporal);
    playTeam(world.model, {
      files: ['a.txt'],
      answer: 'still here',
      instead: ({ phase, last }) => (phase === 'inline' && !last.includes('plan') ? { text: 'still here' } : undefined),
    });
  });
  before(async () => void (original = await world.copilot.create({ mode: 'one-shot' })));
  after(() => world?.stop());

  /** With a plan that waits for somebody's approval, a snapshot and a value: there is something for every message. */
  async function busySession(): Promise<SessionHandle> {
    const session = await world.copilot.create({ config: { approvals: { plan: true }, historyLimit: 400 } });
    await session.setContext('city', 'Ulm');
    assert.equal((await session.send('make a plan')).status, 'awaiting-approval');
    return session;
  }

  /** The session goes on as if nothing had been, whatever was valid among what it got. */
  async function goesOn(session: SessionHandle): Promise<void> {
    await noTaskFailed(world.temporal, session.id);
    const { status, notes } = await session.info();
    assert.ok(
      notes.length <= 20 && notes.every(({ text }) => text.length < 1_000),
      JSON.stringify(notes).slice(0, 2_000),
    );
    if (status === 'completed') return;
    await session.continue();
    await session.interrupt();
    const team = await world.temporal.workflow.getHandle(original.id).query(messages.team);
    const settings = {
      team,
      mode: 'one-shot',
      approvals: null,
      budget: null,
      agents: { writer: null, engineer: null },
    };
    assert.equal(await stranger.update(session.id, 'configure', [payloadOf(JSON.stringify(settings))]), 'done');
    const turn = await session.send('still there?');
    assert.equal(turn.reply, 'still here', `${session.id}: ${JSON.stringify(turn.error)}`);
  }

  function draw(name: string) {
    return fc.sample(spoiled(schemaOf(name)), { seed, numRuns: DRAWN });
  }

  for (const name of someOf(named('signal'), 1)) {
    it(`as signal "${name}" is noted and ignored, and the session goes on`, async () => {
      const session = await busySession();
      for (const payloads of Object.values(CORPUS)) await stranger.signal(session.id, name, payloads);
      await goesOn(session);
      for (const payload of draw(name)) await stranger.signal(session.id, name, [payload]);
      await goesOn(session);
    });
  }

  for (const name of someOf(named('update'), 1)) {
    it(`as update "${name}" is refused with a reason, and the session goes on`, async () => {
      const session = await busySession();
      for (const [what, payloads] of Object.entries(CORPUS)) {
        refusedWell(await stranger.update(session.id, name, payloads), `${name}: ${what}`);
      }
      for (const payload of draw(name)) {
        const outcome = await stranger.update(session.id, name, [payload], 'ACCEPTED').catch(ifClosed);
        refusedWell(outcome, `${name}: ${String(payload.data).slice(0, 500)}`);
      }
      await goesOn(session);
    });
  }

  itInFull('of more than the server keeps is refused, and does not end the session', async () => {
    const session = await busySession();
    for (const bytes of someOf([2_080_770, 2_085_000, 2 * 1024 * 1024, 3_500_000], 2)) {
      const payload = payloadOf(' '.repeat(bytes));
      for (const name of ['suspend', 'anything']) {
        // Up to 2 MiB a signal is kept: noted, and ignored.
        await stranger.signal(session.id, name, [payload]).catch((error: unknown) => {
          assert.ok(isGrpcServiceError(error) && bytes >= 2 * 1024 * 1024, String(error));
        });
      }
      for (const name of ['send', 'save', 'anything']) {
        const outcome = await stranger.update(session.id, name, [payload]).catch((error: unknown) => {
          // From 2 MiB on the server does not even take the refusal, in which the whole update stands.
          assert.ok(isGrpcServiceError(error) && bytes >= 2 * 1024 * 1024, `${name}, ${bytes} bytes: ${String(error)}`);
        });
        if (outcome) assert.equal(typeof outcome === 'string' ? outcome : outcome.type, 'InvalidInput');
      }
    }
    await goesOn(session);
  });

  it('as a team with anything in it, and the session goes on', async () => {
    const session = await busySession();
    const team = await world.temporal.workflow.getHandle(original.id).query(messages.team);
    await session.interrupt();
    for (const payload of fc.sample(spoiledFrom({ team, mode: 'copilot' }), { seed, numRuns: 3 * DRAWN })) {
      const what = String(payload.data).slice(0, 2_000);
      const outcome = await stranger.update(session.id, 'configure', [payload]);
      refusedWell(outcome, what);
      if (outcome !== 'done') continue;
      const signal = AbortSignal.timeout(2_000);
      // With such a team its turn may fail, or wait for somebody.
      await session.send('hello', { signal }).catch(() => undefined);
      await session.interrupt();
    }
    await goesOn(session);
  });

  it('under names that no signal, update or query has, or that Temporal keeps for itself', async () => {
    const session = await busySession();
    for (const name of [...UNKNOWN, ...RESERVED]) {
      for (const payloads of someOf([[], CORPUS['broken JSON'], CORPUS['an unknown encoding']], 1)) {
        assert.ok(payloads);
        await stranger.signal(session.id, name, payloads);
        const outcome = await stranger.update(session.id, name, payloads);
        assert.notEqual(outcome, 'done', name);
        await refusedOrAnswered(stranger.query(session.id, name, payloads), name);
      }
      const { notes } = await session.info();
      assert.match(notes.at(-1)?.text ?? '', IGNORED);
    }
    await goesOn(session);
  });

  it('as arguments of queries is answered or refused, and changes nothing', async () => {
    const session = await busySession();
    const before = await session.info();
    for (const name of named('query')) {
      const corpus = Object.entries(CORPUS).filter(
        ([, payloads]) => !isLarge(payloads) || name === 'transcript' || isFull,
      );
      const drawn = isFull
        ? corpus
        : fc.sample(fc.shuffledSubarray(corpus, { minLength: 4, maxLength: 4 }), { seed, numRuns: 1 })[0];
      for (const [what, payloads] of drawn ?? []) {
        // One for each of its parameters.
        const args = [...payloads, ...payloads];
        await refusedOrAnswered(stranger.query(session.id, name, args), `${name}: ${what}`);
      }
    }
    assert.deepEqual(await session.info(), before);
    await goesOn(session);
  });
});

function isLarge(payloads: readonly Payload[]): boolean {
  return payloads.some(({ data }) => (data?.length ?? 0) > 100_000);
}

/** One of the spoiled payloads may have been good enough to complete the session. */
function ifClosed(error: unknown): Outcome {
  assert.ok(isGrpcServiceError(error) && error.code === NOT_FOUND, String(error));
  return 'done';
}

/** The reason is short enough to read, and is no defect of the program. */
function refusedWell(outcome: Outcome, what: string): void {
  if (typeof outcome === 'string') return;
  assert.ok(outcome.message.length < 1_000, `${what}: ${outcome.message.length} characters`);
  assert.doesNotMatch(`${outcome.type} ${outcome.message}`, /RangeError|TypeError|ReferenceError|stack/, what);
}

async function refusedOrAnswered(query: Promise<void>, what: string): Promise<void> {
  try {
    await query;
  } catch (error) {
    assert.ok(isGrpcServiceError(error), `${what}: ${String(error)}`);
    assert.ok(error.details.length < 2_000, `${what}: ${error.details.length} characters`);
  }
}
