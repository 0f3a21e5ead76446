import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CopilotError, type FollowEvent } from '../../../src/client.ts';
import { Cursor, parseCursor } from '../../../src/client/follow/cursor.ts';
import { StreamedText } from '../../../src/client/follow/streamed-text.ts';
import { endOf } from '../../../src/contracts/progress.ts';
import { screen, thoughts } from '../../helpers/client.ts';

const CALL = { turnId: 'turn-1', activityId: 'turn-1/one-shot/1' };
const BEGIN = { session: 'copilot_1', next: 0, turns: [], calls: [], told: [] };
const START: FollowEvent = { seq: 3, at: '', type: 'model-started', agent: 'writer', ...CALL };

/** Gives the events of a call up to `cut` of each reading, and goes on from the cursor as another process would. */
class CutReader {
  readonly events: FollowEvent[] = [];
  #cursor = new Cursor(BEGIN);
  #text = new StreamedText();

  constructor() {
    this.#cursor.pass(START);
    this.#text.begin(CALL);
  }

  read(source: (text: StreamedText) => readonly FollowEvent[], cut: number | undefined): void {
    const given = source(this.#text).slice(0, cut);
    for (const event of given) this.#cursor.pass(event);
    this.events.push(...given);
    if (cut === undefined) return;
    const position = parseCursor(String(this.#cursor));
    this.#cursor = new Cursor(position);
    this.#text = new StreamedText();
    for (const call of position.calls) this.#text.resume(call);
  }
}

describe('cursor of a follower', () => {
  it('[G03] goes on in the middle of a text: nothing is missing and nothing comes twice, whichever attempts fail and wherever it is cut', () => {
    const words = fc.string({ unit: 'grapheme', maxLength: 60 });
    const cut = fc.option(fc.nat(3), { nil: undefined });
    const attempt = fc.record({ reasoning: words, text: words, reads: fc.array(fc.tuple(fc.nat(120), cut)) });
    fc.assert(
      fc.property(
        fc.array(attempt, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(cut),
        (attempts, windowSize, cutsAtEnd) => {
          const reader = new CutReader();
          for (const [index, { reasoning, text: whole, reads }] of attempts.entries()) {
            for (const [at, cutAt] of reads.toSorted(([one], [other]) => one - other)) {
              const thought = endOf(reasoning.slice(0, at), windowSize);
              const said = endOf(whole.slice(0, Math.max(0, at - reasoning.length)), windowSize);
              const heartbeat = { attempt: index + 1, ...said, reasoning: thought };
              reader.read((text) => text.heartbeat(CALL.activityId, heartbeat, false), cutAt);
            }
          }
          const { text: final = '', reasoning = '' } = attempts.at(-1) ?? {};
          const end = { ...CALL, text: final, reasoning: endOf(reasoning, 1_000) };
          for (const cutAt of [...cutsAtEnd, undefined]) reader.read((text) => text.end(end), cutAt);
          assert.equal(screen(reader.events), final);
          assert.equal(thoughts(reader.events), reasoning);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('[G03] remembers the runs of turns and the attempts that were told, until their turn ends', () => {
    const cursor = new Cursor(BEGIN);
    const at = { at: '', turnId: 'turn-1' };
    const error = { type: 'ModelUnavailable', message: 'away' };
    cursor.pass({ ...at, seq: 5, type: 'turn-started', number: 1, text: 'hello' });
    cursor.pass({ ...CALL, type: 'retry', attempt: 2, error, nextAttemptAt: null });
    const middle = parseCursor(String(cursor));
    assert.deepEqual([middle.next, middle.turns, middle.told], [6, ['turn-1'], [[CALL.activityId, 2]]]);
    cursor.pass({ ...at, seq: 6, type: 'turn-ended', number: 1, status: 'completed' });
    const { session } = BEGIN;
    assert.deepEqual(parseCursor(String(cursor)), { session, next: 7, turns: [], calls: [], told: [] });
  });

  it('refuses what no follower gave', () => {
    for (const text of ['', '17', 'e30', Buffer.from('{"next":-1}').toString('base64url')]) {
      assert.throws(
        () => parseCursor(text),
        (error) => error instanceof CopilotError && error.type === 'InvalidInput' && /cursor/.test(error.message),
      );
    }
  });
});
