import assert from 'node:assert/strict';
import fc from 'fast-check';
import { StreamedText, type TextEvent } from '../../../src/client/follow/streamed-text.ts';
import { endOf } from '../../../src/contracts/progress.ts';

const CALL = { turnId: 'turn-1', activityId: 'turn-1/one-shot/1' };
const ID = CALL.activityId;

/** What a reader has on the screen after these events. */
function screen(events: readonly TextEvent[], before = '', kind: TextEvent['type'] = 'token'): string {
  return events.reduce((text, event) => {
    if (event.type === 'reset') return '';
    return event.type === kind ? text + event.text : text;
  }, before);
}

describe('text of a running model call', () => {
  it('is given once, although heartbeats overlap and the end brings the whole text', () => {
    const text = new StreamedText();
    assert.deepEqual(text.begin({ ...CALL, step: 2 }), []);
    assert.deepEqual(text.heartbeat(ID, { attempt: 1, offset: 0, text: 'Hel' }, false), [
      { type: 'token', ...CALL, step: 2, attempt: 1, offset: 0, text: 'Hel' },
    ]);
    assert.equal(screen(text.heartbeat(ID, { attempt: 1, offset: 0, text: 'Hello' }, false)), 'lo');
    assert.equal(screen(text.heartbeat(ID, { attempt: 1, offset: 3, text: 'lo wo' }, false)), ' wo');
    assert.deepEqual(text.heartbeat(ID, { attempt: 1, offset: 3, text: 'lo wo' }, false), []);
    assert.equal(screen(text.end({ ...CALL, text: 'Hello world' })), 'rld');
    assert.deepEqual(text.activityIds, []);
  });

  it('is taken back when an attempt fails, and what the dead attempt said last is not shown again', () => {
    const text = new StreamedText();
    text.begin(CALL);
    text.heartbeat(ID, { attempt: 1, offset: 0, text: 'first try' }, false);
    assert.deepEqual(text.attempt(ID, 2), [{ type: 'reset', ...CALL, attempt: 2 }]);
    assert.deepEqual(text.heartbeat(ID, { attempt: 1, offset: 0, text: 'first try goes on' }, false), []);
    assert.deepEqual(text.attempt(ID, 2), []);
    assert.equal(screen(text.heartbeat(ID, { attempt: 2, offset: 0, text: 'second' }, false)), 'second');
    assert.equal(screen(text.end({ ...CALL, text: 'second try' })), ' try');
  });

  it('is taken back when the end shows that another attempt wrote it', () => {
    const text = new StreamedText();
    text.begin(CALL);
    text.heartbeat(ID, { attempt: 1, offset: 0, text: 'first' }, false);
    assert.equal(screen(text.end({ ...CALL, text: 'second' }), 'first'), 'second');
  });

  it('is taken back when a suspended session does the call again', () => {
    const text = new StreamedText();
    text.begin(CALL);
    text.heartbeat(ID, { attempt: 1, offset: 0, text: 'stopped' }, false);
    assert.deepEqual(text.begin(CALL), [{ type: 'reset', ...CALL, attempt: 1 }]);
    assert.equal(screen(text.end({ ...CALL, text: 'done again' })), 'done again');
  });

  it('begins with the window of the heartbeat for a reader who comes in the middle', () => {
    const text = new StreamedText();
    text.begin(CALL);
    assert.equal(screen(text.heartbeat(ID, { attempt: 1, offset: 100, text: 'the end' }, true)), 'the end');
    assert.equal(screen(text.end({ ...CALL, text: `${'x'.repeat(100)}the end of it` })), ' of it');
  });

  it('waits for the whole text where a reader missed a part, so that nothing is missing or out of order', () => {
    const text = new StreamedText();
    text.begin(CALL);
    text.heartbeat(ID, { attempt: 1, offset: 0, text: 'abc' }, false);
    assert.deepEqual(text.heartbeat(ID, { attempt: 1, offset: 5, text: 'fgh' }, false), []);
    assert.equal(screen(text.end({ ...CALL, text: 'abcdefghi' }), 'abc'), 'abcdefghi');
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
    assert.deepEqual(text.end({ activityId: 'turn-9/route', text: 'x' }), []);
  });

  it('comes apart from the reasoning, which is taken back with it and given to its end', () => {
    const text = new StreamedText();
    text.begin(CALL);
    const first = { attempt: 1, offset: 0, text: '', reasoning: { offset: 0, text: 'Let me s' } };
    assert.deepEqual(text.heartbeat(ID, first, false), [
      { type: 'reasoning', ...CALL, attempt: 1, offset: 0, text: 'Let me s' },
    ]);
    assert.deepEqual(text.heartbeat(ID, first, false), []);
    assert.deepEqual(text.attempt(ID, 2), [{ type: 'reset', ...CALL, attempt: 2 }]);
    const second = { attempt: 2, offset: 0, text: 'Yes', reasoning: { offset: 4, text: 'it is' } };
    assert.deepEqual(text.heartbeat(ID, second, true), [
      { type: 'reasoning', ...CALL, attempt: 2, offset: 4, text: 'it is' },
      { type: 'token', ...CALL, attempt: 2, offset: 0, text: 'Yes' },
    ]);
    assert.deepEqual(text.end({ ...CALL, text: 'Yes.', reasoning: { offset: 2, text: 'k it is so' } }), [
      { type: 'reasoning', ...CALL, attempt: 2, offset: 9, text: ' so' },
      { type: 'token', ...CALL, attempt: 2, offset: 3, text: '.' },
    ]);
  });

  it('is on the screen as the model wrote it, and its reasoning, whatever is read and whichever attempts fail', () => {
    const words = fc.string({ unit: 'grapheme', maxLength: 60 });
    const attempt = fc.record({ reasoning: words, text: words, reads: fc.array(fc.nat(120), { maxLength: 6 }) });
    fc.assert(
      fc.property(
        fc.array(attempt, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 20 }),
        (attempts, windowSize) => {
          const text = new StreamedText();
          const events = text.begin(CALL);
          attempts.forEach(({ reasoning, text: whole, reads }, index) => {
            for (const at of reads.toSorted((a, b) => a - b)) {
              const thought = endOf(reasoning.slice(0, at), windowSize);
              const said = endOf(whole.slice(0, Math.max(0, at - reasoning.length)), windowSize);
              events.push(...text.heartbeat(ID, { attempt: index + 1, ...said, reasoning: thought }, false));
            }
          });
          const { text: final = '', reasoning = '' } = attempts.at(-1) ?? {};
          events.push(...text.end({ ...CALL, text: final, reasoning: endOf(reasoning, 1_000) }));
          assert.equal(screen(events), final);
          assert.equal(screen(events, '', 'reasoning'), reasoning);
        },
      ),
      { verbose: true },
    );
  });
});
