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
    assert.equal(parseDecision('the plan', tool), undefined);
    assert.equal(parseDecision('onceagain', tool), undefined);
  });

  it('[H09] is yes or no in the words that people use', () => {
    const kinds: [Decision[], Decision, Decision][] = [
      [['once', 'session', 'deny'], 'once', 'deny'],
      [['approve', 'modify', 'reject'], 'approve', 'reject'],
      [['approve', 'skip'], 'approve', 'skip'],
      [['continue', 'redo'], 'continue', 'redo'],
      [['raise', 'stop'], 'raise', 'stop'],
    ];
    for (const [decisions, yes, no] of kinds) {
      const request = options(...decisions);
      for (const word of ['y', 'Y', 'yes', 'Yes please', 'yes, please!', 'ok', 'sure.', 'approve', 'go ahead']) {
        assert.deepEqual(parseDecision(word, request), { decision: yes }, word);
      }
      for (const word of ['n', 'no', 'No thanks', 'nope']) {
        assert.deepEqual(parseDecision(word, request), { decision: no }, word);
      }
    }
  });

  it('[H09] approves without a condition or not at all; a refusal may have its reason', () => {
    const tool = options('once', 'session', 'deny');
    for (const line of [
      'yes, but not in /etc',
      'y n',
      'once, but not in /etc',
      'once only the first',
      'session if it is safe',
      'yess',
      'why',
      'y looks good',
    ]) {
      assert.equal(parseDecision(line, tool), undefined, line);
    }
    assert.deepEqual(parseDecision('no, use another folder', tool), { decision: 'deny', text: 'use another folder' });
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
    assert.equal(promptFor(options('once', 'session', 'deny')), '[y/n, once/session/deny] ');
    assert.equal(promptFor(options('answer')), 'answer> ');
  });
});
