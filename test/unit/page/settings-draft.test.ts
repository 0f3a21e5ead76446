import assert from 'node:assert/strict';
import { draftOf, settingsOf } from '../../../src/page/details/settings-draft.ts';

const CONFIG = {
  model: ['large', 'small'],
  approvals: { plan: true, tools: { shell: 'ask' as const }, timeoutMs: 60_000 },
  budget: { tokens: 5_000, wallTimeMs: 90_000 },
};

describe('settings as somebody edits them', () => {
  const before = draftOf({ mode: 'copilot', config: CONFIG });

  it('are nothing to send while they say the same, in another order or other digits', () => {
    assert.deepEqual(settingsOf(before, before), {});
    const { approvals, budget } = before;
    const same = {
      approvals: { timeoutMs: 60_000, tools: approvals.tools, plan: true },
      budget: { ...budget, tokens: '5000.0' },
      idleHours: '24.0',
      model: ' large,small ',
    };
    assert.deepEqual(settingsOf({ ...before, ...same }, before), {});
  });

  it('are sent as a whole where they changed, and reset where they became empty', () => {
    assert.deepEqual(settingsOf({ ...before, model: 'one', idleHours: '' }, before), {
      model: 'one',
      idleTimeoutMs: null,
    });
    const empty = { ...before, model: '', approvals: {}, budget: { tokens: '', cost: '', toolCalls: '', minutes: '' } };
    assert.deepEqual(settingsOf(empty, before), { model: null, approvals: null, budget: null });
    const budget = { ...before.budget, cost: '0.5' };
    assert.deepEqual(settingsOf({ ...before, budget }, before), {
      budget: { tokens: 5_000, cost: 0.5, wallTimeMs: 90_000 },
    });
  });
});
