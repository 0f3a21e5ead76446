/** Phrases that say how a task is to be planned: `plan: a; b; c`, and what is done `at the same time`. */
import { masked } from '../language.ts';

/** A part of a task, with what it says about the time of its actions. */
export interface Group {
  readonly text: string;
  /** Its first action may run at the same time as the one before it. */
  readonly isAlongside: boolean;
  /** All of its actions may run at the same time as its first. */
  readonly isTogether: boolean;
}

const PLAN = /^\W*(?:please\s+)?plan\s*:\s*(?=\S)/i;
const MARKER = /\b(?:at the same time|meanwhile|in parallel)\b\s*[,:]?(?:\s*and\b)?\s*/gi;
/** What joins such a phrase to the text before it. */
const JOINT = /[\s,;.]*(?:\b(?:and|then|but)\s*)*$/i;
/** First words of phrases that are no verbs elsewhere. */
const BEGINS = /^(?:use|call|hand|fail|run|ask|plan)\b/i;

export function isPlan(text: string): boolean {
  return PLAN.test(text);
}

/**
 * The steps of `plan: a; b; c`, or the whole of another text, cut where something is to be done at the same time.
 * @param isRequest whether a text begins with something to do
 */
export function groupsOf(text: string, isRequest: (text: string) => boolean): Group[] {
  const lead = PLAN.exec(text)?.[0];
  if (lead === undefined) return cut(text, isRequest);
  const groups = itemsOf(text.slice(lead.length)).flatMap((item) => {
    const parts = cut(item, () => true);
    // "Write a.txt at the same time" as an item: at the same time as the item before it.
    return parts.map((part, index) => (index === 0 && part.isTogether ? { ...part, isAlongside: true } : part));
  });
  return groups.length > 0 ? groups : [{ text: text.slice(lead.length), isAlongside: false, isTogether: false }];
}

/** Items between semicolons, or one for each line. */
function itemsOf(text: string): string[] {
  const plain = masked(text);
  const items: string[] = [];
  let start = 0;
  for (const { index } of plain.matchAll(/[;\n]/g)) {
    items.push(text.slice(start, index));
    start = index + 1;
  }
  items.push(text.slice(start));
  return items
    .map((item) => item.replace(/^\s*(?:[-*•]|\d{1,3}[.)])\s+/, '').trim())
    .filter((item) => /[\p{L}\p{N}]/u.test(item));
}

function cut(text: string, isRequest: (text: string) => boolean): Group[] {
  const plain = masked(text);
  const groups: Group[] = [];
  let start = 0;
  let isAlongside = false;
  const add = (end: number, isTogether: boolean): void => {
    const part = text.slice(start, end).trim();
    if (part !== '') groups.push({ text: part, isAlongside, isTogether });
  };
  for (const match of plain.matchAll(MARKER)) {
    const end = match.index + match[0].length;
    const isLast = /^[\s.!]*$/.test(text.slice(end));
    if (!isLast && !BEGINS.test(text.slice(end)) && !isRequest(text.slice(end))) continue;
    add(start + text.slice(start, match.index).replace(JOINT, '').length, isLast);
    start = isLast ? text.length : end;
    isAlongside = true;
  }
  add(text.length, false);
  return groups;
}
