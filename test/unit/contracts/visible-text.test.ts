import assert from 'node:assert/strict';
import fc from 'fast-check';
import { visible, visibleJson, VisibleStream, visibleWithBlanks } from '../../../src/contracts/visible-text.ts';

/** Everything that a terminal obeys, and what shows nothing. */
const HIDDEN = [
  ...Array.from({ length: 0x20 }, (_, code) => code).filter((code) => code !== 9 && code !== 10),
  ...Array.from({ length: 0x21 }, (_, index) => 0x7f + index),
  ...[0xad, 0x61c, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202d, 0x202e, 0x2060, 0x2064],
  ...[0x2066, 0x2069, 0x3164, 0xfe0f, 0xfeff, 0xfff9, 0xfffb, 0xe0001, 0xe0041, 0xe007f, 0xe0100],
];

/** Each looks like a space, or like nothing. */
const BLANKS = [
  ...[0xa0, 0x115f, 0x1160, 0x1680, 0x202f, 0x205f, 0x2800, 0x3000, 0x3164, 0xffa0, 0x1d159],
  ...Array.from({ length: 11 }, (_, index) => 0x2000 + index),
];

const SPELT = ['👨‍👩‍👧', '❤️', '❤️‍🔥', '1️⃣', '👩🏽‍💻', 'می‌خواهم', 'क्‍ष', 'naïve', '日本語', 'tab\tand\nline'];

describe('text of others', () => {
  it('[H08] has a mark in the place of each character that steers a terminal or cannot be seen', () => {
    for (const code of HIDDEN) {
      const text = visible(`a${String.fromCodePoint(code)}b`);
      assert.match(text, /^a(?:[\u2400-\u2421]|<U\+[0-9A-F]{4,6}>)b$/u, code.toString(16));
    }
    assert.equal(visible('ls\x1b[8m; touch x\r'), 'ls␛[8m; touch x␍');
    assert.equal(visible('a\u202eb'), 'a<U+202E>b');
  });

  it('keeps what is spelt with joiners, and everything that can be seen', () => {
    for (const text of SPELT) assert.equal(visible(text), text);
  });

  it('[H08] that a person decides about has a mark in the place of each blank that is no space', () => {
    for (const code of BLANKS) {
      const number = code.toString(16).toUpperCase().padStart(4, '0');
      const command = `rm /tmp/c${String.fromCodePoint(code)}d`;
      assert.equal(visibleWithBlanks(command), `rm /tmp/c<U+${number}>d`);
      const json = visibleJson(JSON.stringify(command));
      assert.match(json, /^"[ -~]+"$/);
      assert.equal(JSON.parse(json), command);
    }
    for (const text of SPELT) assert.equal(visibleWithBlanks(text), text);
    for (const text of ['Voilà\u202f!', '10\u00a0000 €', '日本\u3000語']) assert.equal(visible(text), text);
  });

  it('[H08] is made visible alike in whatever pieces it comes', () => {
    const characters = fc.constantFrom(...HIDDEN.map((code) => String.fromCodePoint(code)), ...SPELT, '\x1b[8m', 'x');
    fc.assert(
      fc.property(fc.array(characters), fc.array(fc.nat(40)), (parts, cuts) => {
        const text = parts.join('');
        const stream = new VisibleStream();
        const ends = [...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
        const pieces = ends.map((end, index) => stream.push(text.slice(ends[index - 1] ?? 0, end)));
        assert.equal(pieces.join('') + stream.end(), visible(text));
      }),
    );
  });

  it('[H08] is exact in JSON, without a raw character that cannot be seen', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'binary' }), (json) => {
        const shown = visibleJson(json);
        assert.deepEqual(JSON.parse(shown), JSON.parse(json));
        assert.doesNotMatch(shown, /[\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e0fff}]/u);
      }),
    );
  });
});
