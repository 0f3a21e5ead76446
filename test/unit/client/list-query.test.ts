import assert from 'node:assert/strict';
import { buildListQuery } from '../../../src/client/listing/session-list.ts';

const SESSIONS = "WorkflowType = 'copilotSession' AND ExecutionStatus != 'ContinuedAsNew'";

describe('visibility query of a list', () => {
  it('asks for sessions that are no earlier run', () => {
    assert.deepEqual(buildListQuery({}), { query: SESSIONS });
  });

  it('joins all filters', () => {
    assert.deepEqual(buildListQuery({ user: 'ada', status: 'suspended', mode: 'one-shot', namePrefix: 'report' }), {
      query:
        `${SESSIONS} AND ExecutionStatus = 'Running' AND CopilotStatus = 'suspended' AND CopilotUser = 'ada' AND ` +
        "CopilotMode = 'one-shot' AND CopilotName STARTS_WITH 'report'",
    });
  });

  it('takes the status of a session that was ended from outside from how it ended', () => {
    assert.equal(buildListQuery({ status: 'terminated' }).query, `${SESSIONS} AND ExecutionStatus = 'Terminated'`);
    assert.equal(
      buildListQuery({ status: 'failed' }).query,
      `${SESSIONS} AND ExecutionStatus IN ('Failed', 'TimedOut')`,
    );
  });

  it('keeps quotes of a value inside the value', () => {
    assert.deepEqual(buildListQuery({ user: "it's' OR 1=1" }), {
      query: `${SESSIONS} AND CopilotUser = 'it''s'' OR 1=1'`,
    });
  });

  it('asks for what the server cannot look for by its beginning, and checks the rest itself', () => {
    const { query, matches } = buildListQuery({ name: 'say "hi"', user: "'quoted'", mode: 'copilot' });
    assert.equal(query, `${SESSIONS} AND CopilotMode = 'copilot' AND CopilotName STARTS_WITH 'say '`);
    const row = { name: 'say "hi"', user: "'quoted'", mode: 'copilot' };
    assert.equal(matches?.(row), true);
    assert.equal(matches?.({ ...row, name: 'say "ho"' }), false);
    assert.equal(matches?.({ ...row, user: 'quoted' }), false);
    assert.equal(buildListQuery({ namePrefix: 'a\\b' }).matches?.({ ...row, name: 'a\\bc' }), true);
  });
});
