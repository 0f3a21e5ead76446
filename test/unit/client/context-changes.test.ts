/** Changes of the context as callers ask for them: refused before anything is sent. */
import assert from 'node:assert/strict';
import {
  contextPoint,
  mergeEdit,
  restorePayload,
  savePayload,
  setEdit,
  snapshotPayload,
  updateEdit,
} from '../../../src/client/session/context-changes.ts';
import type { Json } from '../../../src/client.ts';

const SAVED = { conversation: [], context: {}, phase: null, step: null };

describe('changes of the context', () => {
  it('save leaves out what a loaded message has beside role and text', () => {
    const message = { role: 'user', text: 'hi', turnId: 'turn-1', turn: 1 };
    const payload = savePayload({ ...SAVED, conversation: [message] }, { expectedVersion: 4 });
    assert.deepEqual(payload, { ...SAVED, conversation: [{ role: 'user', text: 'hi' }], expectedVersion: 4 });
  });

  it('save names what is not valid', () => {
    const save = (changes: object) => () => savePayload({ ...SAVED, ...changes }, {});
    assert.throws(save({ step: -1 }), /step \(-1\) is not valid/);
    assert.throws(save({ conversation: [{ role: 'tool', text: '' }] }), /conversation\.0\.role \("tool"\)/);
    assert.throws(save({ conversation: 'hi' }), /conversation \("hi"\)/);
    assert.throws(save({ context: { a: new Date() } }), /context.*object of a class/);
    assert.throws(save({ other: 1 }), /other/);
  });

  it('a value that is not JSON is named with its key', () => {
    const notJson = (value: unknown) => () => setEdit('city', value as Json, {});
    assert.throws(notJson(undefined), /Context value "city" is not valid: it holds undefined/);
    assert.throws(notJson(Number.NaN), /NaN/);
    assert.throws(notJson({ at: new Date() }), /object of a class/);
    assert.throws(() => setEdit('__proto__', 1, {}), /key \("__proto__"\) is not valid: this key is reserved/);
    assert.throws(() => updateEdit({ '': 1 }), /values/);
    assert.deepEqual(setEdit('city', 'Ulm', { protect: true }), {
      op: 'set',
      key: 'city',
      value: 'Ulm',
      protect: true,
    });
  });

  it('a prefix belongs to the strategy "prefixed", and that needs one', () => {
    assert.throws(() => mergeEdit({}, { strategy: 'prefixed' }), /prefix \(none\).*needs a prefix/);
    assert.throws(() => mergeEdit({}, { prefix: 'a_' }), /prefix \(a_\).*only the strategy "prefixed"/);
    assert.throws(() => mergeEdit({}, { strategy: 'hope' as 'safe' }), /strategy \("hope"\)/);
    assert.deepEqual(mergeEdit({ a: 1 }, {}), { op: 'merge', values: { a: 1 } });
  });

  it('versions, snapshots and reasons are checked', () => {
    assert.throws(() => snapshotPayload('x', { expectedVersion: 1.5 }), /expectedVersion \(1\.5\)/);
    assert.throws(() => snapshotPayload('x', { metadata: { turn: 1 } }), /metadata\.turn .*session itself writes/);
    assert.throws(() => snapshotPayload('', {}), /reason \(""\) is not valid: it is empty/);
    assert.throws(() => restorePayload('', {}), /snapshot \(""\)/);
    assert.throws(() => contextPoint(-1, 'from'), /from \(-1\)/);
    assert.deepEqual(restorePayload(3, { expectedVersion: 2 }), { snapshot: 3, expectedVersion: 2 });
  });
});
