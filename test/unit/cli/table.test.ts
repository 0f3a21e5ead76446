import assert from 'node:assert/strict';
import { table } from '../../../src/cli/table.ts';

describe('a table', () => {
  it('has columns as wide as their cells, and one very long name moves its own row alone', () => {
    const long = 'x'.repeat(200);
    const text = table(
      ['FILE', 'BYTES'],
      [
        ['notes.txt', '12'],
        [long, '4'],
        ['a', '7'],
      ],
    );
    const [heading = '', ...rows] = text.split('\n');
    assert.match(heading, /FILE {7}BYTES/);
    assert.deepEqual(rows, ['notes.txt  12', `${long}  4`, 'a          7']);
  });

  it('has columns that are straight in a terminal, with names in Chinese, emoji and accents in two code points', () => {
    const names = ['報告書.md', '👨‍👩‍👧.png', 'cafe\u0301.txt', '한국어', 'plain.txt'];
    const [, ...rows] = table(
      ['FILE', 'BYTES'],
      names.map((name) => [name, '12']),
    ).split('\n');
    assert.deepEqual(rows, ['報告書.md  12', '👨‍👩‍👧.png     12', 'cafe\u0301.txt   12', '한국어     12', 'plain.txt  12']);
  });
});
