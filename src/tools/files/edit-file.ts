import { z } from 'zod';
import { defineTool } from '../definition/define-tool.ts';
import type { ToolResult } from '../definition/tool.ts';
import { FileChange, settleChange, updateInside } from '../workspace/changes.ts';
import { nearestPlace } from './nearest-place.ts';
import { linesAt, findOccurrences } from './occurrences.ts';
import { decodeText } from './text.ts';
import { refusal, shown } from '../refusal.ts';
import type { Scope } from '../workspace/paths.ts';

const NAME = 'edit_file';
const MAX_FILE_BYTES = 10 * 1024 * 1024;
const MAX_TEXT = 1_000_000;
/** How many line numbers a message names. */
const MAX_LINES_NAMED = 10;
const BYTE_ORDER_MARK = '\uFEFF';

const EditFileInput = z.strictObject({
  path: z.string(),
  old_text: z
    .string()
    .min(1)
    .max(MAX_TEXT)
    .describe('Exactly as read_file shows it, with indentation; long enough to occur once.'),
  new_text: z.string().max(MAX_TEXT),
  replace_all: z.boolean().default(false),
});
type EditFileInput = z.output<typeof EditFileInput>;

/**
 * Replaces one text of a file by another and leaves every other byte as it is.
 *
 * Its effects are `external`. If the new text contains the old one ("a" to "a, b"), a retry would edit twice. If it
 * does not, a retry would report "not found" after a successful edit.
 */
export const editFile = defineTool({
  name: NAME,
  description: 'Replaces one text in a file of the workspace and leaves the rest as it is. Read the file first.',
  effects: 'external',
  category: 'write',
  timeoutMs: 30_000,
  limits: 'files of 10 MiB',
  subject: { kind: 'path', fields: ['path'] },
  parameters: EditFileInput,
  async run(input, { workspace, announce }) {
    const scope = { tool: NAME, workspace };
    if (input.old_text === input.new_text) {
      throw refusal(scope, 'old_text and new_text are the same, so there is nothing to change. Correct new_text.');
    }
    let lines: number[] = [];
    let result: ToolResult = { text: '' };
    const change = (content: Buffer): string => {
      const edited = edit(scope, input, content);
      lines = edited.lines;
      return edited.text;
    };
    await updateInside(scope, input.path, MAX_FILE_BYTES, change, async (trace, bytes) => {
      const what = lines.length === 1 ? `line ${lines[0]}` : `${lines.length} places, ${nameLines(lines)}`;
      result = { text: `Edited ${trace.path} at ${what} (${bytes} bytes now).`, artifacts: [trace.path] };
      await announce({ trace, result });
    });
    return result;
  },
  settle: (trace, { workspace, others }) =>
    settleChange({ tool: NAME, workspace }, FileChange.parse(trace), MAX_FILE_BYTES, others),
});

interface Edited {
  readonly text: string;
  /** Line of each replaced text. */
  readonly lines: number[];
}

function edit(scope: Scope, input: EditFileInput, content: Buffer): Edited {
  const { path, replace_all: replaceAll } = input;
  const text = decodeText(content);
  if (text === undefined) {
    throw refusal(
      scope,
      `${shown(path)} is not UTF-8 text (${content.length} bytes, binary or in another encoding). Use run_code on it if you have that tool.`,
    );
  }
  const { oldText, newText, found } = find(text, input);
  const [first] = found;
  if (first === undefined) {
    throw refusal(
      scope,
      `old_text does not occur in ${shown(path)}. ${nearestPlace(text, oldText)} Give it exactly as read_file shows it.`,
    );
  }
  if (found.length > 1 && !replaceAll) {
    throw refusal(
      scope,
      `old_text occurs ${found.length} times in ${shown(path)}, ${nameLines(linesAt(text, found))}. Add lines before or after it to old_text and new_text until only one place fits, or pass replace_all: true.`,
    );
  }
  const places = replaceAll ? withoutOverlap(found, oldText.length) : [first];
  if (text.length + places.length * (newText.length - oldText.length) > MAX_FILE_BYTES) {
    throw refusal(
      scope,
      `${shown(path)} would become larger than ${MAX_FILE_BYTES} bytes, which is the limit. Replace less, or write several files.`,
    );
  }
  const mark = content.subarray(0, 3).toString() === BYTE_ORDER_MARK ? BYTE_ORDER_MARK : '';
  return { text: mark + replaceAt(text, places, oldText.length, newText), lines: linesAt(text, places) };
}

/** Models write line breaks as \n. In a file that uses only \r\n they mean \r\n. */
function find(
  text: string,
  { old_text: oldText, new_text: newText }: EditFileInput,
): { readonly oldText: string; readonly newText: string; readonly found: readonly number[] } {
  const hasReturns = text.includes('\r\n') && !/(?<!\r)\n/.test(text);
  const adapted = (value: string): string => (hasReturns ? value.replace(/\r?\n/g, '\r\n') : value);
  return { oldText: adapted(oldText), newText: adapted(newText), found: findOccurrences(text, adapted(oldText)) };
}

/** The positions that do not overlap with an earlier one. */
function withoutOverlap(positions: readonly number[], length: number): number[] {
  let end = 0;
  return positions.filter((position) => {
    if (position < end) return false;
    end = position + length;
    return true;
  });
}

function replaceAt(text: string, places: readonly number[], length: number, newText: string): string {
  const parts: string[] = [];
  let from = 0;
  for (const place of places) {
    parts.push(text.slice(from, place), newText);
    from = place + length;
  }
  return parts.join('') + text.slice(from);
}

function nameLines(lines: readonly number[]): string {
  const named = [...new Set(lines)];
  const more = named.length > MAX_LINES_NAMED ? ' and more' : '';
  return `${named.length === 1 ? 'all in line' : 'in lines'} ${named.slice(0, MAX_LINES_NAMED).join(', ')}${more}`;
}
