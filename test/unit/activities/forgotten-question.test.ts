import assert from 'node:assert/strict';
import { mock } from 'node:test';
import type { Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { removeIfForgotten } from '../../../src/activities/forgotten-question.ts';

describe('a question whose client has died', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('is removed by the worker that answered, a minute later', async () => {
    const removed: unknown[] = [];
    const deleteWorkflowExecution = (request: unknown): Promise<object> => {
      removed.push(request);
      return Promise.reject(new Error('not found'));
    };
    const withAbortSignal = (_: AbortSignal, work: () => unknown): unknown => work();
    const client = { workflowService: { deleteWorkflowExecution }, withAbortSignal } as unknown as Client; // all that is used
    const workflowExecution = { workflowId: 'files-1', runId: 'run-1' };
    await new MockActivityEnvironment({ namespace: 'team', workflowExecution }, { client }).run(async () =>
      removeIfForgotten(),
    );
    mock.timers.tick(59_000);
    assert.deepEqual(removed, []);
    mock.timers.tick(1_000);
    assert.deepEqual(removed, [{ namespace: 'team', workflowExecution }]);
  });
});
