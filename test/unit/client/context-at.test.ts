/** A context taken back to one of its snapshots: exactly what the workflow's own context held then. */
import assert from 'node:assert/strict';
import { contextAt } from '../../../src/client/creation/context-at.ts';
import { findSnapshot } from '../../../src/client/reading/snapshots.ts';
import { type ContextState, MAX_CHANGES } from '../../../src/contracts/context.ts';
import { DurableContext } from '../../../src/workflows/context/context.ts';

const NOW = '2026-01-02T03:04:05.000Z';

/** As it is carried and exported. */
const carried = (context: DurableContext): ContextState => JSON.parse(JSON.stringify(context.toJSON())) as ContextState;

describe('a context at one of its snapshots', () => {
  it('has the values, version, snapshots, changes and protected keys of then', () => {
    const context = new DurableContext();
    context.set('city', 'Ulm', NOW);
    context.set('budget', 100, NOW, { protect: true });
    context.checkpoint('first', { turn: 1 }, NOW);
    const then = carried(context);
    context.set('city', 'Lima', NOW, { protect: true });
    context.set('secret', 'of later', NOW, { protect: true });
    context.checkpoint('second', { turn: 2 }, NOW);
    context.update({ more: [1, 2, 3] }, NOW);
    assert.deepEqual(contextAt(carried(context), 'snap-1'), then);
    assert.deepEqual(contextAt(carried(context), 'snap-2').protectedKeys, ['budget', 'city', 'secret']);
    const again = DurableContext.fromJSON(contextAt(carried(context), 'snap-1'));
    assert.equal(again.checkpoint('next', {}, NOW).id, 'snap-2');
    again.set('city', 'Bonn', NOW);
    assert.throws(() => again.set('budget', 1, NOW), /protected/);
  });

  it('knows by their value which keys were protected before the log begins', () => {
    const context = new DurableContext();
    context.set('early', 1, NOW, { protect: true });
    context.set('late', 1, NOW);
    context.checkpoint('first', {}, NOW);
    context.set('late', 2, NOW, { protect: true });
    for (let n = 0; n < MAX_CHANGES; n++) context.set('other', n, NOW);
    const back = contextAt(carried(context), 'snap-1');
    assert.deepEqual([back.protectedKeys, back.values, back.changes], [['early'], { early: 1, late: 1 }, []]);
  });

  it('says so where a patch does not fit', () => {
    const context = new DurableContext();
    context.set('at', 1, NOW);
    const { id } = context.checkpoint('first', {}, NOW);
    const state = carried(context);
    for (const [patch, at] of [
      [{ keys: { missing: 0 } }, 'short'],
      [{ keys: { at: { text: [5, '', 5] } } }, 'short'],
      [{ keys: { at: { items: [[0, 3]] } } }, [1]],
      [{ keys: { at: { keys: {} } } }, 'text'],
    ] as const) {
      const snapshots = state.snapshots.map((snapshot) => ({ ...snapshot, patch }));
      const unfit: ContextState = JSON.parse(JSON.stringify({ ...state, snapshots, values: { at } })) as ContextState;
      assert.throws(() => contextAt(unfit, id), { type: 'InvalidInput' });
    }
  });
});

describe('a snapshot that does not exist', () => {
  it('is SnapshotNotFound in the words of the session, with the snapshots that there are', () => {
    const context = new DurableContext();
    for (let number = 1; number <= 12; number++) context.checkpoint(`reason ${number}`, {}, NOW);
    const message = (find: () => unknown): string => {
      try {
        find();
      } catch (error) {
        return (error as Error).message;
      }
      return assert.fail('it was found');
    };
    for (const wanted of ['snap-99', 'a. Known snapshots: b', 77]) {
      const found = message(() => findSnapshot(context.snapshots, wanted));
      assert.equal(
        found,
        message(() => context.diff(wanted)),
      );
      assert.match(found, /Known snapshots: 2 older ones, snap-3 \(version 0\).*, snap-12 \(version 0\)\.$/);
    }
    assert.equal(findSnapshot(context.snapshots, 'latest').id, 'snap-12');
    assert.equal(findSnapshot(context.snapshots, 0).id, 'snap-12');
  });
});
