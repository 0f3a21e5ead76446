import assert from 'node:assert/strict';
import { table } from '../../../src/cli/terminal.ts';

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
});
