/** Putting a conversation together from what its runs were started with. */
import assert from 'node:assert/strict';
import { prependMissing } from '../../../src/client/reading/whole-conversation.ts';
import { type Message, placeholder, standsForOthers } from '../../../src/contracts/transcript.ts';

const said = (...numbers: number[]): Message[] =>
  numbers.map((number) => ({ role: 'user', text: `message ${number}`, turnId: `turn-${number}`, turn: number }));

describe('a whole conversation', () => {
  it('gets its begin from an earlier time, whatever of it the two have in common', () => {
    const live = [placeholder(3, 'sum'), ...said(4, 5, 6)];
    for (const before of [said(1, 2, 3, 4), said(1, 2, 3, 4, 5), said(1, 2, 3, 4, 5, 6), said(1, 2, 3)])
      assert.deepEqual(prependMissing(live, before), said(1, 2, 3, 4, 5, 6));
  });

  it('gets more of it from each earlier time, until no summary is left', () => {
    const second = [placeholder(2, 'first'), ...said(3, 4, 5, 6)];
    const live = [placeholder(4, 'second'), ...said(6, 7)];
    const half = prependMissing(live, second);
    assert.deepEqual(half, [placeholder(2, 'first'), ...said(3, 4, 5, 6, 7)]);
    assert.deepEqual(prependMissing(half, said(1, 2, 3)), said(1, 2, 3, 4, 5, 6, 7));
  });

  it('stays as it is where the earlier time knows no more', () => {
    const live = [placeholder(3, 'sum'), ...said(4, 5, 6)];
    for (const before of [[], [placeholder(3, 'sum')], [placeholder(3, 'sum'), ...said(4, 5)], said(4, 5)])
      assert.deepEqual(prependMissing(live, before), live);
  });

  it('takes the same words of different turns for different messages', () => {
    const yes = (turn: number): Message => ({ role: 'user', text: 'yes', turnId: `turn-${turn}`, turn });
    const live = [placeholder(2, 'sum'), yes(3), yes(4)];
    assert.deepEqual(prependMissing(live, [yes(1), yes(2), yes(3)]), [yes(1), yes(2), yes(3), yes(4)]);
  });

  it('knows a summary from what a person wrote', () => {
    assert.equal(standsForOthers(placeholder(12, 'sum')), true);
    assert.equal(standsForOthers(placeholder(12)), true);
    // A person may write the very words of a summary.
    assert.equal(standsForOthers({ role: 'user', text: placeholder(12, 'sum').text }), false);
  });
});
