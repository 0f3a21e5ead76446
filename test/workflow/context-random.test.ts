/**
 * The context under any sequence of operations, beside a naive model that copies everything. No server needed.
 * A failing run prints its seed; FC_SEED runs it again.
 */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { ApplicationFailure } from '@temporalio/common';
import fc from 'fast-check';
import type { Json } from '../../src/contracts/json.ts';
import { DurableContext } from '../../src/workflows/context/context.ts';
import { applyPatch } from '../../src/contracts/context-patch.ts';
import { patchOf } from '../../src/workflows/context/patch.ts';
import { bytesOf, copyReusing, isEqual } from '../../src/workflows/context/tree.ts';
import { type Change, Model } from '../helpers/context-model.ts';

const seed = Number(process.env['FC_SEED'] ?? Date.now() % 1_000_000_000);

type Operation =
  | Change
  | { op: 'clear' | 'round-trip' | 'file' }
  | { op: 'checkpoint'; reason: string }
  | { op: 'round'; round: number }
  | { op: 'restore'; wanted: 'latest' | 'id' | 'version'; number: number }
  | { op: 'branch'; inside: Change[]; meanwhile: Change[]; isJoined: boolean };

const key = fc.constantFrom('a', 'b', '10', '2', 'x/y', 'mine', 'session_id', 'initial_task');
const long = 'The quick brown 🦊 jumps over the lazy dog, again and again. ';
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom<Json>(null, true, 0, 1, -1.5, '', 'a', '\ud83d', long, `${long}more`, `${long}${long}`),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('p', 'q', '1', '~', 'constructor'), tie('value'), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
}));
const values = fc.dictionary(key, value, { maxKeys: 4, noNullPrototype: true });
const rarely = fc.integer({ min: 0, max: 5 }).map((n) => n === 0);
const change = fc.oneof<fc.Arbitrary<Change>[]>(
  fc.record({ op: fc.constant('set'), key, value, protect: rarely, ephemeral: rarely, isolate: fc.boolean() }),
  fc.record({ op: fc.constant('update'), values }),
  fc.record({
    op: fc.constant('merge'),
    values,
    strategy: fc.constantFrom('safe', 'update', 'replace', 'prefixed'),
    prefix: fc.constantFrom('p.', 'p.', ''),
  }),
  fc.record({ op: fc.constant('delete'), key }),
);
const operation = fc.oneof<fc.WeightedArbitrary<Operation>[]>(
  { weight: 8, arbitrary: change },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('clear', 'round-trip', 'round-trip', 'file') }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('checkpoint'), reason: fc.constantFrom('x', 'y') }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('round'), round: fc.nat(4) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('restore'),
      wanted: fc.constantFrom('latest', 'id', 'version'),
      number: fc.integer({ min: 0, max: 12 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('branch'),
      inside: fc.array(change, { maxLength: 4 }),
      meanwhile: fc.array(change, { maxLength: 2 }),
      isJoined: fc.boolean(),
    }),
  },
);

/** Runs a change on a context, and spoils what was handed in where the context promises to keep it apart. */
function run(context: DurableContext, wanted: Change, now: string): string | undefined {
  const given = structuredClone(wanted);
  const type = errorOf(() => {
    switch (given.op) {
      case 'set': {
        const { protect, ephemeral, isolate } = given;
        return context.set(given.key, given.value, now, { protect, ephemeral, isolate });
      }
      case 'update':
        return context.update(given.values, now);
      case 'merge':
        return context.merge(given.values, now, { strategy: given.strategy, prefix: given.prefix });
      case 'delete':
        return context.delete(given.key, now);
    }
  });
  if (given.op === 'set' && given.isolate) spoil(given.value);
  if (given.op === 'update' || given.op === 'merge') spoil(given.values);
  return type;
}

function errorOf(work: () => unknown): string | undefined {
  try {
    spoil(work());
    return undefined;
  } catch (error) {
    if (error instanceof ApplicationFailure) return error.type ?? '';
    throw error;
  }
}

function spoil(part: unknown): void {
  if (typeof part !== 'object' || part === null || part instanceof DurableContext) return;
  for (const inner of Object.values(part)) spoil(inner);
  if (Array.isArray(part)) part.push('spoilt');
  else Object.assign(part, { spoilt: 'spoilt' });
}

function carried(context: DurableContext): DurableContext {
  const { ephemeral } = context;
  return new DurableContext(JSON.parse(JSON.stringify(context)) as object, { ephemeral });
}

function same(context: DurableContext, model: Model): void {
  assert.equal(context.version, model.version);
  assert.deepEqual(context.persistent, model.values);
  assert.deepEqual(context.view().values, { ...model.ephemeral, ...model.values });
  assert.deepEqual(context.toJSON().agentKeys.toSorted(), model.agentKeys.toSorted());
  assert.deepEqual(context.view().protectedKeys, model.protectedKeys);
  assert.deepEqual(Object.fromEntries(context.entries()), { ...model.ephemeral, ...model.values });
  assert.equal(context.size, new Set([...Object.keys(model.ephemeral), ...Object.keys(model.values)]).size);
  assert.equal(context.measure().bytes, Buffer.byteLength(JSON.stringify(model.values)));
  assert.deepEqual(
    context.changes.map(({ count, keys, ...rest }) => ({
      ...rest,
      keys: keys.toSorted(),
      ...(count === keys.length ? {} : { count }),
    })),
    model.log,
  );
  assert.deepEqual(
    context.snapshots.map(({ id }) => {
      const { version, reason, data, kind } = context.snapshot(id);
      return { id, version, reason, automatic: kind === 'automatic', data };
    }),
    model.snapshots,
  );
}

const at = (step: number): string => new Date(Date.UTC(2025, 0, 1) + step * 1_000).toISOString();

/** One operation on a context and on the model; gives the context to go on with. */
function step(
  context: DurableContext,
  model: Model,
  wanted: Operation,
  now: string,
  isCarried: boolean,
): DurableContext {
  switch (wanted.op) {
    case 'clear':
      context.clearEphemeral(now);
      model.clear(now);
      return context;
    case 'round-trip':
      return isCarried ? carried(context) : context;
    case 'file':
      model.clear(now);
      context.clearEphemeral(now);
      return isCarried ? DurableContext.fromJSON(JSON.parse(JSON.stringify(context))) : context;
    case 'checkpoint':
      spoil(context.checkpoint(wanted.reason, {}, now));
      model.checkpoint(wanted.reason, false);
      return context;
    case 'round':
      if (context.maybeCheckpoint(wanted.round, 2, now)) model.checkpoint(`round_${wanted.round}`, true);
      assert.equal(context.snapshots.length, model.snapshots.length);
      return context;
    case 'restore': {
      const ref =
        wanted.wanted === 'latest' ? 'latest' : wanted.wanted === 'id' ? `snap-${wanted.number}` : wanted.number;
      assert.equal(
        errorOf(() => context.restore(ref, now)),
        model.restore(ref, now),
      );
      return context;
    }
    case 'branch': {
      const [branch, base, theirs] = [context.branch(), model.clone(), model.clone()];
      for (const inner of wanted.inside) assert.equal(run(branch, inner, now), theirs.change(inner, now));
      same(branch, theirs);
      for (const inner of wanted.meanwhile) assert.equal(run(context, inner, now), model.change(inner, now));
      same(context, model);
      if (!wanted.isJoined) return context;
      context.join(branch, now);
      model.join(base, theirs, now);
      return context;
    }
    default:
      assert.equal(run(context, wanted, now), model.change(wanted, now));
      return context;
  }
}

describe('any sequence of operations on a context', function () {
  this.timeout(120_000);
  before(() => console.log(`      seed ${seed}`));

  it('keeps version, values, protection, isolation, snapshots and log as a naive model has them', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        let context = new DurableContext();
        const model = new Model();
        for (const [index, wanted] of operations.entries()) {
          const before = context.version;
          const kept = context.pick(context.keys().filter((name) => context.isProtected(name)));
          context = step(context, model, wanted, at(index), true);
          same(context, model);
          if (wanted.op !== 'branch') assert.ok([before, before + 1].includes(context.version));
          for (const [name, old] of Object.entries(kept)) assert.deepEqual(context.get(name), old);
        }
      }),
      { seed, numRuns: 400 },
    );
  });

  it('has the same future whether or not the context was carried as JSON in between', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        let [one, other] = [new DurableContext(), new DurableContext()];
        const model = new Model();
        for (const [index, wanted] of operations.entries()) {
          one = step(one, model.clone(), wanted, at(index), false);
          other = step(other, model, wanted, at(index), true);
          assert.equal(JSON.stringify(other), JSON.stringify(one));
        }
      }),
      { seed, numRuns: 200 },
    );
  });

  it('has the same future too where snapshots are dropped for their number and size', () => {
    const block = fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      length: fc.integer({ min: 0, max: 30_000 }),
      letter: fc.constantFrom('x', 'y', '"'),
    });
    fc.assert(
      fc.property(fc.array(block, { minLength: 40, maxLength: 80 }), fc.constantFrom(1, 100), (blocks, scale) => {
        let [one, other] = [new DurableContext(), new DurableContext()];
        for (const [index, { key: name, length, letter }] of blocks.entries()) {
          for (const context of [one, other]) {
            context.set(name, letter.repeat(length / scale), at(index));
            if (length % 3 === 0) context.maybeCheckpoint(1, 1, at(index));
            else context.checkpoint('x', { index }, at(index));
          }
          assert.deepEqual(other.takeWarnings(), one.takeWarnings());
          if (length % 5 === 0) other = carried(other);
        }
        const json = JSON.stringify(one);
        assert.equal(JSON.stringify(other), json);
        assert.ok(Buffer.byteLength(json) < 800 * 1024);
        const back = carried(one);
        for (const { id } of one.snapshots) assert.deepEqual(back.snapshot(id), one.snapshot(id));
      }),
      { seed, numRuns: 8 },
    );
  });
});

describe('any two values', () => {
  /** Two values of which the second is often the first with some edits. */
  const json = fc.oneof(
    value,
    fc
      .jsonValue({ maxDepth: 4 })
      .map((any) => JSON.parse(JSON.stringify(any).replaceAll('"__proto__"', '"p"')) as Json),
  );
  const edits = fc.array(
    fc.record({ at: fc.nat(30), value: json, kind: fc.constantFrom('set', 'drop', 'move', 'add') }),
    { maxLength: 4 },
  );
  const pair = fc.tuple(json, edits).map(([older, list]) => [older, list.reduce(edited, older)] as const);

  it('are made out of each other by a patch that is no larger than the value, with the same order of keys', () => {
    fc.assert(
      fc.property(fc.oneof(pair, fc.tuple(json, json)), ([a, b]) => {
        for (const [target, source] of [
          [a, b],
          [b, a],
        ] as const) {
          const patch = patchOf(target, source);
          const parsed = JSON.parse(JSON.stringify(patch)) as typeof patch;
          assert.equal(JSON.stringify(applyPatch(parsed, source, assert.fail)), JSON.stringify(target));
          assert.ok(bytesOf(patch) <= bytesOf(target) + '{"is":}'.length);
          // What they share in memory makes no difference.
          assert.deepEqual(
            patchOf(copyReusing(target, source), source),
            patchOf(copyReusing(target, source), structuredClone(source)),
          );
        }
      }),
      { seed, numRuns: 3_000 },
    );
  });

  it('are stored as equal values that share their equal parts, and measured as JSON is', () => {
    fc.assert(
      fc.property(pair, ([older, newer]) => {
        const stored = copyReusing(newer, older);
        assert.deepEqual(stored, JSON.parse(JSON.stringify(newer)));
        assert.equal(
          stored === older,
          isDeepStrictEqual(JSON.parse(JSON.stringify(newer)), JSON.parse(JSON.stringify(older))),
        );
        assert.equal(isEqual(newer, older), stored === older);
        assert.equal(bytesOf(stored), Buffer.byteLength(JSON.stringify(stored)));
      }),
      { seed, numRuns: 2_000 },
    );
  });
});

function edited(target: Json, edit: { at: number; value: Json; kind: string }): Json {
  if (typeof target === 'string') return target.slice(0, edit.at) + 'new' + target.slice(edit.at + 1);
  if (typeof target !== 'object' || target === null) return edit.value;
  const entries = Object.entries<Json>(target);
  const index = entries.length === 0 ? 0 : edit.at % entries.length;
  const found = entries[index];
  if (edit.kind === 'add' || !found) entries.splice(index, 0, [`n${edit.at}`, edit.value]);
  else if (edit.kind === 'drop') entries.splice(index, 1);
  else if (edit.kind === 'move') entries.push(...entries.splice(index, 1));
  else entries[index] = [found[0], edited(found[1], edit)];
  return Array.isArray(target) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
}
