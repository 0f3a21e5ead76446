import { z } from 'zod';
import { defineTool } from '../definition/define-tool.ts';
import type { ToolResult } from '../definition/tool.ts';
import { type Appended, appendInside, FileChange, settleChange } from '../workspace/changes.ts';
import { refusal, shown } from '../refusal.ts';

const NAME = 'append_file';
const MAX_CONTENT_BYTES = 10 * 1024 * 1024;
/** Largest file that is appended to. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

const AppendFileInput = z.strictObject({
  path: z.string(),
  content: z.string().min(1).describe('Ends with a line break.'),
});

/** Appends text to a file. A retry would append it twice, so its effects are `external`. */
export const appendFile = defineTool({
  name: NAME,
  description:
    'Appends text to a file of the workspace, which is created if it is missing. For logs, and for long texts in parts.',
  effects: 'external',
  category: 'write',
  timeoutMs: 30_000,
  limits: '10 MiB a call, files of 256 MiB',
  subject: { kind: 'path', fields: ['path'] },
  parameters: AppendFileInput,
  async run({ path, content }, { workspace, announce }) {
    const scope = { tool: NAME, workspace };
    const added = Buffer.byteLength(content);
    if (added > MAX_CONTENT_BYTES) {
      throw refusal(
        scope,
        `the content for ${shown(path)} has ${added} bytes, and the limit is ${MAX_CONTENT_BYTES}. Append it in parts.`,
      );
    }
    const appended = await appendInside(scope, path, content, MAX_FILE_BYTES, (trace, planned) =>
      announce({ trace, result: resultOf(planned) }),
    );
    return resultOf(appended);
  },
  settle: (trace, { workspace, others }) =>
    settleChange({ tool: NAME, workspace }, FileChange.parse(trace), MAX_FILE_BYTES, others),
});

function resultOf({ relative, added, bytes, continuesLine }: Appended): ToolResult {
  const note = continuesLine ? ' The file did not end with a line break, so the text continues its last line.' : '';
  return { text: `Added ${added} bytes to ${relative} (${bytes} bytes now).${note}`, artifacts: [relative] };
}
