/** Snapshots of the context: taking, restoring, comparing, carrying. No server needed. */
import assert from 'node:assert/strict';
import type { Json } from '../../src/contracts/json.ts';
import { distinctText as text } from '../helpers/words.ts';
import { DurableContext } from '../../src/workflows/context/context.ts';
import { patchOf } from '../../src/workflows/context/patch.ts';

const NOW = '2025-03-01T12:00:00.000Z';
const KIB = 1024;

describe('snapshots of the context', () => {
  it('[C06] show what was, 50 at most, and are found by id, by version or as the latest', () => {
    const context = new DurableContext();
    assert.throws(() => context.restore('latest', NOW), {
      type: 'SnapshotNotFound',
      message: 'There is no context snapshot "latest". Known snapshots: none yet.',
    });
    for (let n = 1; n <= 60; n++) {
      context.set('n', n, NOW);
      if (n % 2 === 0) context.set('other', n, NOW);
      context.checkpoint(`round ${n}`, { n }, NOW);
    }
    const { snapshots } = context;
    assert.deepEqual([snapshots.length, snapshots[0]?.id, snapshots.at(-1)?.id], [50, 'snap-11', 'snap-60']);
    assert.deepEqual(context.snapshot('snap-11'), {
      id: 'snap-11',
      version: 16,
      timestamp: NOW,
      reason: 'round 11',
      kind: 'manual',
      data: { n: 11, other: 10 },
      metadata: { n: 11 },
    });
    assert.equal(context.version, 90);
    assert.deepEqual(context.restore('snap-20', NOW).from.reason, 'round 20');
    assert.deepEqual([context.view().values, context.version], [{ n: 20, other: 20 }, 91]);
    assert.deepEqual(context.changes.at(-1), {
      op: 'restore',
      version: 91,
      timestamp: NOW,
      keys: ['n', 'other'],
      count: 2,
      from: { id: 'snap-20', version: 30 },
    });
    context.restore(31, NOW);
    assert.deepEqual([context.view().values, context.version], [{ n: 21, other: 20 }, 92]);
    context.restore('latest', NOW);
    assert.deepEqual(context.restore('latest', NOW), { from: snapshots.at(-1), version: 94, changed: [], skipped: [] });
    assert.deepEqual(context.view().values, { n: 60, other: 60 });
    const before = JSON.stringify(context);
    assert.throws(() => context.restore('snap-10', NOW), {
      type: 'SnapshotNotFound',
      message: /"snap-10".*40 older ones, snap-51 \(version 76\), .*snap-60 \(version 90\)\.$/,
    });
    assert.throws(() => context.restore(32, NOW), { type: 'SnapshotNotFound', message: /of version 32/ });
    assert.equal(JSON.stringify(context), before);
  });

  it('bring back and take away keys, and leave protected ones alone', () => {
    const context = new DurableContext();
    context.update({ a: 1, b: { deep: 1 }, mine: 1 }, NOW);
    context.checkpoint('first', {}, NOW);
    context.delete('a', NOW);
    context.update({ b: 2, c: 3 }, NOW);
    context.set('mine', 2, NOW, { protect: true });
    context.set('late', 1, NOW, { protect: true });
    const { changed, skipped } = context.restore('latest', NOW);
    assert.deepEqual(
      [changed.toSorted(), skipped],
      [
        ['a', 'b', 'c'],
        ['mine', 'late'],
      ],
    );
    assert.deepEqual(context.view().values, { b: { deep: 1 }, mine: 2, late: 1, a: 1 });
  });

  it('have a short reason and small metadata', () => {
    const context = new DurableContext();
    assert.throws(() => context.checkpoint('x'.repeat(201), {}, NOW), {
      type: 'InvalidInput',
      message: /200 characters/,
    });
    assert.throws(() => context.checkpoint('x', { big: 'x'.repeat(5_000) }, NOW), {
      type: 'InvalidInput',
      message: /4096 bytes/,
    });
    assert.throws(() => context.checkpoint('x', { bad: Number.NaN }, NOW), { type: 'InvalidInput', message: /NaN/ });
    assert.deepEqual(context.snapshots, []);
  });

  it('are taken every N rounds by themselves, and only the newest 10 of these stay', () => {
    const context = new DurableContext();
    for (let round = 0; round <= 60; round++) {
      context.update({ round, [`key ${round}`]: round }, NOW);
      const taken = context.maybeCheckpoint(round, 5, NOW);
      assert.equal(taken !== undefined, round > 0 && round % 5 === 0, `round ${round}`);
      if (round % 8 === 1) context.checkpoint('by hand', {}, NOW);
    }
    const carried = new DurableContext(JSON.parse(JSON.stringify(context)) as object);
    for (const held of [context, carried]) {
      const kept = held.snapshots.map(({ id, metadata }) => [
        metadata['automatic'] ?? false,
        held.snapshot(id).data['round'],
      ]);
      assert.deepEqual(
        kept.filter(([automatic]) => automatic).map(([, round]) => round),
        [15, 20, 25, 30, 35, 40, 45, 50, 55, 60],
      );
      assert.deepEqual(
        kept.filter(([automatic]) => !automatic).map(([, round]) => round),
        [1, 9, 17, 25, 33, 41, 49, 57],
      );
      assert.equal(Object.keys(held.snapshot('latest').data).length, 62);
    }
    assert.equal(context.maybeCheckpoint(5, 0, NOW), undefined);
    assert.deepEqual(context.maybeCheckpoint(65, 5, NOW, { turn: 3 })?.metadata, {
      turn: 3,
      automatic: true,
      round: 65,
    });
    for (const wrong of [-1, 1.5, Number.NaN]) {
      assert.throws(() => context.maybeCheckpoint(5, wrong, NOW), { type: 'InvalidInput' });
    }
  });

  it('[C12] are compared path by path, with each other, by version, and with the present', () => {
    const context = new DurableContext();
    context.update({ a: 1, gone: 'x'.repeat(500), o: { p: [1, 2, { q: 'old' }], 'r/~': 1 } }, NOW);
    context.checkpoint('first', {}, NOW);
    context.delete('gone', NOW);
    context.update({ o: { p: [1, 3, { q: 'new', more: null }, 4], 'r/~': { s: 1 } } }, NOW);
    context.checkpoint('second', {}, NOW);
    context.set('a', 2, NOW);
    const diff = context.diff('snap-1', 'snap-2');
    assert.deepEqual(diff, {
      from: { version: 1, snapshot: 'snap-1' },
      to: { version: 3, snapshot: 'snap-2' },
      added: [
        { path: '/o/p/2/more', new: { json: 'null', bytes: 4 } },
        { path: '/o/p/3', new: { json: '4', bytes: 1 } },
      ],
      removed: [{ path: '/gone', old: { json: `"${'x'.repeat(198)}…`, bytes: 502 } }],
      changed: [
        { path: '/o/p/1', old: { json: '2', bytes: 1 }, new: { json: '3', bytes: 1 } },
        { path: '/o/p/2/q', old: { json: '"old"', bytes: 5 }, new: { json: '"new"', bytes: 5 } },
        { path: '/o/r~1~0', old: { json: '1', bytes: 1 }, new: { json: '{"s":1}', bytes: 7 } },
      ],
      more: 0,
    });
    assert.deepEqual(context.diff(1, 3), diff);
    const back = context.diff(3, 1);
    assert.deepEqual([back.added.map(({ path }) => path), back.removed.length], [['/gone'], 2]);
    const last = [{ path: '/a', old: { json: '1', bytes: 1 }, new: { json: '2', bytes: 1 } }];
    for (const now of [context.diff('latest'), context.diff(3, 4), context.diff('snap-2', 'present')]) {
      assert.deepEqual([now.changed, now.to], [last, { version: 4, snapshot: null }]);
    }
    assert.throws(() => context.diff(2, 3), {
      type: 'SnapshotNotFound',
      message: /snap-1 \(version 1\), snap-2 \(version 3\)/,
    });
  });

  it('are compared without end neither in paths nor in values', () => {
    const context = new DurableContext();
    context.checkpoint('empty', {}, NOW);
    context.set(
      'list',
      Array.from({ length: 100 }, () => 1),
      NOW,
    );
    context.update(Object.fromEntries(Array.from({ length: 700 }, (_, n) => [`k${n}`, n])), NOW);
    const { added, more } = context.diff('latest');
    assert.deepEqual([added.length, more], [500, 201]);
  });
});

/** Contexts of 100 KiB, and how 1 KiB of them changes in round `n`. */
const SHAPES: Record<string, [start: () => Record<string, Json>, edit: (context: DurableContext, n: number) => void]> =
  {
    '100 keys of 1 KiB': [
      () => Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`key ${n}`, text(KIB, n)])),
      (context, n) => context.set(`key ${(n * 37) % 100}`, text(KIB, n + 1_000), NOW),
    ],
    'one object with 100 keys of 1 KiB': [
      () => ({ o: Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`key ${n}`, text(KIB, n)])) }),
      (context, n) =>
        context.set('o', { ...(context.get('o') as object), [`key ${(n * 37) % 100}`]: text(KIB, n + 1_000) }, NOW),
    ],
    'an array of 100 items of 1 KiB': [
      () => ({ a: Array.from({ length: 100 }, (_, n) => ({ n, text: text(KIB, n) })) }),
      (context, n) => {
        const list = context.get('a') as Json[];
        context.set('a', list.with((n * 37) % 100, { n, text: text(KIB, n + 1_000) }), NOW);
      },
    ],
    'a list of the latest 100 items of 1 KiB': [
      () => ({ a: Array.from({ length: 100 }, (_, n) => ({ n, text: text(KIB, n) })) }),
      (context, n) =>
        context.set('a', [...(context.get('a') as Json[]).slice(1), { n, text: text(KIB, n + 1_000) }], NOW),
    ],
    'objects in arrays in objects': [
      () => ({
        plan: {
          steps: Array.from({ length: 10 }, (_, n) => ({
            n,
            notes: Array.from({ length: 10 }, (_x, m) => text(KIB, n * 10 + m)),
          })),
        },
      }),
      (context, n) => {
        const { steps } = context.get('plan') as { steps: { n: number; notes: string[] }[] };
        const step = steps[n % 10];
        const edited = steps.with(n % 10, { n, notes: step?.notes.with((n * 7) % 10, text(KIB, n + 1_000)) ?? [] });
        context.set('plan', { steps: edited }, NOW);
      },
    ],
    '1000 keys of 100 bytes, of which 10 change': [
      () => Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`key ${n}`, text(90, n)])),
      (context, n) =>
        context.update(
          Object.fromEntries(
            Array.from({ length: 10 }, (_, m) => [`key ${(n * 37 + m * 101) % 1_000}`, text(90, n * 10 + m + 5_000)]),
          ),
          NOW,
        ),
    ],
    'keys that are deleted and set anew': [
      () => Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`key ${n}`, text(KIB, n)])),
      (context, n) => {
        context.delete(`key ${(n * 37) % 100}`, NOW);
        context.set(`key ${(n * 37) % 100}`, text(KIB, n + 1_000), NOW);
      },
    ],
    'a text of 100 KiB': [
      () => ({ s: text(100 * KIB, 1) }),
      (context, n) => {
        const old = context.get('s') as string;
        const at = (n * 1_777) % (99 * KIB);
        context.set('s', old.slice(0, at) + text(KIB, n + 1_000) + old.slice(at + KIB), NOW);
      },
    ],
  };

describe('[C16] 50 snapshots of a context of 100 KiB in which 1 KiB changes each time', () => {
  for (const [shape, [start, edit]] of Object.entries(SHAPES)) {
    it(`are carried in at most 300 KiB: ${shape}`, () => {
      const context = new DurableContext();
      context.update(start(), NOW);
      assert.ok(context.measure().bytes >= 97 * KIB, `${context.measure().bytes} bytes`);
      const expected: string[] = [];
      for (let n = 0; n < 60; n++) {
        edit(context, n);
        const { id } = context.checkpoint('after_executing_phase', { turn: n }, NOW);
        expected.push(JSON.stringify([id, context.view().values]));
      }
      edit(context, 99);
      const json = JSON.stringify(context);
      assert.ok(Buffer.byteLength(json) <= 300 * KIB, `${Buffer.byteLength(json)} bytes`);
      const carried = new DurableContext(JSON.parse(json) as object);
      for (const held of [context, carried]) {
        const shown = held.snapshots.map(({ id }) => JSON.stringify([id, held.snapshot(id).data]));
        assert.deepEqual(shown, expected.slice(-50));
      }
      // In memory too: the parts that did not change are the very same, before and after they were carried.
      for (const held of [context, carried]) {
        const parts = new Set<unknown>();
        for (const { id } of held.snapshots) collect(held.snapshot(id, { isolate: false }).data, parts);
        assert.ok(parts.size < 1_500, `${parts.size} different objects and arrays`);
      }
    });
  }
});

describe('a carried context', () => {
  it('drops its oldest snapshots when they differ so much that they would be too large, and says so', () => {
    const context = new DurableContext();
    for (let n = 0; n < 10; n++) {
      context.set('a', text(100 * KIB, n), NOW);
      context.checkpoint('test', {}, NOW);
    }
    assert.deepEqual(
      context.snapshots.map(({ id }) => id),
      ['snap-8', 'snap-9', 'snap-10'],
    );
    context.set('a', text(100 * KIB, 99), NOW);
    assert.ok(Buffer.byteLength(JSON.stringify(context)) < 600 * KIB);
    const dropped = context
      .takeWarnings()
      .flatMap((warning) => (warning.kind === 'snapshots-dropped' ? warning.ids : []));
    assert.deepEqual(dropped, ['snap-1', 'snap-2', 'snap-3', 'snap-4', 'snap-5', 'snap-6', 'snap-7']);
  });

  it('is read in the form that early sessions carried', () => {
    const context = new DurableContext({ version: 7, values: { a: 1 }, protectedKeys: ['a'] });
    assert.deepEqual([context.version, context.get('a'), context.isProtected('a')], [7, 1, true]);
    assert.deepEqual([context.snapshots, context.changes], [[], []]);
  });

  it('has small patches for lists that repeat themselves, and none that cut a character in two', () => {
    const list = Array.from({ length: 300 }, (_, n) => n % 3);
    assert.deepEqual(patchOf([8, ...list, 9], [7, ...list, 7, 7]), { items: [{ is: 8 }, [1, 300], { is: 9 }] });
    const [fox, butterfly] = [`${'x'.repeat(50)}\ud83e\udd8ax`, `${'x'.repeat(50)}\ud83e\udd8bx`];
    assert.deepEqual(patchOf(fox, butterfly), { text: [50, '\ud83e\udd8a', 1] });
    const [one, other] = [`x\u{1f98a}${'x'.repeat(50)}`, `x\u{1fd8a}${'x'.repeat(50)}`];
    assert.deepEqual(patchOf(one, other), { text: [1, '\u{1f98a}', 50] });
  });

  it('keeps data, version, snapshots and log in a file, and refuses a file that it did not write', () => {
    const context = new DurableContext();
    context.update({ a: { list: [1, 2, 3], text: text(100, 1) }, b: 1 }, NOW);
    context.checkpoint('first', { turn: 1 }, NOW);
    context.set('a', { list: [0, 1, 2, 4], text: text(90, 1) }, NOW);
    context.checkpoint('second', {}, NOW);
    context.set('b', 2, NOW, { protect: true });
    const json = JSON.stringify(context);
    const read = DurableContext.fromJSON(JSON.parse(json));
    assert.equal(JSON.stringify(read), json);
    assert.deepEqual(read.snapshot('snap-1').data, context.snapshot('snap-1').data);
    const broken = (from: string, to: string): unknown => {
      assert.ok(json.includes(from), from);
      return JSON.parse(json.replace(from, to));
    };
    const deep = `${'{"keys":{"a":'.repeat(500)}0${'}}'.repeat(500)}`;
    const bomb = `{"keys":{"a":{"keys":{"list":{"items":[${'[0,4],'.repeat(100_000)}[0,1]]}}}}}`;
    for (const [bad, problem] of [
      [null, /it must be an object/],
      [[], /it must be an object/],
      [broken('"schemaVersion":1', '"schemaVersion":2'), /schemaVersion/],
      [broken('"version":3', '"version":"3"'), /version/],
      [broken('"b":2', '"__proto__":2'), /"__proto__"/],
      [broken('"b":2', '"constructor":2'), /values\.constructor: this key is reserved/],
      [broken('"patch":{"keys":{"b":{"is":1}}}', `"patch":${deep}`), /nested too deeply/],
      [broken('"patch":{"keys":{"b":{"is":1}}}', `"patch":${bomb}`), /larger than/],
      [broken('"patch":{"keys":{"b":{"is":1}}}', '"patch":{"keys":{"x":0}}'), /edits the key "x", which is not there/],
      [broken('"patch":{"keys":{"b":{"is":1}}}', '"patch":{"is":[1]}'), /not an object/],
      [broken('"patch":{"keys":{"b":{"is":1}}}', '"patch":{"keys":{"b":{"text":[9,"",0]}}}'), /text that is not there/],
      [broken('"patch":{"keys":{"b":{"is":1}}}', '"patch":{"keys":{"a":{"items":[[7,7]]}}}'), /items/],
      [broken('"patch":{"keys":{"b":{"is":1}}}', '"patch":{"unknown":1}'), /patch/],
    ] as const) {
      assert.throws(() => DurableContext.fromJSON(bad), { type: 'InvalidInput', message: problem }, String(problem));
    }
  });
});

function collect(value: Json | undefined, parts: Set<unknown>): void {
  if (typeof value !== 'object' || value === null) return;
  for (const part of Object.values(value)) collect(part, parts);
  parts.add(value);
}
