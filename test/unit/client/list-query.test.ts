import assert from 'node:assert/strict';
import { listQuery, quote } from '../../../src/client/list.ts';

describe('visibility query of a list', () => {
  it('asks for sessions that are no earlier run', () => {
    assert.equal(listQuery({}), "WorkflowType = 'copilotSession' AND ExecutionStatus != 'ContinuedAsNew'");
  });

  it('joins all filters', () => {
    assert.equal(
      listQuery({ user: 'ada', status: 'suspended', mode: 'one-shot', namePrefix: 'report' }),
      "WorkflowType = 'copilotSession' AND ExecutionStatus != 'ContinuedAsNew' AND ExecutionStatus = 'Running' AND " +
        "CopilotStatus = 'suspended' AND CopilotUser = 'ada' AND CopilotMode = 'one-shot' AND CopilotName STARTS_WITH 'report'",
    );
  });

  it('takes the status of a session that was ended from outside from how it ended', () => {
    assert.match(listQuery({ status: 'terminated' }), /ExecutionStatus = 'Terminated'$/);
    assert.match(listQuery({ status: 'failed' }), /ExecutionStatus IN \('Failed', 'TimedOut'\)$/);
  });

  it('keeps quotes and backslashes of a value inside the value', () => {
    assert.equal(quote(`it's`), `'it''s'`);
    assert.equal(quote(`a\\' OR 1=1`), `'a\\\\'' OR 1=1'`);
  });
});
