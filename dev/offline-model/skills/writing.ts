/** Writes files: what the person dictates, what another file says, or a report of what was found. */
import { actionsOf, kindOf, type Action } from '../actions.ts';
import { codeBlocks, fileNames, quotations, TABLE_FILE } from '../language.ts';
import { isAdmission } from './conversation.ts';
import { append } from './editing.ts';
import { workspaceFiles, withFile } from './files.ts';
import { findingsOf } from './markdown.ts';
import { composeFile } from './report.ts';
import { CannotDo, use, type Desk, type Finding, type Work } from './skill.ts';

/** Does other actions, and gives what they found. */
export type Investigate = (action: Action, desk: Desk) => Work<Finding[]>;

/** Text of a file that came whole: longer results of tools are cut on their way. */
const MAX_COPY = 24_000;

export function* writeFile(action: Action, desk: Desk, investigate: Investigate): Work<Finding[]> {
  const path = targetOf(action);
  const own: Finding[] = [];
  const line = APPENDS.test(action.text) ? statedContent(action, path) : undefined;
  if (line !== undefined && desk.prompt.tools.has('append_file')) return [yield* append(path, line, desk)];
  const content = (yield* dictated(action, path)) ?? (yield* composed(action, path, desk, own, investigate));
  const result = yield* use('write_file', { path, content }, `I write ${path}.`);
  if (result.failed) throw new CannotDo(result.text);
  const about = /\.(?:md|txt)$/i.test(path)
    ? (/^# (.+)$/m.exec(content)?.[1] ?? content.split('\n')[0]?.slice(0, 80) ?? '')
    : '';
  return [
    ...own,
    {
      title: `Wrote ${path}`,
      sentence: `I wrote \`${path}\` (${content.length} characters)${about === '' ? '' : `: ${about.replace(/[.\s]+$/, '')}`}.`,
      body: '',
      wrote: path,
    },
  ];
}

/** The file to write; a fitting name where none is given. */
export function targetOf({ text, files }: Action): string {
  const before = (file: string): string => text.slice(0, text.indexOf(file));
  const strong = files.filter((file) =>
    /\b(?:to|into|as|called|named)\s+(?:(?:a|the|new|file|markdown|text|csv|json)\s+)*[`"'“]?$/i.test(before(file)),
  );
  const created = files.filter((file) =>
    /^(?!copy)\w+\s+(?:(?:a|an|the|new|empty|short|text|markdown)\s+)*(?:file\s+|document\s+)?[`"'“]?$/i.test(
      before(file),
    ),
  );
  const known = strong.at(-1) ?? created[0] ?? files.at(-1);
  if (known !== undefined) return known;
  const noun = /\b(report|summary|notes?|overview|memo|readme|list|table)\b/i.exec(text)?.[1]?.toLowerCase() ?? 'notes';
  return noun === 'table' ? 'table.md' : `${noun}.md`;
}

const APPENDS = /^(?:append|add)\b/i;

/** What stands in the clause itself: code, a quotation, or the words behind "with the text". */
function statedContent({ text }: Action, path: string): string | undefined {
  return codeBlocks(text)[0]?.code ?? quotedContent(text) ?? wordsFor(text, path);
}

function* dictated(action: Action, path: string): Work<string | undefined> {
  const { text, files } = action;
  if (/^(?:copy|duplicate)\b/i.test(text)) return yield* copied(files, path);
  const content = statedContent(action, path);
  if (content === undefined || !APPENDS.test(text)) return content;
  const before = yield* use('read_file', { path }, `I read ${path} first.`);
  if (before.failed) return content;
  return `${/^\[\S+ is empty\.\]$/.test(before.text) ? '' : whole(path, before.text).replace(/\n?$/, '\n')}${content}\n`;
}

function* copied(files: readonly string[], path: string): Work<string | undefined> {
  const source = files.find((file) => file !== path);
  return source === undefined
    ? undefined
    : whole(source, (yield* withFile('read_file', source, {}, `I read ${source}.`)).text);
}

function whole(path: string, text: string): string {
  if (text.length > MAX_COPY) throw new CannotDo(`\`${path}\` is too long for the offline model to write again whole.`);
  return text;
}

/** A quotation is the content, unless it is the title or the pattern of something. */
function quotedContent(text: string): string | undefined {
  return quotations(text).find(
    ({ index }) =>
      !/\b(?:titled|title|entitled|called|named|heading|about|contain\w*|mention\w*)\s*:?\s*$/i.test(
        text.slice(0, index),
      ) || /\bcontaining\s*:?\s*$/i.test(text.slice(0, index)),
  )?.text;
}

function wordsFor(text: string, path: string): string | undefined {
  const stated =
    /\b(?:containing|saying|that says|which says|with (?:the |this |just (?:the )?)?(?:texts?|contents?|lines?|words?|message|sentence))(?:\s*:\s*|\s+)([^]+)$/i.exec(
      text,
    )?.[1];
  if (stated !== undefined && !fileNames(stated).some((file) => file !== path)) return tidy(stated, path);
  const [, plain] =
    /^(?:write|put|append|add)\s+([^]+?)\s+(?:in ?to|to|in|on)\s+(?:(?:a|the|new|file)\s+)*\S+\s*$/i.exec(text) ?? [];
  return plain === undefined || DESCRIBED.test(plain) || kindOf(plain) !== 'say' || fileNames(plain).length > 0
    ? undefined
    : plain;
}

/** Speaks of a content, rather than being it. */
const DESCRIBED =
  /^(?:an?|the|my|your|our|his|her|this|that|these|those|it|its|them|all|some|each|every|everything|anything|down|up|out|both|what|one|two|three|\d+|short|brief|long|detailed)\b|\b(?:reports?|summar(?:y|ies)|data|results?|findings?|answers?|tables?|lists?|notes?|overview|totals?|averages?|figures|numbers)\b/i;

function tidy(text: string, path: string): string {
  return text
    .replace(
      new RegExp(
        `\\s+(?:in ?to|to|in|as)\\s+(?:(?:a|the|new|file)\\s+)*[\`"']?${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}[\`"']?\\s*[.!]?$`,
        'i',
      ),
      '',
    )
    .trim();
}

/** A report of what was found before, or is found out now. */
function* composed(action: Action, path: string, desk: Desk, own: Finding[], investigate: Investigate): Work<string> {
  const before = [...desk.prompt.done.flatMap(findingsOf), ...desk.findings].filter(
    ({ wrote, sentence }) => wrote === undefined && !isAdmission(sentence),
  );
  const subject = subjectOf(action, path);
  const isNew =
    subject !== undefined &&
    (before.length === 0 || (subject.kind !== 'table' && !before.some(({ title }) => covers(title, subject))));
  if (subject && isNew) own.push(...(yield* investigate(subject, desk)));
  const related = subject ? before.filter(({ title }) => covers(title, subject)) : [];
  const found = isNew && subject?.kind !== 'table' ? own : related.length > 0 ? related : [...before, ...own];
  if (found.length > 0) return composeFile(path, action.text, found);
  const said = desk.prompt.earlier.findLast(({ role }) => role === 'assistant')?.text;
  if (said !== undefined && REFERS_BACK.test(action.text)) return `${said}\n`;
  for (const other of actionsOf(desk.prompt.task).filter(({ kind }) => kind !== 'write' && kind !== 'say'))
    own.push(...(yield* investigate(other, desk)));
  if (own.length > 0) return composeFile(path, action.text, own);
  return skeleton(action, yield* workspaceFilesIfOffered(desk));
}

const REFERS_BACK =
  /\b(?:it|this|that|these|those|them|your (?:last |previous )?(?:answer|reply|message)|the (?:last |previous |above )?(?:answer|reply|result|findings?|results|text|above))\b/i;

function covers(title: string, { kind, files }: Action): boolean {
  if (kind === 'list') return title.startsWith('Files in');
  return files.length > 0 && files.every((file) => title.includes(file));
}

/** What the file is to be about, as an action of its own: "a report on the wettest month in w.csv". */
export function subjectOf({ text }: Action, path: string): Action | undefined {
  const rest = tidy(text.replace(/^\w+\s+/, ''), path)
    .replace(/\bwith (?:an? )?(?:short |small )?(?:table|chart|list)\b/gi, ' ')
    .trim();
  const files = fileNames(rest).filter((file) => file !== path);
  const about = { text: rest, files };
  if (/\b(?:list|names|overview) of (?:all )?(?:the )?(?:files|workspace)|\bfile list\b/i.test(rest))
    return { kind: 'list', ...about };
  const topic = /\b(?:about|on|of|for|with|comparing|showing|over)\s+([^]+)$/i.exec(rest)?.[1] ?? rest;
  const asked = `What is ${topic}`;
  if (files.some((file) => TABLE_FILE.test(file)) || kindOf(asked) === 'table')
    return { kind: 'table', text: topic, files };
  if (files.length > 0) return { kind: 'read', ...about };
  return kindOf(topic) === 'calculate' ? { kind: 'calculate', text: topic, files } : undefined;
}

function* workspaceFilesIfOffered({ prompt }: Desk): Work<string[]> {
  return prompt.tools.has('list_files') ? yield* workspaceFiles() : [];
}

/** Rules cannot compose a text. The file says so, and gives a frame to write in. */
function skeleton({ text }: Action, files: readonly string[]): string {
  return [
    `# ${text.charAt(0).toUpperCase()}${text.slice(1).replace(/[.\s]+$/, '')}`,
    'The offline model cannot compose this text: it works by rules. Set OPENAI_API_KEY or OPENAI_BASE_URL to have it written.',
    ...(files.length > 0
      ? [
          `## Files in the workspace\n\n${files
            .slice(0, 30)
            .map((file) => `- ${file}`)
            .join('\n')}`,
        ]
      : []),
    '',
  ].join('\n\n');
}
