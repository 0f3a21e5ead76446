import assert from 'node:assert/strict';
import { readRange } from '../../../src/gateway/files/byte-range.ts';

describe('a range of bytes', () => {
  for (const [header, bytes, expected] of [
    [null, 10, undefined],
    ['bytes=0-3', 10, { from: 0, to: 4 }],
    ['bytes=4-', 10, { from: 4, to: 10 }],
    ['bytes=-3', 10, { from: 7, to: 10 }],
    ['bytes=-30', 10, { from: 0, to: 10 }],
    ['bytes=9-200', 10, { from: 9, to: 10 }],
    ['bytes=10-', 10, 'outside'],
    ['bytes=-0', 10, 'outside'],
    ['bytes=0-', 0, 'outside'],
    ['bytes=5-4', 10, undefined],
    ['bytes=0-1,4-5', 10, undefined],
    ['bytes=-', 10, undefined],
    ['lines=0-3', 10, undefined],
    ['bytes=99999999999999999999-', 10, undefined],
  ] as const) {
    it(`${header} of ${bytes} is ${JSON.stringify(expected)}`, () =>
      assert.deepEqual(readRange(header, bytes), expected));
  }
});
