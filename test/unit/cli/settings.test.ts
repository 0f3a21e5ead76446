import assert from 'node:assert/strict';
import { settingsOf } from '../../../src/cli/people/settings.ts';

describe('flags of approvals and budgets', () => {
  it('become settings, and those that are not given do not', () => {
    assert.deepEqual(settingsOf({ code: true }), {});
    assert.deepEqual(
      settingsOf({
        approvePlan: true,
        approveAfterStep: false,
        ask: ['write', 'network'],
        deny: ['shell'],
        approvalTimeout: '90',
        inputTimeout: '1.5',
        budgetTokens: '5000',
        budgetCost: '0.25',
        budgetToolCalls: '3',
        budgetSeconds: '60',
        budgetRounds: '7',
        allowCode: true,
      }),
      {
        approvals: {
          plan: true,
          afterStep: false,
          tools: { write: 'ask', network: 'ask', shell: 'deny' },
          timeoutMs: 90_000,
          inputTimeoutMs: 1_500,
        },
        budget: { tokens: 5_000, cost: 0.25, toolCalls: 3, wallTimeMs: 60_000, rounds: 7 },
        allowCode: true,
      },
    );
    assert.deepEqual(settingsOf({ code: false }), { allowCode: false });
  });

  it('that make no sense are refused by name', () => {
    assert.throws(() => settingsOf({ code: false, allowCode: true }), /--no-code .*contradicts --allow-code/);
    assert.throws(
      () => settingsOf({ ask: ['cooking now'] }),
      /--ask cooking now .*no category \(read, write, code, shell/,
    );
    assert.throws(() => settingsOf({ budgetTokens: 'many' }), /--budget-tokens many .*use a whole number/);
    assert.throws(() => settingsOf({ budgetCost: '0' }), /--budget-cost 0 .*above 0/);
    assert.throws(() => settingsOf({ approvalTimeout: '-1' }), /--approval-timeout -1 .*above 0/);
  });
});
