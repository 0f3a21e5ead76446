/** JSON whose whole numbers keep all their digits. Ids of 64 bits do not fit a number of JavaScript. */

const LONG_NUMBER = /\d{16}/;

/** Parses JSON. Whole numbers that would be rounded become what `keep` makes of their digits. @throws SyntaxError */
export function parseExact(text: string, keep: (digits: string) => unknown): unknown {
  // Looking at every value takes several times longer.
  if (!LONG_NUMBER.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source;
    const isRounded = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value);
    return isRounded && source !== undefined && /^-?\d+$/.test(source) ? keep(source) : value;
  });
}

/** A value that `JSON.stringify` writes as these digits. */
export function rawNumber(digits: string): unknown {
  // https://github.com/tc39/proposal-json-parse-with-source; TypeScript's library does not have it yet.
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(digits);
}
