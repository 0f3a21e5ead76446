import { z } from 'zod';
import { imageTypeOf } from '../../contracts/image.ts';
import { defineTool } from '../definition/define-tool.ts';
import { decodeText } from './text.ts';
import { refusal, shown } from '../refusal.ts';
import { readInside } from '../workspace/content.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

const MAX_FILE_BYTES = 20 * 1024 * 1024;
/** Longest text of one result, in UTF-16 units. */
const MAX_TEXT = 200_000;

const ReadFileInput = z.strictObject({
  path: z.string(),
  offset_line: z.int().min(1).default(1).describe('First line, from 1.'),
  limit_lines: z.int().min(1).optional().describe('Default: all.'),
});

/** Gives a text file as it is, and an image to models that take images. If it gives only a part, a last line in brackets says which part and how to read on. */
export const readFile = defineTool({
  name: 'read_file',
  description:
    'Reads a text file of the workspace, or a range of its lines. For facts about a table use table_profile and table_query, to find something in many files search_files.',
  effects: 'none',
  category: 'read',
  timeoutMs: 30_000,
  limits: 'UTF-8 text, 20 MiB; 200,000 characters a call; images, 10 MiB',
  subject: { kind: 'path', fields: ['path'] },
  parameters: ReadFileInput,
  async run({ path, offset_line: first, limit_lines: limit }, { workspace }) {
    const scope = { tool: 'read_file', workspace };
    const file = await readInside(scope, path, MAX_FILE_BYTES);
    const text = decodeText(file.content);
    if (text === undefined) {
      const image = imageTypeOf(file.content);
      if (image !== undefined) {
        const line = `${shown(file.relative)} is an image (${image}, ${file.content.length} bytes).`;
        return { text: line, images: [file.relative] };
      }
      throw refusal(
        scope,
        `${shown(path)} is not UTF-8 text (${file.content.length} bytes, binary or in another encoding). Use run_code on it if you have that tool, or choose a text file.`,
      );
    }
    if (text === '') return { text: `[${file.relative} is empty.]` };
    const lines = text.split(/(?<=\n)/);
    if (first > lines.length) {
      throw refusal(
        scope,
        `${shown(path)} has ${lines.length} lines, so it has no line ${first}. Give a smaller offset_line.`,
      );
    }
    return { text: excerpt(lines, first, limit ?? lines.length) };
  },
});

function excerpt(lines: readonly string[], first: number, limit: number): string {
  const wanted = lines.slice(first - 1, first - 1 + limit);
  const kept: string[] = [];
  let length = 0;
  for (const line of wanted) {
    if (length + line.length > MAX_TEXT) break;
    kept.push(line);
    length += line.length;
  }
  if (kept.length === 0) {
    return `${beginningOf(wanted[0] ?? '', MAX_TEXT)}\n[Line ${first} of ${lines.length}, cut after ${MAX_TEXT} characters.]`;
  }
  const last = first - 1 + kept.length;
  if (first === 1 && last === lines.length) return kept.join('');
  const next = last < lines.length ? ` Continue with offset_line ${last + 1}.` : '';
  return `${kept.join('').replace(/\n$/, '')}\n[Lines ${first} to ${last} of ${lines.length}.${next}]`;
}
