import assert from 'node:assert/strict';
import fc from 'fast-check';
import { chatCommandOf } from '../../../src/cli/conversation/chat-commands.ts';
import { type Input, PastedText } from '../../../src/cli/conversation/pasted-text.ts';

const keys = (text: string): Input => ({ kind: 'keys', text });
const pasted = (text: string): Input => ({ kind: 'insert', text, isPaste: true });
const ENTER: Input = { kind: 'enter' };

describe('what comes from a terminal', () => {
  it('[H09] is keys, Enter, new lines and pastes', () => {
    const input = new PastedText();
    assert.deepEqual(input.push('hi\r'), [keys('hi'), ENTER]);
    assert.deepEqual(input.push('\u001b[200~one\rtwo\r\nthree\u001b[201~!\r'), [
      pasted('one\ntwo\nthree'),
      keys('!'),
      ENTER,
    ]);
    assert.deepEqual(input.push('a\u001b\rb'), [keys('a'), { kind: 'insert', text: '\n', isPaste: false }, keys('b')]);
    assert.deepEqual(input.push('\u001b[A\u0003'), [keys('\u001b[A'), keys('\u0003')]);
    assert.deepEqual(input.push('\u001b[200~a\u001b[8mb\u202e\u001b[201~'), [pasted('a␛[8mb<U+202E>')]);
  });

  it('[H09] is the same in whatever pieces it comes', () => {
    const parts = fc.array(
      fc.constantFrom('\u001b[200~', '\u001b[201~', 'y\r', 'text', '\r', '\u001b\r', 'ü', '\u001b[A'),
    );
    fc.assert(
      fc.property(parts, fc.array(fc.nat(60)), (written, cuts) => {
        const text = written.join('');
        const input = new PastedText();
        const ends = [...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
        const pieces = ends.flatMap((end, index) => input.push(text.slice(ends[index - 1] ?? 0, end)));
        assert.deepEqual(joined(pieces), joined(new PastedText().push(text)));
      }),
    );
  });

  it('[H09] is a command of the chat, or a text with a slash', () => {
    assert.equal(chatCommandOf('/help'), 'help');
    assert.equal(chatCommandOf('/quit'), 'quit');
    assert.equal(chatCommandOf('/foo bar'), 'foo');
    assert.equal(chatCommandOf('/etc/hosts: what is it?'), undefined);
    assert.equal(chatCommandOf(' /foo'), undefined);
    assert.equal(chatCommandOf('a /foo'), undefined);
  });
});

/** Keys that follow one another are one. */
function joined(inputs: readonly Input[]): Input[] {
  const all: Input[] = [];
  for (const input of inputs) {
    const last = all.at(-1);
    if (input.kind === 'keys' && last?.kind === 'keys') all[all.length - 1] = keys(last.text + input.text);
    else all.push(input);
  }
  return all;
}
