/** The durable context by itself. No server needed. */
import assert from 'node:assert/strict';
import { ApplicationFailure } from '@temporalio/common';
import { DurableContext } from '../../src/workflows/context.ts';

describe('the context', () => {
  it('counts changes from 0, and a value that is the same is no change', () => {
    const context = new DurableContext();
    assert.equal(context.version, 0);
    assert.equal(context.set('a', { deep: [1, 2] }), true);
    assert.equal(context.set('a', { deep: [1, 2] }), false);
    assert.equal(context.set('b', null), true);
    assert.equal(context.version, 2);
    assert.deepEqual(context.keys(), ['a', 'b']);
    assert.equal(context.get('c'), undefined);
    assert.equal(context.get('toString'), undefined);
  });

  it('keeps what was handed in and out apart from what it holds', () => {
    const context = new DurableContext();
    const value = { list: [1] };
    context.set('a', value);
    value.list.push(2);
    const out = context.get('a') as typeof value; // as it was set
    out.list.push(3);
    assert.deepEqual(context.get('a'), { list: [1] });
  });

  it('lets a protected key keep its value', () => {
    const context = new DurableContext();
    context.set('initial_task', 'first');
    assert.equal(context.set('initial_task', 'first'), false);
    assert.throws(() => context.set('initial_task', 'second'), isProtectedKey);
    context.set('mine', 1, { protect: true });
    assert.throws(() => context.set('mine', 2), isProtectedKey);
    assert.equal(context.get('initial_task'), 'first');
    const carried = new DurableContext(context.toJSON());
    assert.throws(() => carried.set('mine', 2), isProtectedKey);
    assert.equal(carried.version, context.version);
  });

  it('refuses to grow past its limit, and stays as it was', () => {
    const context = new DurableContext();
    context.set('a', 'x'.repeat(200_000));
    assert.throws(() => context.set('b', 'y'.repeat(100_000)), { type: 'InvalidInput' });
    assert.deepEqual(context.keys(), ['a']);
    assert.equal(context.version, 1);
  });
});

function isProtectedKey(error: unknown): boolean {
  return error instanceof ApplicationFailure && error.type === 'ProtectedKey';
}
