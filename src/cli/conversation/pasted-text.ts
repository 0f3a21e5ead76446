/** Tells what a person types from what they paste, in the bytes of a terminal with bracketed paste. */
import { visible } from '../../contracts/visible-text.ts';

const PASTE_START = '\u001b[200~';
const PASTE_END = '\u001b[201~';
const ESCAPE = '\u001b';
const ENTER = /^(?:\r\n?|\n)/;

export type Input =
  /** Keys for the line editor, without Enter. */
  | { readonly kind: 'keys'; readonly text: string }
  | { readonly kind: 'enter' }
  /** Text to insert: a paste as a whole, or a newline by Alt-Enter. */
  | { readonly kind: 'insert'; readonly text: string; readonly isPaste: boolean };

/** Splits the input, wherever its pieces are cut. */
export class PastedText {
  #held = '';
  #paste: string | undefined;

  push(piece: string): Input[] {
    let left = this.#held + piece;
    this.#held = '';
    const inputs: Input[] = [];
    while (left !== '') left = this.#paste === undefined ? this.#readKeys(left, inputs) : this.#readPaste(left, inputs);
    return inputs;
  }

  /** @returns what follows */
  #readKeys(text: string, inputs: Input[]): string {
    if (text.startsWith(PASTE_START)) {
      this.#paste = '';
      return text.slice(PASTE_START.length);
    }
    const altEnter = text.startsWith(ESCAPE) ? ENTER.exec(text.slice(ESCAPE.length)) : null;
    if (altEnter) {
      inputs.push({ kind: 'insert', text: '\n', isPaste: false });
      return text.slice(ESCAPE.length + altEnter[0].length);
    }
    const enter = ENTER.exec(text);
    if (enter) {
      inputs.push({ kind: 'enter' });
      return text.slice(enter[0].length);
    }
    if (PASTE_START.startsWith(text)) {
      this.#held = text;
      return '';
    }
    const keys = /^[\s\S]\P{Cc}*/u.exec(text)?.[0] ?? '';
    inputs.push({ kind: 'keys', text: keys });
    return text.slice(keys.length);
  }

  #readPaste(text: string, inputs: Input[]): string {
    const paste = (this.#paste ?? '') + text;
    const end = paste.indexOf(PASTE_END);
    if (end < 0) {
      this.#paste = paste;
      return '';
    }
    this.#paste = undefined;
    inputs.push({ kind: 'insert', text: pastedText(paste.slice(0, end)), isPaste: true });
    return paste.slice(end + PASTE_END.length);
  }
}

/** Terminals send the ends of pasted lines as carriage returns. Other control characters become visible marks. */
function pastedText(text: string): string {
  return visible(text.replaceAll(/\r\n?/g, '\n'));
}
