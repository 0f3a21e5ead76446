/** Listing, reading and searching files. */
import type { Action } from '../actions.ts';
import { fileNames, quotations, stem, TABLE_FILE, words } from '../language.ts';
import { editDistance, nearest } from '../../../src/tools/nearest.ts';
import { CannotDo, use, type Desk, type Finding, type Result, type Work } from './skill.ts';

/** Text of a file that goes into a finding. */
const MAX_EXCERPT = 1_500;
const MAX_LISTED = 60;
const MAX_MATCHES = 40;

export function* listFiles(action: Action): Work<Finding> {
  const folder =
    /\b(?:in|of|under|inside)\s+(?:the\s+)?(?:folder\s+|directory\s+)?[`"']?([\w.-]+(?:\/[\w.-]*)*)[`"']?\s*(?:folder|directory)?[.?!]?$/i.exec(
      action.text,
    )?.[1];
  const path =
    folder && !/^(?:the|my|this|workspace|folder|directory|here|detail|total|all|it|files?)$/i.test(folder)
      ? folder
      : undefined;
  const result = yield* use('list_files', path === undefined ? {} : { path }, 'I look at what files there are.');
  if (result.failed) throw new CannotDo(result.text);
  const lines = result.text.split('\n');
  const files = lines.filter(
    (line) => line.trim() !== '' && !line.endsWith('/') && !/^\[|^The workspace is empty|is empty\.$/.test(line),
  );
  const place = path === undefined ? 'the workspace' : `\`${path}\``;
  const names = files
    .slice(0, 12)
    .map((line) => `\`${nameOf(line)}\``)
    .join(', ');
  const more = files.length > 12 ? ` and ${files.length - 12} more` : '';
  const listed = lines
    .slice(0, MAX_LISTED)
    .map((line) => `- ${line}`)
    .join('\n');
  return {
    title: `Files in ${place}`,
    sentence:
      files.length === 0
        ? `There are no files in ${place}.`
        : `There ${files.length === 1 ? 'is 1 file' : `are ${files.length} files`} in ${place}: ${names}${more}.`,
    body: files.length === 0 ? '' : listed,
  };
}

/** Paths of all files in the workspace. */
export function* workspaceFiles(): Work<string[]> {
  const result = yield* use('list_files', {}, 'I look at what files there are.');
  if (result.failed) throw new CannotDo(result.text);
  return result.text
    .split('\n')
    .filter((line) => line.trim() !== '' && !/\/$|^\[|^The workspace is empty/.test(line))
    .map(nameOf);
}

/** `a.txt (12 bytes)` without the size; a name may have brackets of its own. */
function nameOf(line: string): string {
  return line
    .replace(/ \((?:\d+ bytes|link[^)]*|special[^)]*)\)$/, '')
    .replace(/^- /, '')
    .trim();
}

/**
 * Calls a tool that takes a path. Where there is no such file, the nearest name in the workspace is tried, once.
 * @throws CannotDo where that fails too
 */
export function* withFile(
  tool: string,
  path: string,
  args: Readonly<Record<string, unknown>>,
  say: string,
): Work<{ path: string; text: string }> {
  const first = yield* use(tool, { path, ...args }, say);
  if (!first.failed) return { path, text: first.text };
  if (!isMissing(first)) throw new CannotDo(first.text);
  const files = yield* workspaceFiles();
  const near = nearestFile(path, files);
  if (near === undefined)
    throw new CannotDo(
      `There is no file \`${path}\`. ${files.length === 0 ? 'The workspace is empty.' : `There is: ${files.slice(0, 20).join(', ')}.`}`,
    );
  const second = yield* use(tool, { path: near, ...args }, `There is no ${path}; I take ${near}.`);
  if (second.failed) throw new CannotDo(second.text);
  return { path: near, text: second.text };
}

function isMissing({ text }: Result): boolean {
  return /does not exist|not found|no such file|ENOENT/i.test(text);
}

/** The same name in another folder or case, a part of the name, or a slip of the keyboard. */
function nearestFile(path: string, files: readonly string[]): string | undefined {
  const name = lastPart(path);
  const plain = (text: string): string =>
    lastPart(text)
      .toLowerCase()
      .replace(/\.\w+$/, '')
      .replace(/[^a-z0-9]/g, '');
  const extension = /\.\w+$/.exec(name)?.[0].toLowerCase();
  const sameKind = files.filter((file) => file.toLowerCase().endsWith(extension ?? ''));
  return (
    files.find((file) => lastPart(file).toLowerCase() === name.toLowerCase()) ??
    sameKind.find((file) => plain(file) === plain(name)) ??
    sameKind.find(
      (file) => plain(name).length >= 3 && (plain(file).includes(plain(name)) || plain(name).includes(plain(file))),
    ) ??
    nearest(path, files) ??
    sameKind.find((file) => editDistance(plain(file), plain(name)) <= 2)
  );
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Files that an action speaks of: named in it, before it, in the whole task, or earlier in the conversation. */
export function namedFiles(action: Action, { prompt, findings }: Desk, accepts: (file: string) => boolean): string[] {
  const sources = [
    action.text,
    prompt.request,
    prompt.task,
    ...findings.map(({ sentence }) => sentence).toReversed(),
    ...prompt.done.map(({ text }) => text).toReversed(),
    ...prompt.earlier.map(({ text }) => text).toReversed(),
  ];
  for (const source of sources) {
    const files = fileNames(source).filter(accepts);
    if (files.length > 0) return files;
  }
  return [];
}

export function* readFiles(action: Action, desk: Desk): Work<Finding> {
  const named = action.files.length > 0 ? [...action.files] : namedFiles(action, desk, () => true).slice(0, 1);
  const paths =
    named.length > 0 ? named : (yield* workspaceFiles()).filter((file) => !TABLE_FILE.test(file)).slice(0, 1);
  if (paths.length === 0) throw new CannotDo('There is no file to read. Name one, or attach it with --attach.');
  const findings: Finding[] = [];
  for (const path of paths.slice(0, 8)) {
    const file = yield* withFile('read_file', path, {}, `I read ${path}.`);
    findings.push(describeFile(file.path, file.text, action.text));
  }
  const [first, ...rest] = findings;
  if (first === undefined || rest.length === 0) return first ?? { title: '', sentence: '', body: '' };
  return {
    title: `Files ${paths.join(', ')}`,
    sentence: findings.map(({ sentence }) => sentence).join(' '),
    body: findings.map(({ title, body }) => `**${title}**\n\n${body.slice(0, MAX_EXCERPT / 2)}`).join('\n\n'),
  };
}

function describeFile(path: string, given: string, request: string): Finding {
  const text = /^\[\S+ is empty\.\]$/.test(given.trim()) ? '' : given;
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  const headings = lines.filter((line) => /^#{1,6} /.test(line)).map((line) => line.replace(/^#+ /, '').trim());
  const facts = `${plural(lines.length, 'line')}, ${plural(words(text).length, 'word')} and ${plural(text.length, 'character')}`;
  const outline = headings.length > 0 ? ` Its headings: ${headings.slice(0, 12).join('; ')}.` : '';
  const asked = answerAbout(lines, request);
  const begins =
    asked === '' && lines.length > 0
      ? ` It begins: "${(lines.find((line) => line.trim() !== '') ?? '').replace(/^#+ /, '').slice(0, 160)}".`
      : '';
  return {
    title: `Content of ${path}`,
    sentence: `${asked}\`${path}\` has ${facts}.${outline}${begins}`,
    body:
      lines.length === 0
        ? ''
        : quote(text.length > MAX_EXCERPT && /\bsummar|\bkey|\bmain\b/i.test(request) ? keySentences(lines) : text),
  };
}

/** What a question like "what is the second line" or "how many times" asks for, as far as lines can tell. */
function answerAbout(lines: readonly string[], request: string): string {
  const last = /\b(?:the )?last line\b/i.test(request) ? lines.length : undefined;
  const ordinal = /\b(?:the )?(first|second|third|fourth|fifth|\d+(?:st|nd|rd|th)) line\b|\bline (\d+)\b/i.exec(
    request,
  );
  const known = ['first', 'second', 'third', 'fourth', 'fifth'].indexOf(ordinal?.[1]?.toLowerCase() ?? '') + 1;
  const number = last ?? (known > 0 ? known : Number.parseInt(ordinal?.[1] ?? ordinal?.[2] ?? '', 10));
  const line = lines[number - 1];
  if (line !== undefined) return `Line ${number} is: "${line.slice(0, 400)}" `;
  const about = /\b(?:what|which|who|when|where)\b(.+)/i.exec(request)?.[1];
  if (about === undefined) return '';
  const wanted = new Set(
    words(about)
      .map(stem)
      .filter((word) => word.length > 3 && !/^(?:file|does|contain|content|about|line|says?|inside|read)$/.test(word)),
  );
  for (const name of fileNames(about)) for (const word of words(name)) wanted.delete(stem(word));
  const score = (text: string): number =>
    new Set(
      words(text)
        .map(stem)
        .filter((word) => wanted.has(word)),
    ).size;
  const [best] = lines.filter((text) => score(text) > 0).toSorted((a, b) => score(b) - score(a));
  return best === undefined ? '' : `It says: "${best.trim().slice(0, 400)}" `;
}

/** The first sentence of each paragraph: as much of a summary as rules can give. */
function keySentences(lines: readonly string[]): string {
  const paragraphs = lines
    .join('\n')
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph !== '');
  const first = (text: string): string => /^[^]*?[.!?](?=\s|$)/.exec(text)?.[0] ?? text;
  return paragraphs
    .slice(0, 12)
    .map((paragraph) => (paragraph.startsWith('#') ? paragraph : first(paragraph)).slice(0, 240))
    .join('\n');
}

export function* searchFiles(action: Action): Work<Finding> {
  const pattern = searchPattern(action.text);
  if (pattern === undefined)
    throw new CannotDo('It is not clear what to search for. Put it in quotation marks: search for "budget".');
  const [path] = action.files;
  const args = path === undefined ? {} : { path };
  const found = yield* use('search_files', { pattern, ...args }, `I search for "${pattern}".`);
  if (found.failed && path !== undefined && isMissing(found)) {
    const near = nearestFile(path, yield* workspaceFiles());
    if (near !== undefined) return yield* searchFiles({ ...action, files: [near] });
  }
  if (found.failed) throw new CannotDo(found.text);
  const lines = found.text.split('\n').filter((line) => /^.+?:\d+: /.test(line));
  const files = [...new Set(lines.map((line) => /^(.+?):\d+: /.exec(line)?.[1] ?? ''))];
  const where = path === undefined ? '' : ` of \`${path}\``;
  const sentence =
    lines.length === 0
      ? `No line${where} contains "${pattern}".`
      : `"${pattern}" is in ${plural(lines.length, 'line')} of ${plural(files.length, 'file')}: ${files
          .slice(0, 10)
          .map((file) => `\`${file}\``)
          .join(', ')}.`;
  return {
    title: `Search for "${pattern}"`,
    sentence,
    body: lines
      .slice(0, MAX_MATCHES)
      .map((line) => `- ${line.slice(0, 200)}`)
      .join('\n'),
  };
}

function searchPattern(text: string): string | undefined {
  const [quoted] = quotations(text);
  if (quoted) return quoted.text;
  const end = String.raw`(?=\s+(?:in|inside|within|across|from|through)\b|[.?!]*$)`;
  const patterns = [
    new RegExp(
      String.raw`\b(?:contain(?:s|ing)?|mention(?:s|ing)?|includ(?:es?|ing))\s+(?:the\s+)?(?:words?\s+|text\s+|terms?\s+)?(.+?)${end}`,
      'i',
    ),
    new RegExp(String.raw`\b(?:occurrences?|mentions?)\s+of\s+(?:the\s+)?(?:words?\s+|text\s+)?(.+?)${end}`, 'i'),
    new RegExp(
      String.raw`\b(?:for|grep)\s+(?:the\s+)?(?:words?\s+|text\s+|terms?\s+|all\s+|lines?\s+with\s+)*(.+?)${end}`,
      'i',
    ),
    new RegExp(String.raw`\b(?:with|the word)\s+(.+?)${end}`, 'i'),
  ];
  for (const pattern of patterns) {
    const found = pattern.exec(text)?.[1]?.trim();
    if (found) return found;
  }
  return undefined;
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function quote(text: string): string {
  const cut = text.length > MAX_EXCERPT ? `${text.slice(0, MAX_EXCERPT)}\n…` : text.replace(/\n$/, '');
  return cut
    .split('\n')
    .map((line) => `> ${line}`)
    .join('\n');
}
