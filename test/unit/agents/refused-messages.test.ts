import assert from 'node:assert/strict';
import type { Message } from '../../../src/contracts/transcript.ts';
import { withoutRefused } from '../../../src/agents/refused-messages.ts';

const said = (turnId: string, text: string): Message => ({ role: 'user', text, turnId });
const ended = (turnId: string, error: string): Message => ({
  role: 'assistant',
  text: `[This turn ended without an answer: Invalid value: poison]`,
  error,
  turnId,
  partial: true,
});

describe('a conversation without what was refused', () => {
  it('has the turns that the API refused left out, and nothing that quotes them', () => {
    const before: Message[] = [said('turn-1', 'hello'), { role: 'assistant', text: 'hi', turnId: 'turn-1' }];
    const rest = withoutRefused([
      ...before,
      said('turn-2', 'poison'),
      ended('turn-2', 'ModelRejected'),
      said('turn-3', 'next'),
    ]);
    assert.ok(rest);
    assert.deepEqual([...rest.slice(0, 2), ...rest.slice(4)], [...before, said('turn-3', 'next')]);
    assert.doesNotMatch(JSON.stringify(rest), /poison/);
    assert.equal(withoutRefused(rest), undefined, 'no second time');
  });

  it('keeps the message of a refused turn that is tried again', () => {
    const again = said('turn-1', 'poison');
    assert.deepEqual(withoutRefused([again, ended('turn-1', 'ModelRejected'), again])?.at(-1), again);
  });

  it('is none where turns failed for other reasons', () => {
    assert.equal(
      withoutRefused([said('turn-1', 'hello'), ended('turn-1', 'LimitReached'), said('turn-2', 'next')]),
      undefined,
    );
  });
});
