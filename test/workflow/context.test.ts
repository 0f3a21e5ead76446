/** The durable context by itself: values, versions, protection, merging, the log, working copies. No server needed. */
import assert from 'node:assert/strict';
import { ContextValues, jsonProblem } from '../../src/contracts/context.ts';
import type { Json } from '../../src/contracts/json.ts';
import { DurableContext } from '../../src/workflows/context/context.ts';

const NOW = '2025-03-01T12:00:00.000Z';
const LATER = '2025-03-01T12:00:01.000Z';

describe('the context', () => {
  it('[C01] keeps what was handed in and out apart from what it holds, unless it is told not to', () => {
    const context = new DurableContext();
    const value = { list: [{ n: 1 }] };
    context.set('a', value, NOW);
    context.update({ b: value }, NOW);
    context.merge({ c: value }, NOW);
    context.set('temp', value, NOW, { ephemeral: true });
    const taken = context.checkpoint('test', { why: value }, NOW);
    const state = context.toJSON();
    const copy = new DurableContext(state);
    value.list.push({ n: 2 });
    const given: unknown[] = [
      context.get('a'),
      context.pick(['b']),
      context.entries(),
      context.view(),
      context.toJSON(),
      context.persistent,
      context.ephemeral,
    ];
    given.push(state, taken, context.snapshot('latest'), context.snapshots, context.changes);
    for (const out of given) spoil(out);
    for (const key of ['a', 'b', 'c', 'temp']) assert.deepEqual(context.get(key), { list: [{ n: 1 }] }, key);
    assert.deepEqual(copy.get('a'), { list: [{ n: 1 }] });
    assert.deepEqual(context.snapshot('latest').metadata, { why: { list: [{ n: 1 }] } });
    assert.deepEqual(Object.keys(context.snapshot('latest').data), ['a', 'b', 'c']);
    assert.deepEqual(
      context.changes.map(({ keys }) => keys),
      [['a'], ['b'], ['c'], ['temp']],
    );
    const own = { big: [1, 2, 3] };
    context.set('d', own, NOW, { isolate: false });
    assert.equal(context.get('d', { isolate: false }), own);
    assert.notEqual(context.get('d'), own);
    assert.equal(context.pick(['d'], { isolate: false })['d'], own);
  });

  it('[C02] counts changes from 0, and a value that is the same is no change', () => {
    const context = new DurableContext();
    assert.equal(context.version, 0);
    assert.equal(context.set('a', { deep: [1, 2], x: null }, NOW), true);
    assert.equal(context.set('a', { x: null, deep: [1, 2] }, NOW), false);
    assert.equal(context.set('b', null, NOW), true);
    assert.equal(context.version, 2);
    assert.deepEqual(context.update({ a: 1, b: 2 }, NOW), { changed: ['a', 'b'], skipped: [] });
    assert.equal(context.version, 3);
    assert.deepEqual(context.update({ a: 1, b: 2 }, NOW), { changed: [], skipped: [] });
    assert.equal(context.delete('a', NOW), true);
    assert.equal(context.delete('a', NOW), false);
    assert.equal(context.version, 4);
    assert.equal(context.set('zero', -0, NOW), true);
    assert.equal(context.set('zero', 0, NOW), false);
    assert.equal(context.changes.length, 5);
  });

  it('[C03] lets a protected key keep its value, whatever is done', () => {
    const context = new DurableContext();
    for (const key of ['session_id', 'run_id', 'initial_task', 'workflow_id']) {
      context.set(key, 'first', NOW);
      assert.equal(context.set(key, 'first', NOW), false);
      assert.throws(() => context.set(key, 'second', NOW), { type: 'ProtectedKey', details: [{ key }] });
      assert.throws(() => context.set(key, 'second', NOW, { ephemeral: true }), { type: 'ProtectedKey' });
      assert.throws(() => context.delete(key, NOW), { type: 'ProtectedKey' });
    }
    context.checkpoint('before mine', {}, NOW);
    context.set('mine', 1, NOW);
    context.checkpoint('mine is 1', {}, NOW);
    context.set('mine', 2, NOW, { protect: true });
    assert.throws(() => context.set('mine', 3, NOW), { type: 'ProtectedKey' });
    const { version } = context;
    for (const strategy of ['safe', 'update', 'replace'] as const) {
      assert.deepEqual(context.merge({ mine: 3, run_id: 'other', session_id: 'first' }, NOW, { strategy }), {
        changed: [],
        skipped: ['mine', 'run_id'],
      });
    }
    assert.deepEqual(context.merge({ ne: 3 }, NOW, { strategy: 'prefixed', prefix: 'mi' }).skipped, ['mine']);
    assert.deepEqual(context.update({ mine: 3 }, NOW).skipped, ['mine']);
    assert.equal(context.version, version);
    context.restore('snap-1', NOW);
    assert.deepEqual(context.restore('snap-2', NOW).skipped, ['mine']);
    const carried = new DurableContext(JSON.parse(JSON.stringify(context)) as object);
    assert.throws(() => carried.set('mine', 3, NOW), { type: 'ProtectedKey' });
    for (const held of [context, carried]) {
      assert.deepEqual(Object.values(held.view().values), ['first', 'first', 'first', 'first', 2]);
    }
    assert.deepEqual(new DurableContext().update({ run_id: 1 }, NOW), { changed: [], skipped: ['run_id'] });
  });

  it('makes protection of a value that it has a change of its own', () => {
    const context = new DurableContext();
    context.set('mine', 1, NOW);
    assert.equal(context.set('mine', 1, NOW, { protect: true }), true);
    assert.equal(context.set('mine', 1, NOW, { protect: true }), false);
    assert.equal(context.version, 2);
  });

  it('[C04] keeps ephemeral values beside the persistent ones, until they are cleared', () => {
    const context = new DurableContext();
    context.set('a', 'ephemeral', NOW, { ephemeral: true });
    context.set('b', 'ephemeral', NOW, { ephemeral: true });
    assert.equal(context.get('a'), 'ephemeral');
    context.set('a', null, NOW);
    assert.equal(context.get('a'), null);
    assert.deepEqual(context.keys(), ['a', 'b']);
    context.checkpoint('test', {}, NOW);
    const { view, ephemeral } = { view: context.view(), ephemeral: context.ephemeral };
    assert.deepEqual([view.values, view.ephemeralKeys], [{ a: null, b: 'ephemeral' }, ['b']]);
    const exported = DurableContext.fromJSON(JSON.parse(JSON.stringify(context)));
    assert.deepEqual(exported.entries(), [['a', null]]);
    assert.deepEqual(exported.snapshot('latest').data, { a: null });
    assert.doesNotMatch(JSON.stringify(context), /:"ephemeral"/);
    const carried = new DurableContext(JSON.parse(JSON.stringify(context)) as object, { ephemeral });
    assert.deepEqual(carried.view(), view);
    assert.equal(context.version, 1);
    assert.deepEqual(context.clearEphemeral(LATER), ['a', 'b']);
    assert.deepEqual(context.clearEphemeral(LATER), []);
    assert.deepEqual(context.entries(), [['a', null]]);
    const [first] = context.changes;
    assert.deepEqual(first, { op: 'set', version: 0, timestamp: NOW, keys: ['a'], count: 1, ephemeral: true });
    const cleared = { op: 'clear', version: 1, timestamp: LATER, keys: ['a', 'b'], count: 2, ephemeral: true };
    assert.deepEqual(context.changes.at(-1), cleared);
    assert.equal(context.version, 1);
    context.set('b', 1, NOW, { ephemeral: true });
    assert.equal(context.delete('b', NOW), true);
    assert.equal(context.has('b'), false);
    assert.throws(() => context.set('c', 1, NOW, { ephemeral: true, protect: true }), { type: 'InvalidInput' });
  });

  it('[C05] merges as the strategy says, and names the strategies where there is no such one', () => {
    const merged = (options: Parameters<DurableContext['merge']>[2]): unknown => {
      const context = new DurableContext({ values: { a: 1, b: 2 } });
      const report = context.merge({ b: 3, c: 4 }, NOW, options);
      return [context.view().values, report.skipped, context.version];
    };
    assert.deepEqual(merged({}), [{ a: 1, b: 2, c: 4 }, ['b'], 1]);
    assert.deepEqual(merged({ strategy: 'safe' }), merged({}));
    assert.deepEqual(merged({ strategy: 'update' }), [{ a: 1, b: 3, c: 4 }, [], 1]);
    assert.deepEqual(merged({ strategy: 'replace' }), [{ b: 3, c: 4 }, [], 1]);
    assert.deepEqual(merged({ strategy: 'prefixed', prefix: 'x.' }), [{ a: 1, b: 2, 'x.b': 3, 'x.c': 4 }, [], 1]);
    const named = /safe, update, replace/;
    assert.throws(() => merged({ strategy: 'prefixed' }), { type: 'InvalidInput', message: named });
    assert.throws(() => merged({ strategy: 'prefixed', prefix: '' }), {
      type: 'InvalidInput',
      message: /needs a prefix/,
    });
    // As a caller without types could give it.
    const unknown = { strategy: 'nope' } as unknown as Parameters<DurableContext['merge']>[2];
    assert.throws(() => merged(unknown), { type: 'InvalidInput', message: /"nope".*safe, update, replace, prefixed/ });
  });

  it('[C08] logs what happened to which keys, 200 changes at most', () => {
    const context = new DurableContext();
    context.set('a', 1, NOW);
    context.update({ a: 2, b: 2 }, LATER);
    context.checkpoint('test', {}, LATER);
    context.delete('a', LATER);
    context.merge({ c: 1 }, LATER, { strategy: 'update' });
    context.restore('latest', LATER);
    context.set('temp', 1, LATER, { ephemeral: true });
    assert.deepEqual(context.changes, [
      { op: 'set', version: 1, timestamp: NOW, keys: ['a'], count: 1 },
      { op: 'update', version: 2, timestamp: LATER, keys: ['a', 'b'], count: 2 },
      { op: 'delete', version: 3, timestamp: LATER, keys: ['a'], count: 1 },
      { op: 'merge', version: 4, timestamp: LATER, keys: ['c'], count: 1, strategy: 'update' },
      { op: 'restore', version: 5, timestamp: LATER, keys: ['c', 'a'], count: 2, from: { id: 'snap-1', version: 2 } },
      { op: 'set', version: 5, timestamp: LATER, keys: ['temp'], count: 1, ephemeral: true },
    ]);
    for (let n = 0; n < 300; n++) context.set('n', n, NOW);
    assert.equal(context.changes.length, 200);
    assert.deepEqual([context.changes[0]?.version, context.changes.at(-1)?.version], [106, 305]);
  });

  it('keeps the log small, however many long keys change at once', () => {
    const context = new DurableContext();
    for (let round = 0; round < 100; round++) {
      context.update(Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`${'k'.repeat(190)}${n}`, round])), NOW);
    }
    const { changes } = context;
    assert.deepEqual([changes.at(-1)?.keys.length, changes.at(-1)?.count], [20, 50]);
    assert.ok(Buffer.byteLength(JSON.stringify(changes)) <= 64 * 1024);
    assert.ok(changes.length > 10, String(changes.length));
  });

  it('[C09] is used like a dictionary', () => {
    const context = new DurableContext();
    context.set('a', 1, NOW);
    context.update({ b: [2], c: null }, NOW);
    assert.deepEqual([context.get('a'), context.get('c'), context.get('d')], [1, null, undefined]);
    assert.deepEqual([context.has('c'), context.has('d'), context.has('toString')], [true, false, false]);
    assert.equal(context.get('toString'), undefined);
    assert.equal(context.get('__proto__'), undefined);
    assert.deepEqual(context.keys(), ['a', 'b', 'c']);
    assert.deepEqual(context.entries(), [
      ['a', 1],
      ['b', [2]],
      ['c', null],
    ]);
    assert.equal(context.size, 3);
    assert.equal(context.delete('b', NOW), true);
    assert.equal(context.size, 2);
    assert.deepEqual(context.pick(['c', 'b', 'constructor']), { c: null });
  });

  it('refuses keys and values that it could not keep, and stays as it was', () => {
    const context = new DurableContext();
    context.set('a', 1, NOW);
    const before = JSON.stringify(context);
    const bad: unknown[] = [undefined, Number.NaN, Infinity, new Date(), new Map(), () => 1, 1n, Symbol('s')];
    bad.push([undefined], Array.from({ length: 2 }), { a: undefined }, JSON.parse('{"x":{"__proto__":1}}'), nested(65));
    for (const value of bad) {
      assert.notEqual(jsonProblem(value), undefined);
      // As a caller without types could give it.
      assert.throws(() => context.set('b', value as Json, NOW), { type: 'InvalidInput' });
      assert.throws(() => context.update({ c: 1, b: value as Json }, NOW), { type: 'InvalidInput' });
    }
    assert.throws(() => context.set('b', nested(65), NOW), {
      message: /"b".* nested too deeply; 64 levels are allowed/,
    });
    for (const key of ['', '__proto__', 'constructor', 'prototype', 'x'.repeat(201)]) {
      assert.throws(() => context.set(key, 1, NOW), { type: 'InvalidInput' }, key);
      assert.throws(() => context.merge(Object.fromEntries([[key, 1]]), NOW), { type: 'InvalidInput' }, key);
      assert.equal(ContextValues.safeParse(Object.fromEntries([[key, 1]])).success, false);
    }
    assert.equal(JSON.stringify(context), before);
    assert.equal(context.set('b', nested(64), NOW), true);
    context.set('half', 'a\ud83d', NOW);
    assert.equal(new DurableContext(JSON.parse(JSON.stringify(context)) as object).get('half'), 'a\ud83d');
  });

  it('refuses to grow past 256 KiB in UTF-8, says so, and stays as it was', () => {
    const context = new DurableContext();
    context.set('a', 'x'.repeat(200_000), NOW);
    const before = JSON.stringify(context);
    assert.throws(() => context.set('b', 'y'.repeat(100_000), NOW), {
      type: 'InvalidInput',
      message:
        /"b" is not valid: the context would be 300015 bytes large and 262144 are allowed; keep large data in files/,
    });
    assert.throws(() => context.set('b', 'ü'.repeat(40_000), NOW), { message: /280015 bytes/ });
    assert.throws(() => context.update({ small: 1, b: 'ü'.repeat(40_000) }, NOW), { type: 'InvalidInput' });
    assert.equal(JSON.stringify(context), before);
    assert.equal(context.set('a', 'x'.repeat(150_000), NOW), true);
  });

  it('measures itself in bytes, and warns once when it grows past a threshold', () => {
    const context = new DurableContext({}, { warnAtBytes: 1_000 });
    assert.equal(context.measure().bytes, 2);
    context.update({ 'k"1': 'ü"\n😀\ud83d', list: [], o: { x: [1.5, -2e30, true, null] }, s: 'plain' }, NOW);
    context.delete('s', NOW);
    assert.equal(context.measure().bytes, Buffer.byteLength(JSON.stringify(context.view().values)));
    context.set('big', 'x'.repeat(900), NOW);
    const { bytes, keys, limitBytes, warnAtBytes } = context.measure();
    assert.equal(bytes, Buffer.byteLength(JSON.stringify(context.view().values)));
    assert.deepEqual([keys[0], limitBytes, warnAtBytes], [{ key: 'big', bytes: 909 }, 262_144, 1_000]);
    assert.deepEqual(context.takeWarnings(), []);
    context.set('more', 'x'.repeat(100), NOW);
    context.set('more', 'x'.repeat(200), NOW);
    const size = context.measure().bytes - 100;
    assert.deepEqual(context.takeWarnings(), [
      { kind: 'size', bytes: size, warnAtBytes: 1_000, largest: ['big', 'more', 'o'] },
    ]);
    assert.deepEqual(context.takeWarnings(), []);
    context.delete('more', NOW);
    context.set('more', 'x'.repeat(200), NOW);
    assert.equal(context.takeWarnings().length, 1);
  });
});

/** Changes every part of a value that can be changed. */
function spoil(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const part of Object.values(value)) spoil(part);
  if (Array.isArray(value)) value.push('spoilt');
  else Object.assign(value, { spoilt: true });
}

function nested(levels: number): Json {
  let value: Json = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}
