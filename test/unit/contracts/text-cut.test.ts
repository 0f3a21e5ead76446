import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beginningOf, endingOf, shortenText } from '../../../src/contracts/text-cut.ts';
import { packageDir } from '../../../src/package-info.ts';

/** What a person sees as one character each, whatever Unicode makes of it. */
const CHARACTERS = ['a', 'é', 'e\u0301', '한', '👍', '👍🏽', '👩‍👩‍👧', '❤️', '🇩🇪', '🇫🇷', '1️⃣', 'ก็', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '\r\n', '\n', ' '];

describe('text cut by the program', () => {
  it('ends between two characters, wherever the limit is', () => {
    const text = [...CHARACTERS, ...CHARACTERS.toReversed()].join('');
    const ends = new Set([0]);
    for (const character of [...CHARACTERS, ...CHARACTERS.toReversed()]) ends.add(Math.max(...ends) + character.length);
    for (let max = 0; max <= text.length + 1; max++) {
      const [begin, end] = [beginningOf(text, max), endingOf(text, max)];
      assert.equal(begin, text.slice(0, Math.max(...[...ends].filter((at) => at <= max))), `beginning of ${max}`);
      assert.ok(text.endsWith(end) && end.length <= max, `end of ${max}`);
      assert.ok(ends.has(text.length - end.length), `end of ${max} is "${end}"`);
      assert.ok(shortenText(text, Math.max(1, max)).length <= Math.max(1, max));
    }
  });

  it('keeps what fits, and marks what does not', () => {
    assert.deepEqual([beginningOf('abc', 3), endingOf('abc', 3), shortenText('abc', 3)], ['abc', 'abc', 'abc']);
    assert.deepEqual([beginningOf('abcd', 3), endingOf('abcd', 3), shortenText('abcd', 3)], ['abc', 'bcd', 'ab…']);
    assert.deepEqual([beginningOf('abc', -1), endingOf('abc', -1)], ['', '']);
  });

  it('a character without end is cut between code points', () => {
    const text = `a${'\u0301'.repeat(500)}👍`;
    assert.equal(beginningOf(text, 300).length, 300);
    assert.equal(endingOf(text, 300).length, 300);
    const joined = '👩‍'.repeat(200);
    assert.ok(beginningOf(joined, 301).isWellFormed() && endingOf(joined, 301).isWellFormed());
  });

  it('is cut by these functions alone', () => {
    const named =
      /\.(?:slice|substring)\((?:0, |-)[^)]*_(?:TEXT|CHARACTERS|LENGTH|PROBLEM|TITLE|SUMMARY|EDIT|NAME|DESCRIPTION|SUBJECT|WORDS)\b/;
    // Lists are plural.
    const numbered = /\w[^s\W]\.(?:slice|substring)\(0, \d[\d_]+\)/;
    const source = join(packageDir, 'src');
    const found = readdirSync(source, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.startsWith('tools/mcp'))
      .flatMap((name) =>
        readFileSync(join(source, name), 'utf8')
          .split('\n')
          .filter((line) => (named.test(line) || numbered.test(line)) && !/digest|hash/i.test(line))
          .map((line) => `${name}: ${line.trim()}`),
      );
    assert.deepEqual(found, [], 'use contracts/text-cut.ts, which cuts between characters');
  });
});
