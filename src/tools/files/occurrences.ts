/** Where a text stands in another one. */

/**
 * Positions of `wanted` in `text`, ascending; they may overlap. `wanted` is not empty.
 *
 * By Knuth, Morris and Pratt, whose time is linear whatever the texts are: V8's `indexOf` takes minutes for 100,000
 * characters in 10 MiB that repeat themselves, and nothing else runs on the worker meanwhile.
 */
export function occurrences(text: string, wanted: string): number[] {
  const borders = bordersOf(wanted);
  const found: number[] = [];
  let matched = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    while (matched > 0 && (matched === wanted.length || wanted.charCodeAt(matched) !== code)) {
      matched = borders[matched - 1] ?? 0;
    }
    if (wanted.charCodeAt(matched) === code) matched++;
    if (matched === wanted.length) found.push(at + 1 - matched);
  }
  return found;
}

/** For each start of `wanted` (by its last index): length of the longest shorter start that it also ends with. */
function bordersOf(wanted: string): Int32Array {
  const borders = new Int32Array(wanted.length);
  for (let at = 1, length = 0; at < wanted.length; at++) {
    const code = wanted.charCodeAt(at);
    while (length > 0 && wanted.charCodeAt(length) !== code) length = borders[length - 1] ?? 0;
    if (wanted.charCodeAt(length) === code) length++;
    borders[at] = length;
  }
  return borders;
}

/** Number of the line, from 1, in which each of the ascending positions lies. */
export function linesAt(text: string, positions: readonly number[]): number[] {
  let line = 1;
  let from = 0;
  return positions.map((position) => {
    for (; from < position; from++) if (text.charCodeAt(from) === LINE_FEED) line++;
    return line;
  });
}

const LINE_FEED = 10;
