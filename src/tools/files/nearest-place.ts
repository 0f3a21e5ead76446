/** Finds the place in a file that an agent probably meant when its text does not occur there. */
import { shown } from '../refusal.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

/** How many lines of the file are searched, and how many lines are compared at each place. */
const MAX_LINES = 50_000;
const MAX_COMPARED = 50;
/** How much of a line is compared, in UTF-16 units. */
const MAX_COMPARED_LENGTH = 400;
/** Two lines are similar if they share at least this part of their letter pairs. */
const NEAR = 0.5;

/**
 * One sentence that names the line of `text` closest to `wanted` and how it differs, or says that no line is similar.
 * `wanted` must not occur in `text`.
 */
export function nearestPlace(text: string, wanted: string): string {
  const lines = text.split('\n', MAX_LINES).map((line) => beginningOf(line, MAX_COMPARED_LENGTH));
  // Empty lines before and after the text do not help to find the place.
  const wantedLines = wanted.replace(/^\s*\n|\n\s*$/g, '').split('\n', MAX_COMPARED);
  const wantedFirst = wantedLines[0] ?? '';
  const place = longestMatch(lines, wantedLines);
  if (place !== undefined) {
    const { line, matched } = place;
    const here = `line ${line + 1} (${shown(lines[line] ?? '')})`;
    if (matched === wantedLines.length) return `From ${here} on only the white space differs.`;
    const other = lines[line + matched];
    return `It begins as ${here}, but then ${
      other === undefined ? 'the file ends' : `line ${line + matched + 1} is ${shown(other)}`
    }, and old_text has ${shown(wantedLines[matched] ?? '')}.`;
  }
  const near = nearestLine(lines, beginningOf(wantedFirst, MAX_COMPARED_LENGTH));
  return near === undefined
    ? 'No line of the file is similar.'
    : `The nearest line is line ${near + 1}: ${shown(lines[near] ?? '')}.`;
}

/** The longest run of lines that match apart from white space. The first and the last may match a part of a line. */
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

/** Index of the line that shares the most letter pairs with `wanted` (Sørensen-Dice coefficient). */
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
