/** Which snapshots of a context are kept, and a saved context that is loaded again. No server needed. */
import assert from 'node:assert/strict';
import { distinctText } from '../helpers/words.ts';
import { DurableContext } from '../../src/workflows/context/context.ts';

const NOW = '2025-03-01T12:00:00.000Z';
const LATER = '2025-03-01T13:00:00.000Z';
const KIB = 1024;

describe('snapshots of a context', () => {
  it('[C19] of people and programs outlive all others, and a warning names those that do not', () => {
    const context = new DurableContext();
    for (let n = 1; n <= 30; n++) {
      context.set('n', n, NOW);
      if (n <= 3) context.checkpoint(`mine ${n}`, {}, NOW);
      for (const side of ['before', 'after']) {
        context.set(side, n, NOW);
        context.markPhase(`${side}_routing_phase`, { turn: n }, NOW);
      }
      context.maybeCheckpoint(5, 5, NOW);
    }
    const kinds = (kind: string): (string | undefined)[] =>
      context.snapshots.filter((snapshot) => snapshot.kind === kind).map(({ reason }) => reason);
    assert.deepEqual([context.snapshots.length, kinds('manual')], [50, ['mine 1', 'mine 2', 'mine 3']]);
    // Those that were taken every N rounds have gone first, but for the newest of all.
    assert.deepEqual([kinds('automatic').length, kinds('phase').length], [1, 46]);
    assert.deepEqual(context.takeWarnings(), []);
    for (let n = 1; n <= 48; n++) {
      context.set('n', n, NOW);
      context.checkpoint(`more ${n}`, {}, NOW);
    }
    assert.deepEqual(context.takeWarnings(), [{ kind: 'snapshots-dropped', ids: ['snap-1'] }]);
    assert.deepEqual([kinds('phase'), kinds('automatic'), kinds('manual').slice(0, 2)], [[], [], ['mine 2', 'mine 3']]);
    // In size too: the values of a person’s snapshot are still there when large ones of phases have gone.
    const large = new DurableContext({ values: { small: 1 } });
    large.checkpoint('mine', {}, NOW);
    for (let n = 1; n <= 9; n++) {
      large.set('a', distinctText(100 * KIB, n), NOW);
      large.markPhase('after_executing_phase', { turn: n }, NOW);
    }
    assert.deepEqual(large.snapshot('snap-1').data, { small: 1 });
    assert.deepEqual([large.snapshots.length < 6, large.takeWarnings()], [true, []]);
  });

  it('[C19] of phases that changed nothing are not kept apart', () => {
    const context = new DurableContext();
    context.set('task', 'x', NOW);
    const mark = (reason: string, turn = 1) => context.markPhase(reason, { turn }, NOW);
    mark('before_routing_phase');
    context.set('route', 'direct', NOW);
    mark('after_routing_phase');
    mark('before_one-shot_phase');
    mark('after_one-shot_phase');
    context.checkpoint('mine', {}, NOW);
    mark('before_routing_phase', 2);
    const shown = new DurableContext(JSON.parse(JSON.stringify(context)) as object).snapshots;
    assert.deepEqual(
      shown.map(({ id, kind, reason, also = [] }) => [
        id,
        kind,
        reason,
        ...also.map((at) => `${at.reason} ${at.turn}`),
      ]),
      [
        ['snap-1', 'phase', 'before_routing_phase'],
        ['snap-2', 'phase', 'after_routing_phase', 'before_one-shot_phase 1', 'after_one-shot_phase 1'],
        ['snap-3', 'manual', 'mine', 'before_routing_phase 2'],
      ],
    );
    for (let n = 0; n < 100; n++) mark('after_routing_phase', n);
    assert.equal(context.snapshots.at(-1)?.also?.length, 20);
  });

  it('[C20] come back with a saved context, beside later ones, as one new version', () => {
    const context = new DurableContext();
    context.update({ a: 1, b: 1, copilot: { plan: ['old'] } }, NOW);
    context.set('mine', 1, NOW, { protect: true });
    context.checkpoint('first', { n: 1 }, NOW);
    context.set('a', 2, NOW);
    const saved = DurableContext.fromJSON(JSON.parse(JSON.stringify(context)));
    const wanted = saved.snapshot('snap-1');
    for (let n = 1; n <= 60; n++) {
      context.set('a', `later ${n}`, NOW);
      context.checkpoint(`later ${n}`, {}, NOW);
    }
    context.update({ c: 1, copilot: { plan: ['new'] } }, NOW);
    context.delete('b', NOW);
    context.set('temp', 1, NOW, { ephemeral: true });
    const { version, changes } = context;
    assert.throws(() => context.snapshot('snap-1'), { type: 'SnapshotNotFound' });
    const { changed, skipped } = context.load(saved, LATER);
    assert.deepEqual([changed.toSorted(), skipped], [['a', 'b', 'c'], ['copilot']]);
    assert.deepEqual(context.persistent, { a: 2, b: 1, mine: 1, copilot: { plan: ['new'] } });
    assert.deepEqual([context.version, context.get('temp'), context.isProtected('mine')], [version + 1, 1, true]);
    assert.deepEqual(context.snapshot('snap-1'), wanted);
    assert.equal(context.snapshot('latest').reason, 'later 60');
    assert.deepEqual(context.changes.slice(0, -1), changes);
    assert.deepEqual(context.changes.at(-1), {
      op: 'load',
      version: version + 1,
      timestamp: LATER,
      keys: changed,
      count: 3,
    });
    assert.equal(context.checkpoint('next', {}, LATER).id, 'snap-62');
    // Into an empty one too, as after an import elsewhere.
    const empty = new DurableContext();
    empty.load(saved, LATER);
    assert.deepEqual([empty.version, empty.persistent], [saved.version + 1, { a: 2, b: 1, mine: 1 }]);
    assert.deepEqual([empty.snapshot('snap-1'), empty.isProtected('mine')], [wanted, true]);
    const large = new DurableContext({ values: { big: 'x'.repeat(200 * KIB) }, protectedKeys: ['big'] });
    const before = JSON.stringify(large);
    assert.throws(() => large.load(new DurableContext({ values: { more: 'x'.repeat(100 * KIB) } }), NOW), {
      type: 'InvalidInput',
    });
    assert.equal(JSON.stringify(large), before);
  });
});
