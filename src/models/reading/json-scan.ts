/** Finds where a JSON value ends, also one that is not quite JSON. Each look is one pass, whatever the text. */
import { jsonrepair } from 'jsonrepair';
import { parseJson } from '../../contracts/json.ts';

/** Longest text that is repaired: for some texts the time that takes grows with the square of their length. */
const MAX_REPAIR = 50_000;

/** JSON, or what is nearly JSON; undefined for anything else. */
export function parseTolerantly(text: string): unknown {
  const value = parseJson(text);
  if (value !== undefined || text.length > MAX_REPAIR) return value;
  try {
    return parseJson(jsonrepair(text));
  } catch {
    return undefined;
  }
}

const CLOSERS: Readonly<Record<string, string>> = { '{': '}', '[': ']', '(': ')' };

const MAX_DEPTH = 200;

export interface Scan {
  /** Just behind the last bracket, or the end of the text if it is still open. */
  readonly end: number;
  /** What would close it, in order; empty if it is closed. */
  readonly missing: string;
  /** Whether the text ends inside a string: then a repair would make a whole value of half of one. */
  readonly isInString: boolean;
}

/** @param from the place of an opening bracket */
export function scanBrackets(text: string, from: number): Scan {
  const open: string[] = [];
  let quote = '';
  let before = '';
  for (let at = from; at < text.length; at++) {
    const sign = text[at] ?? '';
    if (quote !== '') {
      if (sign === '\\') at++;
      else if (sign === quote) quote = '';
      continue;
    }
    // An apostrophe opens a string only where a value or a key may stand.
    if (sign === '"' || (sign === "'" && '{[(,:='.includes(before))) quote = sign;
    else if (sign in CLOSERS) {
      open.push(CLOSERS[sign] ?? '');
      // No answer is as deep as this, and readers of JSON go as deep as it is.
      if (open.length > MAX_DEPTH) return { end: text.length, missing: '}', isInString: true };
    } else if (sign === '}' || sign === ']' || sign === ')') {
      if (sign === open.at(-1)) open.pop();
      if (open.length === 0) return { end: at + 1, missing: '', isInString: false };
    }
    if (sign.trim() !== '') before = sign;
  }
  return { end: text.length, missing: open.reverse().join(''), isInString: quote !== '' };
}

/** The parts of a list of values, apart from commas inside of brackets and strings. */
export function splitValues(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at] ?? '';
    if (sign in CLOSERS) at = scanBrackets(text, at).end - 1;
    else if (sign === '"' || sign === "'") {
      for (at++; at < text.length && text[at] !== sign; at++) if (text[at] === '\\') at++;
    } else if (sign === ',') {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...parts, text.slice(start)].filter((part) => part.trim() !== '');
}
