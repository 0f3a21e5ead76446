/** Reads a message as phrases, one behind the other. What the phrases are stands in `phrases.ts`. */
import type { Desk, Finding, Work } from './work.ts';

/** What the places in a form match. */
const PLACES = {
  text: String.raw`"[^"]*"|“[^”]*”|'[^']*'|${'`[^`]*`'}`,
  file: String.raw`["${'`'}]?[\p{L}\p{N}_./-]{1,200}\.[\p{L}\p{N}]+["${'`'}]?`,
  table: String.raw`["${'`'}]?[\p{L}\p{N}_./-]{1,200}\.(?:csv|tsv)["${'`'}]?`,
  column: String.raw`[\p{L}\p{N}_]+`,
  columns: String.raw`[\p{L}\p{N}_]+(?: and [\p{L}\p{N}_]+)*`,
  number: String.raw`\d{1,4}`,
  sum: String.raw`[(-]*\d[\d .+*/^%()-]*[\d)]|\d`,
  name: String.raw`[\p{L}\p{N}][\p{L}\p{N}_.-]*`,
  json: String.raw`\{(?:[^{}"]|"(?:[^"\\]|\\.)*"|\{[^{}]*\})*\}`,
  url: String.raw`https?:\/\/[^\s,;"]+`,
  words: String.raw`[^\n,;:"]+`,
  line: String.raw`[^\n]+`,
  block: '```[^]*?```',
  rest: '[^]+',
} as const;

/** Texts at the places of a form, without quotes around them. */
export type Places = Readonly<Partial<Record<string, string>>>;

export interface Phrase {
  /** As docs/offline-model.md shows it. */
  readonly example: string;
  /**
   * A regular expression in which a space is any white space and `{place}` captures one of {@link PLACES}; `{other:place}`
   * captures it under another name.
   */
  readonly form: string;
  /** Finds the agent for it: the first whose description has such words. */
  readonly agent: RegExp;
  readonly run: (places: Places, desk: Desk) => Work<Finding> | Finding;
}

export interface ParsedPhrase {
  readonly phrase: Phrase;
  readonly places: Places;
  /** As it stands in the message. */
  readonly text: string;
  /** It may run at the same time as the one before it. */
  readonly alongside: boolean;
}

/** Longer messages are no phrases. */
const MAX_MESSAGE = 20_000;
/** Between two phrases. `slowly` is about the speed of texts, and says nothing of what to do. */
const SEPARATOR = /(?:\s|[,.;]|(?:and|then|finally|slowly|at the same time)\b)*/iuy;
const END = /(?:[\s.!?]|slowly\b)*$/iuy;

const compiled = new WeakMap<Phrase, RegExp>();

/** The phrases of a message; undefined if any part of it is none. */
export function parseMessage(message: string, phrases: readonly Phrase[]): ParsedPhrase[] | undefined {
  const text = message.trim();
  if (text === '' || text.length > MAX_MESSAGE) return undefined;
  const found: ParsedPhrase[] = [];
  for (let at = 0; !matchAt(END, text, at);) {
    const separator = matchAt(SEPARATOR, text, at)?.[0] ?? '';
    if (found.length > 0 && separator === '') return undefined;
    at += separator.length;
    const next = parsePhrase(text, at, phrases);
    if (!next) return undefined;
    found.push({ ...next, alongside: found.length > 0 && /at the same time/i.test(separator) });
    at += next.text.length;
  }
  return found;
}

function parsePhrase(
  text: string,
  at: number,
  phrases: readonly Phrase[],
): Omit<ParsedPhrase, 'alongside'> | undefined {
  for (const phrase of phrases) {
    const match = matchAt(patternOf(phrase), text, at);
    if (match) {
      // A place in a part that was left out is undefined.
      const places = Object.entries(match.groups ?? {}).filter(([, value]) => value);
      return {
        phrase,
        text: match[0],
        places: Object.fromEntries(places.map(([name, value]) => [name, unquote(value)])),
      };
    }
  }
  return undefined;
}

function patternOf(phrase: Phrase): RegExp {
  const known = compiled.get(phrase);
  if (known) return known;
  const source = phrase.form
    .replaceAll(' ', String.raw`\s+`)
    .replace(/\{(?:(\w+):)?(\w+)\}/g, (_, other: string | undefined, place: keyof typeof PLACES) => {
      return `(?<${other ?? place}>${PLACES[place].replaceAll(' ', String.raw`\s`)})`;
    });
  const pattern = new RegExp(String.raw`(?:please\s+)?(?:${source})(?=[\s.,;!?]|$)`, 'iuy');
  compiled.set(phrase, pattern);
  return pattern;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function unquote(value: string): string {
  return /^(?:"[^"]*"|“[^”]*”|'[^']*'|`[^`]*`)$/.test(value) ? value.slice(1, -1) : value.trim();
}
