import assert from 'node:assert/strict';
import fc from 'fast-check';
import { StreamedText, type TextEvent } from '../../../src/client/follow/streamed-text.ts';

const CALL = { turnId: 'turn-1', activityId: 'turn-1/one-shot/1' };
const ID = CALL.activityId;

/** What a reader has on the screen after these events. */
function screen(events: readonly TextEvent[], before = ''): string {
  return events.reduce((text, event) => (event.type === 'reset' ? '' : text + event.text), before);
}

describe('text of a running model call', () => {
  it('is given once, although heartbeats overlap and the end brings the whole text', () => {
    const text = new StreamedText();
    assert.deepEqual(text.begin({ ...CALL, step: 2 }), []);
    assert.deepEqual(text.heartbeat(ID, { attempt: 1, offset: 0, text: 'Hel' }, false), [
      { type: 'token', ...CALL, step: 2, text: 'Hel' },
    ]);
    assert.equal(screen(text.heartbeat(ID, { attempt: 1, offset: 0, text: 'Hello' }, false)), 'lo');
    assert.equal(screen(text.heartbeat(ID, { attempt: 1, offset: 3, text: 'lo wo' }, false)), ' wo');
    assert.deepEqual(text.heartbeat(ID, { attempt: 1, offset: 3, text: 'lo wo' }, false), []);
    assert.equal(screen(text.end(CALL, 'Hello world')), 'rld');
    assert.deepEqual(text.activityIds, []);
  });

  it('is taken back when an attempt fails, and what the dead attempt said last is not shown again', () => {
    const text = new StreamedText();
    text.begin(CALL);
    text.heartbeat(ID, { attempt: 1, offset: 0, text: 'first try' }, false);
    assert.deepEqual(text.attempt(ID, 2), [{ type: 'reset', ...CALL }]);
    assert.deepEqual(text.heartbeat(ID, { attempt: 1, offset: 0, text: 'first try goes on' }, false), []);
    assert.deepEqual(text.attempt(ID, 2), []);
    assert.equal(screen(text.heartbeat(ID, { attempt: 2, offset: 0, text: 'second' }, false)), 'second');
    assert.equal(screen(text.end(CALL, 'second try')), ' try');
  });

  it('is taken back when the end shows that another attempt wrote it', () => {
    const text = new StreamedText();
    text.begin(CALL);
    text.heartbeat(ID, { attempt: 1, offset: 0, text: 'first' }, false);
    assert.equal(screen(text.end(CALL, 'second'), 'first'), 'second');
  });

  it('is taken back when a suspended session does the call again', () => {
    const text = new StreamedText();
    text.begin(CALL);
    text.heartbeat(ID, { attempt: 1, offset: 0, text: 'stopped' }, false);
    assert.deepEqual(text.begin(CALL), [{ type: 'reset', ...CALL }]);
    assert.equal(screen(text.end(CALL, 'done again')), 'done again');
  });

  it('begins with the window of the heartbeat for a reader who comes in the middle', () => {
    const text = new StreamedText();
    text.begin(CALL);
    assert.equal(screen(text.heartbeat(ID, { attempt: 1, offset: 100, text: 'the end' }, true)), 'the end');
    assert.equal(screen(text.end(CALL, `${'x'.repeat(100)}the end of it`)), ' of it');
  });

  it('waits for the whole text where a reader missed a part, so that nothing is missing or out of order', () => {
    const text = new StreamedText();
    text.begin(CALL);
    text.heartbeat(ID, { attempt: 1, offset: 0, text: 'abc' }, false);
    assert.deepEqual(text.heartbeat(ID, { attempt: 1, offset: 5, text: 'fgh' }, false), []);
    assert.equal(screen(text.end(CALL, 'abcdefghi'), 'abc'), 'abcdefghi');
  });

  it('never gives half of a character', () => {
    const text = new StreamedText();
    text.begin(CALL);
    assert.equal(screen(text.heartbeat(ID, { attempt: 1, offset: 0, text: 'ok \ud83d' }, false)), 'ok ');
    assert.equal(
      screen(text.heartbeat(ID, { attempt: 1, offset: 0, text: 'ok \ud83d\ude00!' }, false)),
      '\ud83d\ude00!',
    );
  });

  it('of a call that nobody announced is not shown', () => {
    const text = new StreamedText();
    assert.deepEqual(text.heartbeat('turn-9/route', { attempt: 1, offset: 0, text: 'x' }, false), []);
    assert.deepEqual(text.end({ activityId: 'turn-9/route' }, 'x'), []);
  });

  it('is on the screen as the model wrote it, whatever is read of it and whichever attempts fail', () => {
    const attempt = fc.record({
      text: fc.string({ unit: 'grapheme', maxLength: 60 }),
      reads: fc.array(fc.nat(60), { maxLength: 6 }),
    });
    fc.assert(
      fc.property(
        fc.array(attempt, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 20 }),
        (attempts, windowSize) => {
          const text = new StreamedText();
          const events = text.begin(CALL);
          attempts.forEach(({ text: whole, reads }, index) => {
            for (const at of reads.toSorted((a, b) => a - b)) {
              const soFar = whole.slice(0, at);
              const offset = Math.max(0, soFar.length - windowSize);
              events.push(...text.heartbeat(ID, { attempt: index + 1, offset, text: soFar.slice(offset) }, false));
            }
          });
          const final = attempts.at(-1)?.text ?? '';
          events.push(...text.end(CALL, final));
          assert.equal(screen(events), final);
        },
      ),
      { verbose: true },
    );
  });
});
