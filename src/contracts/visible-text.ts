/**
 * Text of models, tools, files and people as it may be shown. Characters that steer a terminal or cannot be seen become
 * visible marks: a control character its picture, such as ␛, and any other its number, such as <U+202E>.
 */

/**
 * Control characters but tab and newline; line separators; annotation marks; what Unicode says to show nothing for:
 * zero-width and bidi controls, tags, variation selectors and fillers.
 */
const HIDDEN = String.raw`(?![\t\n])[\p{Cc}\p{Zl}\p{Zp}\u{fff9}-\u{fffb}\p{Default_Ignorable_Code_Point}]`;
/**
 * What looks like a space and is none, or like nothing at all: spaces of other widths, the blank of Braille, the empty
 * note head. Prose may need them, such as French or Japanese.
 */
const BLANK = String.raw`(?! )[\p{Zs}\u2800\u{1d159}]`;
/** Scripts whose spelling needs joiners. */
const JOINING = ['Arab', 'Beng', 'Deva', 'Gujr', 'Guru', 'Knda', 'Mlym', 'Mong', 'Orya', 'Sinh', 'Syrc', 'Taml', 'Telu']
  .map((script) => `\\p{Script=${script}}`)
  .join('');
/** Joiners within such a script, and what makes one emoji of several or colours one. They show nothing by themselves. */
const SPELLING = String.raw`(?<=[${JOINING}])[\u200c\u200d](?=[${JOINING}])|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}]\ufe0f?)\u200d(?=\p{Extended_Pictographic})|(?<=[\p{Extended_Pictographic}#*0-9])\ufe0f`;

const HIDDEN_OR_SPELLING = new RegExp(`(${SPELLING})|${HIDDEN}`, 'gu');
const BLANKS = new RegExp(BLANK, 'gu');
const HIDDEN_IN_JSON = new RegExp(`${HIDDEN}|${BLANK}`, 'gu');
const DELETE = 0x7f;
const FIRST_PICTURE = 0x2400;

/** The text with a mark in the place of each character that cannot be seen. Tabs and newlines stay. */
export function visible(text: string): string {
  return text.replace(HIDDEN_OR_SPELLING, (character, spelling: string | undefined) => spelling ?? markOf(character));
}

/**
 * The same for text about which a person decides: blanks other than the space have marks as well, so that one word does
 * not look like two.
 */
export function visibleWithBlanks(text: string): string {
  return markBlanks(visible(text));
}

/** The text with marks for these blanks alone, before something else takes them for white space. */
export function markBlanks(text: string): string {
  return text.replace(BLANKS, markOf);
}

function markOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < ' '.charCodeAt(0)) return String.fromCodePoint(FIRST_PICTURE + code);
  return code === DELETE ? '␡' : `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
}

/** The same JSON document with an escape in the place of each character that cannot be seen, or that looks like a space. */
export function visibleJson(json: string): string {
  return json.replace(HIDDEN_IN_JSON, (character) =>
    [...Array(character.length).keys()]
      .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** Makes text visible that comes in pieces, wherever they are cut. */
export class VisibleStream {
  /** The last characters that were given out: a joiner may belong to them. */
  #last = '';
  /** The end of the text, as long as what follows decides about it. */
  #held = '';

  push(piece: string): string {
    const text = this.#held + piece;
    this.#held = /[\u200c\u200d]?[\ud800-\udbff]?$/u.exec(text)?.[0] ?? '';
    return this.#give(text.slice(0, text.length - this.#held.length));
  }

  /** The rest, if no more text follows. */
  end(): string {
    const rest = this.#give(this.#held.toWellFormed());
    this.#held = '';
    this.#last = '';
    return rest;
  }

  #give(text: string): string {
    const given = visible(this.#last + text).slice(visible(this.#last).length);
    this.#last = /.{0,4}$/su.exec(this.#last + text)?.[0] ?? '';
    return given;
  }
}
