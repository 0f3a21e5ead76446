/** For a text that a file does not have: what in the file was probably meant. */
import { shown } from '../refusal.ts';

/** Lines of the file that are looked at, and lines compared from each place on. */
const MAX_LINES = 50_000;
const MAX_COMPARED = 50;
/** Of a line, in UTF-16 units. */
const MAX_COMPARED_LENGTH = 400;
/** Share of letter pairs in common from which two lines are near. */
const NEAR = 0.5;

/**
 * A sentence that names the line of `text` where `wanted` comes closest and how it differs there, or that nothing is
 * near. `wanted` does not occur in `text` as it is.
 */
export function nearestPlace(text: string, wanted: string): string {
  const lines = text.split('\n', MAX_LINES).map((line) => line.slice(0, MAX_COMPARED_LENGTH));
  // Empty lines before and after the text are not what tells places apart.
  const wantedLines = wanted.replace(/^\s*\n|\n\s*$/g, '').split('\n', MAX_COMPARED);
  const wantedFirst = wantedLines[0] ?? '';
  const place = longestMatch(lines, wantedLines);
  if (place !== undefined) {
    const { line, matched } = place;
    const here = `line ${line + 1} (${shown(lines[line] ?? '')})`;
    if (matched === wantedLines.length) return `From ${here} on it differs only in white space.`;
    const other = lines[line + matched];
    return `It begins as ${here}, but then ${
      other === undefined ? 'the file ends' : `line ${line + matched + 1} is ${shown(other)}`
    } where old_text has ${shown(wantedLines[matched] ?? '')}.`;
  }
  const near = nearestLine(lines, wantedFirst.slice(0, MAX_COMPARED_LENGTH));
  return near === undefined
    ? 'No line of it is similar.'
    : `The nearest line is line ${near + 1}: ${shown(lines[near] ?? '')}.`;
}

/** Where most lines in a row are as wanted but for white space; the first and the last may be parts of a line. */
function longestMatch(
  lines: readonly string[],
  wantedLines: readonly string[],
): { readonly line: number; readonly matched: number } | undefined {
  const plain = lines.map(withoutSpace);
  const wanted = wantedLines.map(withoutSpace);
  const fits = (line: string, index: number): boolean => {
    const part = wanted[index] ?? '';
    if (index > 0) return index === wanted.length - 1 ? line.startsWith(part) : line === part;
    return wanted.length === 1 ? line.includes(part) : line.endsWith(part);
  };
  let best: { line: number; matched: number } | undefined;
  if (wanted[0] === '') return undefined;
  for (let line = 0; line < plain.length; line++) {
    let matched = 0;
    while (matched < wanted.length && line + matched < plain.length && fits(plain[line + matched] ?? '', matched)) {
      matched++;
    }
    if (matched > (best?.matched ?? 0)) best = { line, matched };
  }
  return best;
}

/** Index of the line that shares most pairs of letters with `wanted` (Sørensen and Dice). */
function nearestLine(lines: readonly string[], wanted: string): number | undefined {
  const wantedPairs = new Set(pairsOf(wanted));
  let best: number | undefined;
  let bestShare = NEAR;
  for (const [index, line] of lines.entries()) {
    const pairs = new Set(pairsOf(line));
    let common = 0;
    for (const pair of pairs) if (wantedPairs.has(pair)) common++;
    const share = (2 * common) / (pairs.size + wantedPairs.size);
    if (share > bestShare) [best, bestShare] = [index, share];
  }
  return best;
}

function* pairsOf(line: string): Generator<string> {
  const text = withoutSpace(line).toLowerCase();
  for (let at = 1; at < text.length; at++) yield text.slice(at - 1, at + 1);
}

function withoutSpace(line: string): string {
  return line.replace(/\s+/g, '');
}
