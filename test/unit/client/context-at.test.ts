/** A context taken back to one of its snapshots: exactly what the workflow's own context held then. */
import assert from 'node:assert/strict';
import { contextAt } from '../../../src/client/creation/context-at.ts';
import { snapshotNotFound } from '../../../src/client/reading/snapshots.ts';
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

describe('a snapshot that a query did not find', () => {
  it('is SnapshotNotFound with what was wanted and what there is', () => {
    const context = new DurableContext();
    for (const reason of ['one', 'two']) context.checkpoint(reason, {}, NOW);
    const failed = (wanted: string | number): unknown => {
      try {
        return context.diff(wanted);
      } catch (error) {
        // All that the SDK keeps of it.
        return snapshotNotFound(new Error((error as Error).message));
      }
    };
    for (const wanted of ['snap-9', 'a. Snapshots that there are: b', 77]) {
      const { type, exitCode, details, message } = failed(wanted) as NonNullable<ReturnType<typeof snapshotNotFound>>;
      assert.deepEqual([type, exitCode], ['SnapshotNotFound', 3]);
      assert.match(message, /Snapshots that there are: .*snap-1 \(version 0\), snap-2 \(version 0\)\.$/);
      assert.match(String(details['wanted']), typeof wanted === 'number' ? /^of version 77$/ : /^"(snap-9"$|a)/);
    }
    assert.equal(snapshotNotFound(new Error('There is no such thing.')), undefined);
  });
});
