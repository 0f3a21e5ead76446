/** A summary of older messages, by rules: what the person asked and said, the last answers, and names of files. */
import { fileNames } from '../language.ts';
import type { Prompt } from '../prompt.ts';
import { factsIn } from '../skills/conversation.ts';

/** Entries that are kept under each heading, the newest, and how long each may be. */
const KEPT = {
  'The person said:': { entries: 20, length: 200 },
  'The person asked:': { entries: 12, length: 160 },
  'The last answers:': { entries: 6, length: 300 },
  'Files:': { entries: 30, length: 160 },
} as const;
type Heading = keyof typeof KEPT;
const HEADINGS = Object.keys(KEPT) as Heading[]; // the keys of a constant

/** As the engine puts a summary in the place of messages. */
const EARLIER = /^\[Summary of \d+ earlier messages? of this conversation\]\n/;

/** Never empty. A summary of a summary keeps what that kept, as far as there is room. */
export function summary({ request }: Pick<Prompt, 'request'>): string {
  const found = new Map<Heading, string[]>(HEADINGS.map((heading) => [heading, []]));
  const add = (heading: Heading, text: string): void => {
    const line = shortened(text, KEPT[heading].length);
    const others = found.get(heading)?.filter((other) => other !== line) ?? [];
    if (line !== '') found.set(heading, [...others, line].slice(-KEPT[heading].entries));
  };
  for (const { role, text } of messagesIn(request)) {
    if (role === 'user' && EARLIER.test(text)) {
      for (const { heading, line } of entriesIn(text)) add(heading, line);
      continue;
    }
    if (role === 'user') for (const fact of factsIn(text)) add('The person said:', fact);
    if (role === 'user') add('The person asked:', text);
    if (role === 'assistant') add('The last answers:', text);
    for (const file of fileNames(text.slice(0, MAX_LOOKED_AT)).slice(0, KEPT['Files:'].entries)) add('Files:', file);
  }
  const parts = [...found].filter(([, lines]) => lines.length > 0);
  if (parts.length === 0) return 'Nothing was said yet.';
  return parts.map(([heading, lines]) => `${heading}\n${lines.map((line) => `- ${line}`).join('\n')}`).join('\n\n');
}

/** Text of a message in which names of files are looked for. */
const MAX_LOOKED_AT = 10_000;

function messagesIn(text: string): { role: string; text: string }[] {
  const begins = [...text.matchAll(/^(user|assistant|tool|system): /gm)];
  return begins.map(({ 0: begin, 1: role = '', index }, position) => ({
    role,
    text: text.slice(index + begin.length, begins[position + 1]?.index ?? text.length).trim(),
  }));
}

function entriesIn(text: string): { heading: Heading; line: string }[] {
  let heading: Heading | undefined;
  return text.split('\n').flatMap((line) => {
    const named = HEADINGS.find((known) => known === line);
    heading = named ?? heading;
    return heading !== undefined && line.startsWith('- ') ? [{ heading, line: line.slice(2) }] : [];
  });
}

function shortened(text: string, length: number): string {
  const line = text
    .slice(0, length * 8)
    .replace(/\s+/g, ' ')
    .trim();
  return line.length <= length ? line : `${line.slice(0, length - 1).trimEnd()}…`;
}
