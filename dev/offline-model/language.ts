/** As much English as the offline model knows: words, quotations, file names, and where one clause ends. */

/** Text beyond this is not looked at for rules: a pasted book is no instruction. */
const MAX_RULE_TEXT = 10_000;
/** Lead words and a verb are within so much of a clause's beginning. */
const MAX_LEAD = 120;

/** Stands for a part that must stay whole; from the private use area, which texts do not contain. */
const OPEN = '\uE000';
const CLOSE = '\uE001';

const CODE_BLOCK = /```[^]*?```/g;
const QUOTED = /"[^"]*"|“[^”]*”|«[^»]*»|`[^`\n]+`|(?<![\w'])'[^'\n]+'(?![\w'])/g;
const URL_TEXT = /\bhttps?:\/\/[^\s)>\]]+/g;
const FILE =
  /(?<![\w./-])(?:\.{0,2}\/)?(?:[\w@+-][\w.@+-]{0,80}\/){0,12}[\w@+-][\w.@+-]{0,120}\.[A-Za-z][A-Za-z0-9]{0,7}(?![\w/-])/g;
const ABBREVIATION = /\b(?:e\.g|i\.e|etc|vs|approx|no|mr|mrs|dr)\.(?=[\s,])/gi;

/** After a full stop without a space these are the next word of the sentence, or the end of an address, and no extension. */
const NO_EXTENSION = new Set(
  'a an and are com dev for g e find i if in io is it net of on or org s so that the then this to use we with write you m'.split(
    ' ',
  ),
);

/** What a file name ends with, where it is a table that `csv_profile` reads. */
export const TABLE_FILE = /\.(?:csv|tsv)$/i;

export interface Quotation {
  /** Without its marks. */
  readonly text: string;
  /** Position in the text it was found in. */
  readonly index: number;
}

/** The beginning of a text, as far as rules look at it. */
export function ruleText(text: string): string {
  return text.slice(0, MAX_RULE_TEXT).replaceAll(OPEN, '').replaceAll(CLOSE, '');
}

/** File names and paths in a text, in order, each once; also quoted ones with spaces in them. */
export function fileNames(text: string): string[] {
  const withoutAddresses = text.replace(CODE_BLOCK, ' ').replace(URL_TEXT, ' ');
  const found: { name: string; index: number }[] = [];
  const rest = withoutAddresses.replace(QUOTED, (quoted, index: number) => {
    const inner = quoted.slice(1, -1).trim();
    if (!isFileName(inner)) return ' '.repeat(quoted.length);
    found.push({ name: inner, index });
    return ' '.repeat(quoted.length);
  });
  for (const match of rest.matchAll(FILE)) {
    if (isExtension(match[0])) found.push({ name: match[0], index: match.index });
  }
  return [...new Set(found.toSorted((a, b) => a.index - b.index).map(({ name }) => name))];
}

/** Quoted parts of a text that are no file names. */
export function quotations(text: string): Quotation[] {
  return [...text.replace(CODE_BLOCK, (block) => ' '.repeat(block.length)).matchAll(QUOTED)]
    .map((match) => ({ text: match[0].slice(1, -1), index: match.index }))
    .filter((quotation) => !isFileName(quotation.text.trim()));
}

/** The text with quotations, code and addresses blanked out. Positions stay. */
export function masked(text: string): string {
  const blank = (part: string): string => OPEN.repeat(part.length);
  return text.replace(CODE_BLOCK, blank).replace(URL_TEXT, blank).replace(QUOTED, blank);
}

/** Addresses in a text, without the punctuation behind them. */
export function addresses(text: string): string[] {
  return [...text.matchAll(URL_TEXT)].map(([address]) => address.replace(/[.,;:!?'"`]+$/, ''));
}

export interface CodeBlock {
  /** What stands behind the opening marks, in lower case; may be empty. */
  readonly language: string;
  readonly code: string;
}

export function codeBlocks(text: string): CodeBlock[] {
  return [...text.matchAll(CODE_BLOCK)].map(([block]) => {
    const [, language = '', code = ''] = /^```[^\S\n]*([\w+#-]*)[^\S\n]*\n?([^]*?)\n?```$/.exec(block) ?? [];
    return { language: language.toLowerCase(), code };
  });
}

/** Words of a text in lower case; numbers count, quotation marks and the like do not. */
export function words(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+(?:['’]\p{L}+)?/gu) ?? [];
}

/** A word without its ending, so that "months", "sold" and "selling" meet "month" and "sell". Rough, and good enough to match names. */
export function stem(word: string): string {
  const irregular = IRREGULAR[word];
  if (irregular) return irregular;
  if (word.length <= 3) return word;
  return word
    .replace(/ies$/, 'y')
    .replace(/(?:ing|ed)$/, (ending, index: number) => (index >= 3 ? '' : ending))
    .replace(/([^aeiou])\1$/, '$1')
    .replace(/(?<![su])s$/, '')
    .replace(/(?<=..)e$/, '');
}

const IRREGULAR: Readonly<Record<string, string>> = {
  sold: 'sell',
  sale: 'sell',
  sales: 'sell',
  wrote: 'writ',
  written: 'writ',
  found: 'find',
  people: 'person',
  children: 'child',
  cities: 'city',
};

/**
 * Splits a text into what it asks for, one part for each item of a list, sentence, and clause that begins
 * with a verb. Quotations, code, file names and addresses stay whole.
 * @param isVerb whether a word in lower case begins an instruction
 */
export function clauses(text: string, isVerb: (word: string) => boolean): string[] {
  const kept: string[] = [];
  const keep = (part: string): string => `${OPEN}${kept.push(part) - 1}${CLOSE}`;
  const shielded = ruleText(text)
    .replace(CODE_BLOCK, keep)
    .replace(URL_TEXT, keep)
    .replace(QUOTED, keep)
    .replace(FILE, (name) => (isExtension(name) ? keep(name) : name))
    .replace(/\d{1,20}[.,:]\d{1,20}/g, keep)
    .replace(ABBREVIATION, keep)
    .replace(/[^\S\n]+/g, ' ')
    .replace(/\n{3,}/g, '\n\n');
  const restore = (part: string): string =>
    part.replace(new RegExp(`${OPEN}(\\d+)${CLOSE}`, 'g'), (_, index: string) => restore(kept[Number(index)] ?? ''));
  const parts = items(shielded)
    .flatMap(sentences)
    .flatMap((sentence) => splitBeforeVerbs(sentence, isVerb));
  return parts.map((part) => restore(part).trim()).filter((part) => /[\p{L}\p{N}]/u.test(part));
}

/** Takes away what leads into a clause: "and then", "please", "could you", "finally," and the like. */
export function withoutLead(clause: string): string {
  let rest = clause.trim();
  for (;;) {
    const next = rest.replace(LEAD, '').trimStart();
    if (next === rest || next === '') return rest;
    rest = next;
  }
}

const LEAD =
  /^(?:[,;:–-]+|(?:and|then|also|next|now|finally|lastly|first|firstly|second|secondly|third|thirdly|afterwards|after that|in the end|at last|please|kindly|so|ok|okay|hi|hello|hey|i want you to|i would like you to|i'd like you to|i need you to|you should|you must|can you|could you|would you|will you|let us|let's|step \d+|to begin with|begin by|start by|after(?= \w+ing\b)|by(?= \w+ing\b))(?=$|[\s,:.!-])[,:.!-]*)/i;

/** Items of numbered and bulleted lists, and the paragraphs around them; a line that only introduces a list is left out. */
function items(text: string): string[] {
  const lines = text.split('\n');
  const marker = /^\s*(?:[-*•+]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+/;
  const inline = /(?:^|[\s:;,])\(?\d{1,2}[.)]\s+(?=\S)/g;
  const isList = lines.filter((line) => marker.test(line)).length > 1;
  if (!isList && (text.match(inline)?.length ?? 0) > 1) {
    const [lead = '', ...rest] = text.split(inline);
    return [...(lead.trim().endsWith(':') || lead.trim() === '' ? [] : [lead]), ...rest];
  }
  const result: string[] = [];
  let paragraph: string[] = [];
  const flush = (): void => {
    if (paragraph.length > 0) result.push(paragraph.join(' '));
    paragraph = [];
  };
  lines.forEach((line, index) => {
    const isItem = isList && marker.test(line);
    const introduces =
      line.trimEnd().endsWith(':') && marker.test(lines.slice(index + 1).find((next) => next.trim() !== '') ?? '');
    if (isItem || line.trim() === '') flush();
    if (isList && introduces && !isItem) return;
    if (line.trim() !== '') paragraph.push(line.replace(isItem ? marker : /^\s+/, ''));
  });
  flush();
  return result;
}

function sentences(text: string): string[] {
  return text.split(/(?<=[.!?])\s+|;\s*|\s*(?:->|→|⇒)\s*/).filter((sentence) => sentence.trim() !== '');
}

/** Cuts at commas, "and", "then" where a verb follows: "find the wettest and driest month" stays whole. */
function splitBeforeVerbs(sentence: string, isVerb: (word: string) => boolean): string[] {
  const joint =
    /(?:\s*[,:]\s*(?:and\s+|then\s+|but\s+)*|\s+(?:and|then|afterwards)\s+(?:also\s+|then\s+|finally\s+)*|\s+(?:before|after)\s+(?=\p{L}+ing\b))/giu;
  const parts: string[] = [];
  let start = 0;
  // "Write a report after profiling a.csv" has its second part first.
  let isFirst = false;
  const add = (part: string): void => void (isFirst ? parts.splice(-1, 0, part) : parts.push(part));
  for (const match of sentence.matchAll(joint)) {
    const end = match.index + match[0].length;
    const [first = ''] = words(withoutLead(sentence.slice(end, end + MAX_LEAD)));
    if (!isVerb(first) || sentence.slice(start, match.index).trim() === '') continue;
    add(sentence.slice(start, match.index));
    isFirst = /\bafter\s+$/i.test(match[0]);
    start = end;
  }
  add(sentence.slice(start));
  return parts;
}

/** Whether a text is the name of one file, which may have spaces. */
export function isFileName(text: string): boolean {
  return (
    /^[^\n"“”<>|?*]{1,200}\.[A-Za-z][A-Za-z0-9]{0,7}$/.test(text) && isExtension(text) && text.split(/\s+/).length <= 5
  );
}

function isExtension(name: string): boolean {
  const extension = name.slice(name.lastIndexOf('.') + 1).toLowerCase();
  const base = name.slice(0, name.lastIndexOf('.'));
  return !NO_EXTENSION.has(extension) && /[A-Za-z0-9_]/.test(base) && !/^\d+(?:\.\d+)*$/.test(base);
}
