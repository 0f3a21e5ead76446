/** Queries that are repeated, with the given interceptors in their place. */
import assert from 'node:assert/strict';
import { type ClientInterceptors, QueryNotRegisteredError, type WorkflowClientInterceptor } from '@temporalio/client';
import { withRepeatedQueries } from '../../../src/connection/early-query.ts';
import { ASK_AGAIN } from '../../../src/contracts/early-query.ts';

type Query = NonNullable<WorkflowClientInterceptor['query']>;

const INVALID_ARGUMENT = 3;
const early = new QueryNotRegisteredError(ASK_AGAIN, INVALID_ARGUMENT);
const input = {} as Parameters<Query>[0]; // nothing reads it

/** Asks through our interceptor until `answers` is empty; an error in it is thrown. */
async function ask(answers: unknown[]): Promise<unknown> {
  const { workflow } = withRepeatedQueries();
  assert.ok(Array.isArray(workflow));
  const next = async (): Promise<unknown> => {
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return await workflow[0]?.query?.(input, next);
}

describe('queries that came too early', () => {
  it('are repeated', async () => {
    const answers = [early, early, 'answer', 'left'];
    assert.equal(await ask(answers), 'answer');
    assert.deepEqual(answers, ['left']);
  });

  it('are repeated only for that reason', async () => {
    const refused = new QueryNotRegisteredError('no such query', INVALID_ARGUMENT);
    const answers = [refused, 'left'];
    await assert.rejects(ask(answers), refused);
    assert.deepEqual(answers, ['left']);
  });

  it('are repeated beside the interceptors of a client, in either form that the SDK takes', () => {
    const own: WorkflowClientInterceptor = {};
    const { workflow: list, schedule } = withRepeatedQueries({ workflow: [own], schedule: [{}] });
    assert.deepEqual([Array.isArray(list) && list.length, Array.isArray(list) && list[0], schedule], [2, own, [{}]]);
    const older: ClientInterceptors = { workflow: { calls: [() => own] } };
    const { workflow: factories } = withRepeatedQueries(older);
    assert.ok(factories !== undefined && !Array.isArray(factories));
    const made = (factories.calls ?? []).map((factory) => factory({ workflowId: 'ses_1' }));
    assert.equal(made[0], own);
    assert.equal(typeof made[1]?.query, 'function');
  });
});
