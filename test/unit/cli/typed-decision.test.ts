import assert from 'node:assert/strict';
import { parseDecision, promptFor } from '../../../src/cli/people/typed-decision.ts';
import type { Decision } from '../../../src/contracts/request.ts';

const options = (...decisions: Decision[]) => ({ options: decisions });

describe('a line typed while something waits', () => {
  it('is a decision by its first word, and the rest its text', () => {
    const tool = options('once', 'session', 'deny');
    assert.deepEqual(parseDecision('once', tool), { decision: 'once' });
    assert.deepEqual(parseDecision('  DENY  not on this machine ', tool), {
      decision: 'deny',
      text: 'not on this machine',
    });
    assert.equal(parseDecision('yes', tool), undefined);
    assert.equal(parseDecision('approve', tool), undefined, 'not one of this request');
    assert.equal(parseDecision('onceagain', tool), undefined);
  });

  it('names a new limit with raise', () => {
    const budget = options('raise', 'stop');
    assert.deepEqual(parseDecision('raise 50000', budget), { decision: 'raise', limit: 50_000 });
    assert.deepEqual(parseDecision('raise 0.5', budget), { decision: 'raise', limit: 0.5 });
    assert.deepEqual(parseDecision('raise it', budget), { decision: 'raise', text: 'it' });
  });

  it('is an answer as it stands, where a question waits', () => {
    assert.deepEqual(parseDecision('once upon a time', options('answer')), {
      decision: 'answer',
      text: 'once upon a time',
    });
    assert.equal(parseDecision('  ', options('answer')), undefined);
  });

  it('is prompted for by the words that it may be', () => {
    assert.equal(promptFor(options('once', 'session', 'deny')), '[once/session/deny] ');
    assert.equal(promptFor(options('answer')), 'answer> ');
  });
});
