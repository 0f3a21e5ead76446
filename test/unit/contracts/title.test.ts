/** The title that a first message gives its session. */
import assert from 'node:assert/strict';
import { Label, titleOf } from '../../../src/contracts/session.ts';

describe('a title from a message', () => {
  const cases: readonly (readonly [what: string, message: string, title: string | undefined])[] = [
    ['a short one is itself', 'Plan a trip to Ulm', 'Plan a trip to Ulm'],
    ['lines become one', ' Plan\n\n a\ttrip ', 'Plan a trip'],
    ['a blank one gives none', ' \n ', undefined],
    ['whole words are kept', 'word '.repeat(40), `${'word '.repeat(12).trimEnd()}…`],
    ['a long word is cut', 'm'.repeat(200_000), `${'m'.repeat(59)}…`],
    ['a long word after a short one is cut', `Read ${'m'.repeat(5_000)}`, `Read ${'m'.repeat(54)}…`],
    ['a language without blanks is cut', '会'.repeat(3_000), `${'会'.repeat(59)}…`],
    ['a character of two units is whole or left out', '🙂'.repeat(3_000), `${'🙂'.repeat(29)}…`],
  ];
  for (const [what, message, title] of cases) {
    it(what, () => {
      assert.equal(titleOf(message), title);
      if (title !== undefined) assert.equal(Label.parse(title), title);
    });
  }
});
