import { z } from 'zod';
import type { Tool } from '../../contracts/tool.ts';
import { appendInside } from '../workspace/changes.ts';
import { refusal, shown } from '../refusal.ts';

const MAX_CONTENT_BYTES = 10 * 1024 * 1024;
/** Of the file before. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

const AppendFileInput = z.strictObject({
  path: z
    .string()
    .describe('File to go on with, relative to the workspace. It and its folders are created where they are missing.'),
  content: z.string().min(1).describe('Text to put at the end, exactly as given: end it with a line break.'),
});

/** Puts text at the end of a file. Done twice it stands there twice, so its effects are `external`. */
export const appendFile: Tool<typeof AppendFileInput> = {
  name: 'append_file',
  description:
    'Adds text at the end of a file of the workspace and leaves what it has; creates the file if there is none. Use it for logs, and to write long texts in parts. To replace a file use write_file, to change a place in it edit_file.',
  effects: 'external',
  category: 'write',
  timeoutMs: 30_000,
  input: AppendFileInput,
  async run({ path, content }, { workspace }) {
    const scope = { tool: 'append_file', workspace };
    const added = Buffer.byteLength(content);
    if (added > MAX_CONTENT_BYTES) {
      throw refusal(
        scope,
        `the content for ${shown(path)} has ${added} bytes, and the limit is ${MAX_CONTENT_BYTES}. Append it in parts.`,
      );
    }
    const { relative, bytes, continuesLine } = await appendInside(scope, path, content, MAX_FILE_BYTES);
    const note = continuesLine ? ' The file did not end with a line break, so the text continues its last line.' : '';
    return { text: `Added ${added} bytes to ${relative} (${bytes} bytes now).${note}`, artifacts: [relative] };
  },
};
