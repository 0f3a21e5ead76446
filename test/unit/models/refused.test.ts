import assert from 'node:assert/strict';
import type { Message } from '../../../src/contracts/transcript.ts';
import { toFailure } from '../../../src/contracts/errors.ts';
import { withoutRefused } from '../../../src/models/refused.ts';

const { message: problem } = toFailure('ModelRejected', { problem: 'Invalid value: poison', model: 'm1' });
const said = (turnId: string, text: string): Message => ({ role: 'user', text, turnId });
const ended = (turnId: string, why: string): Message => ({
  role: 'assistant',
  text: `[This turn ended without an answer: ${why}]`,
  turnId,
  partial: true,
});

describe('a conversation without what was refused', () => {
  it('has the turns that the API refused left out, and nothing that quotes them', () => {
    const before: Message[] = [said('turn-1', 'hello'), { role: 'assistant', text: 'hi', turnId: 'turn-1' }];
    const rest = withoutRefused([
      ...before,
      said('turn-2', 'poison'),
      ended('turn-2', problem),
      said('turn-3', 'next'),
    ]);
    assert.ok(rest);
    assert.deepEqual([...rest.slice(0, 2), ...rest.slice(4)], [...before, said('turn-3', 'next')]);
    assert.doesNotMatch(JSON.stringify(rest), /poison/);
    assert.equal(withoutRefused(rest), undefined, 'no second time');
  });

  it('keeps the message of a refused turn that is tried again', () => {
    const again = said('turn-1', 'poison');
    assert.deepEqual(withoutRefused([again, ended('turn-1', problem), again])?.at(-1), again);
  });

  it('is none where turns failed for other reasons', () => {
    const { message } = toFailure('LimitReached', { limit: 16, what: 'rounds' });
    assert.equal(
      withoutRefused([said('turn-1', 'hello'), ended('turn-1', message), said('turn-2', 'next')]),
      undefined,
    );
  });
});
