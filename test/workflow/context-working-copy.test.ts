/** Working copies of a context, in which phases work: what of them comes back. No server needed. */
import assert from 'node:assert/strict';
import { DurableContext } from '../../src/workflows/context/context.ts';

const NOW = '2025-03-01T12:00:00.000Z';
const LATER = '2025-03-01T13:00:00.000Z';

describe('a working copy', () => {
  it('brings its results back as one change, and leaves its own history behind', () => {
    const context = new DurableContext({ values: { a: 1, b: 2, c: { list: [1] } }, agentKeys: ['a', 'b'] });
    const branch = context.branch();
    branch.set('a', 10, NOW);
    branch.set('new', true, NOW, { protect: true });
    branch.delete('b', NOW);
    branch.set('temp', 1, NOW, { ephemeral: true });
    branch.checkpoint('inside', {}, NOW);
    const untouched = { version: 0, values: { a: 1, b: 2, c: { list: [1] } }, protectedKeys: [], ephemeralKeys: [] };
    assert.deepEqual(context.view(), untouched);
    assert.deepEqual(context.join(branch, LATER), { changed: ['a', 'b', 'new'], skipped: [] });
    assert.deepEqual(context.view(), {
      version: 1,
      values: { a: 10, c: { list: [1] }, new: true },
      protectedKeys: ['new'],
      ephemeralKeys: [],
    });
    assert.deepEqual(context.snapshots, []);
    assert.deepEqual(context.changes, [
      { op: 'merge', version: 1, timestamp: LATER, keys: ['a', 'b', 'new'], count: 3, strategy: 'branch' },
    ]);
    assert.deepEqual(context.join(branch, LATER).changed, []);
  });

  it('[C15] of a step that throws is dropped: nothing has happened, and a checkpoint still brings back what was', () => {
    const context = new DurableContext({ values: { a: 1, b: { list: [1] } } });
    const { id } = context.checkpoint('before_executing_phase', { turn: 1 }, NOW);
    context.set('a', 2, NOW);
    const before = JSON.stringify(context);
    const step = (): void => {
      const branch = context.branch();
      branch.set('b', { list: [] }, NOW);
      branch.delete('a', NOW);
      branch.set('passing', 1, NOW, { ephemeral: true });
      branch.set('too large', 'x'.repeat(300_000), NOW);
      context.join(branch, NOW);
    };
    assert.throws(step, { type: 'InvalidInput' });
    assert.equal(JSON.stringify(context), before);
    assert.equal(context.has('passing'), false);
    context.restore(id, LATER);
    assert.deepEqual(context.view().values, { a: 1, b: { list: [1] } });
    assert.deepEqual(context.changes.at(-1)?.from, { id, version: 0 });
  });

  it('can be dropped, and then nothing has happened', () => {
    const context = new DurableContext({ values: { a: 1 } });
    context.checkpoint('before', {}, NOW);
    const before = JSON.stringify(context);
    const branch = context.branch();
    branch.set('a', { deep: true }, NOW);
    branch.restore('latest', NOW);
    branch.set('b', 1, NOW, { protect: true });
    assert.equal(JSON.stringify(context), before);
  });

  it('[C17] never takes the place of a value that somebody else set, before it was made or meanwhile', () => {
    const context = new DurableContext({ values: { mine: 1, theirs: 1, taken: 1, gone: 1 } });
    const first = context.branch();
    first.update({ own: 1, later: 1, copilot: { plan: 1 } }, NOW);
    context.join(first, NOW);
    context.set('temp', 'a person’s', NOW, { ephemeral: true });
    const branch = context.branch();
    branch.update({ mine: 2, own: 2, later: 2, fresh: 2, temp: 2, copilot: { plan: 2 } }, NOW);
    branch.delete('gone', NOW);
    context.set('later', 3, NOW);
    context.set('fresh', 3, NOW);
    const { changed, skipped } = context.join(branch, NOW);
    assert.deepEqual(changed.toSorted(), ['copilot', 'own']);
    assert.deepEqual(skipped.toSorted(), ['fresh', 'gone', 'later', 'mine', 'temp']);
    const { values } = context.view();
    assert.deepEqual(values, {
      ...{ mine: 1, theirs: 1, taken: 1, gone: 1, own: 2, later: 3, fresh: 3 },
      ...{ temp: 'a person’s', copilot: { plan: 2 } },
    });
    // Whose it is goes along in the carried state, and changes when a person sets it, even to the same value.
    const carried = new DurableContext(JSON.parse(JSON.stringify(context)) as object);
    assert.deepEqual([carried.isHeld('own'), carried.isHeld('mine'), carried.isHeld('copilot')], [false, true, false]);
    carried.set('own', 2, NOW);
    assert.equal(carried.isHeld('own'), true);
    carried.delete('own', NOW);
    assert.equal(carried.isHeld('own'), false);
  });

  it('brings protection back too, as a change, with the value that it protects', () => {
    const context = new DurableContext({ values: { a: 1, b: 1, c: 1 } });
    const branch = context.branch();
    for (const key of ['a', 'b', 'c']) branch.set(key, 1, NOW, { protect: true });
    branch.set('d', 4, NOW, { protect: true });
    context.set('b', 2, NOW);
    context.delete('c', NOW);
    context.set('d', 4, NOW);
    assert.deepEqual(context.join(branch, NOW), { changed: ['a', 'c', 'd'], skipped: ['b'] });
    assert.deepEqual(context.view(), {
      version: 4,
      values: { a: 1, b: 2, d: 4, c: 1 },
      protectedKeys: ['a', 'c', 'd'],
      ephemeralKeys: [],
    });
  });

  it('that no longer fits is refused, and nothing of it comes back', () => {
    const context = new DurableContext();
    const branch = context.branch();
    branch.set('mine', 'x'.repeat(150_000), NOW);
    branch.set('temp', 1, NOW, { ephemeral: true });
    context.set('yours', 'x'.repeat(150_000), NOW);
    assert.throws(() => context.join(branch, NOW), { type: 'InvalidInput' });
    assert.deepEqual([context.keys(), context.version], [['yours'], 1]);
  });
});
