import { z } from 'zod';
import { shortenText } from '../../contracts/text-cut.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { defineTool } from '../definition/define-tool.ts';
import { decodeText, listed } from './text.ts';
import { runSeparately } from '../separate-process.ts';
import { refusal, shown } from '../refusal.ts';
import { readInside } from '../workspace/content.ts';
import { resolveInside, type Scope } from '../workspace/paths.ts';
import { walk } from '../workspace/walk.ts';

const MAX_FILES = 5_000;
/** How many files, folders and links are visited. */
const MAX_ENTRIES = 20_000;
const MAX_FILE_BYTES = 10 * 1024 * 1024;
/** How much text is searched in one batch. */
const BATCH_LENGTH = 8 * 1024 * 1024;
const MAX_LINE_LENGTH = 400;
/** Time for all regular expression matching of one call. */
const REGEX_LIMIT_MS = 5_000;
const REGEX_MEMORY_MIB = 256;
const SKIPPED_FOLDERS: ReadonlySet<string> = new Set(['.git', 'node_modules']);

const SearchFilesInput = z.strictObject({
  pattern: z.string().min(1).max(1_000).describe('Plain text unless regex is true. Case matters.'),
  regex: z.boolean().default(false),
  path: z.string().default('.').describe('File or folder.'),
  max_results: z.int().min(1).max(1_000).default(100),
});

interface NamedText {
  /** Path as results show it. */
  readonly path: string;
  readonly text: string;
}

/** Gives matching lines as `file:line: text`, and last lines in brackets if the search stopped early or skipped files. */
export const searchFiles = defineTool({
  name: 'search_files',
  description:
    'Finds the lines of text files in the workspace that contain a text, and returns them as "file:line: text".',
  effects: 'none',
  category: 'read',
  timeoutMs: 60_000,
  limits: '5,000 files of 10 MiB, 1,000 lines found, 5 s of regular expressions',
  subject: { kind: 'tree', fields: ['path'] },
  parameters: SearchFilesInput,
  async run({ pattern, regex, path, max_results: limit }, { workspace, signal }) {
    const scope = { tool: 'search_files', workspace };
    if (regex) checkPattern(scope, pattern);
    const skipped: string[] = [];
    const lines: string[] = [];
    const deadline = { remainingMs: REGEX_LIMIT_MS };
    for await (const batch of batches(scope, path, skipped, signal)) {
      signal.throwIfAborted();
      // One more than the limit tells whether there are more.
      const search = { pattern, regex, files: batch, limit: limit + 1 - lines.length, maxLength: 2 * MAX_LINE_LENGTH };
      const found = regex ? await matchSeparately(scope, search, deadline, signal) : matchLines(search);
      lines.push(...found.map(({ place, line }) => `${place}: ${shortenText(line, MAX_LINE_LENGTH)}`));
      if (lines.length > limit) break;
    }
    const notes = [
      ...(lines.length > limit
        ? [`[The first ${limit} matching lines; there are more. Narrow the pattern or the path.]`]
        : []),
      ...(skipped.length > 0
        ? [
            `[Not searched: ${skipped.slice(0, 5).join('; ')}${skipped.length > 5 ? `; and ${skipped.length - 5} more` : ''}.]`,
          ]
        : []),
    ];
    const found = lines.length > 0 ? lines.slice(0, limit) : [`No line contains ${shown(pattern)}.`];
    return { text: [...found, ...notes].join('\n') };
  },
});

/** Readable text files in batches, so that neither memory nor the number of processes grows with the workspace. */
async function* batches(
  scope: Scope,
  path: string,
  skipped: string[],
  signal: AbortSignal,
): AsyncGenerator<NamedText[]> {
  let batch: NamedText[] = [];
  let length = 0;
  for await (const file of textFiles(scope, path, skipped, signal)) {
    batch.push(file);
    length += file.text.length;
    if (length < BATCH_LENGTH) continue;
    yield batch;
    batch = [];
    length = 0;
  }
  yield batch;
}

async function* textFiles(
  scope: Scope,
  path: string,
  skipped: string[],
  signal: AbortSignal,
): AsyncGenerator<NamedText> {
  let files = 0;
  for await (const file of filesAt(scope, path, skipped)) {
    signal.throwIfAborted();
    if (++files > MAX_FILES) {
      skipped.push(`everything after the first ${MAX_FILES} files`);
      return;
    }
    try {
      const { relative, content } = await readInside(scope, file, MAX_FILE_BYTES);
      const text = decodeText(content);
      if (text === undefined) skipped.push(`${listed(relative)} (not UTF-8 text)`);
      else yield { path: listed(relative), text };
    } catch (error) {
      if (!(error instanceof CopilotError) || file === path) throw error;
      skipped.push(`${listed(file)} (not readable, or over ${MAX_FILE_BYTES} bytes)`);
    }
  }
}

async function* filesAt(scope: Scope, path: string, skipped: string[]): AsyncGenerator<string> {
  const place = await resolveInside(scope, path);
  if (place.kind !== 'folder') {
    yield path;
    return;
  }
  let entries = 0;
  for await (const entry of walk(scope, place.relative, { recursive: true, skip: SKIPPED_FOLDERS })) {
    if (++entries > MAX_ENTRIES) {
      skipped.push(`everything after the first ${MAX_ENTRIES} entries`);
      return;
    }
    if (entry.kind === 'file') yield entry.path;
  }
}

interface Search {
  readonly pattern: string;
  readonly regex: boolean;
  readonly files: readonly NamedText[];
  readonly limit: number;
  /** Where lines are cut roughly, before they are cut between characters. */
  readonly maxLength: number;
}

interface FoundLine {
  readonly place: string;
  readonly line: string;
}

/** It also runs in another process, so it uses only types of this module. */
function matchLines({ pattern, regex, files, limit, maxLength }: Search): FoundLine[] {
  const expression = regex ? new RegExp(pattern) : undefined;
  const found: FoundLine[] = [];
  for (const { path, text } of files) {
    if (expression === undefined && !text.includes(pattern)) continue;
    for (const [index, line] of text
      .replace(/\r?\n$/, '')
      .split(/\r?\n/)
      .entries()) {
      if (expression === undefined ? !line.includes(pattern) : !expression.test(line)) continue;
      found.push({ place: `${path}:${index + 1}`, line: line.slice(0, maxLength) });
      if (found.length === limit) return found;
    }
  }
  return found;
}

async function matchSeparately(
  scope: Scope,
  search: Search,
  deadline: { remainingMs: number },
  signal: AbortSignal,
): Promise<FoundLine[]> {
  const startedMs = performance.now();
  const outcome = await runSeparately(matchLines, search, {
    timeoutMs: deadline.remainingMs,
    memoryMiB: REGEX_MEMORY_MIB,
    signal,
  });
  deadline.remainingMs = Math.max(1, deadline.remainingMs - (performance.now() - startedMs));
  if ('value' in outcome) return outcome.value;
  if ('error' in outcome) throw badPattern(scope, search.pattern, outcome.error);
  throw refusal(
    scope,
    `the regular expression ${shown(search.pattern)} took more than ${outcome.stopped === 'time' ? `${REGEX_LIMIT_MS / 1000} s` : `${REGEX_MEMORY_MIB} MiB`}. Avoid nested repetition such as (a+)+, search fewer files, or search for plain text.`,
  );
}

function checkPattern(scope: Scope, pattern: string): void {
  try {
    new RegExp(pattern);
  } catch (error) {
    throw badPattern(scope, pattern, error instanceof Error ? error.message : String(error));
  }
}

function badPattern(scope: Scope, pattern: string, reason: string): CopilotError {
  return refusal(
    scope,
    `${shown(pattern)} is not a valid regular expression (${reason}). Correct it, or leave regex out to search for this text literally.`,
  );
}
