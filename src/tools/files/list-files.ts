import { z } from 'zod';
import { defineTool } from '../definition/define-tool.ts';
import { listed } from './text.ts';
import { walk } from '../workspace/walk.ts';

const MAX_ENTRIES = 1_000;

const ListFilesInput = z.strictObject({
  path: z.string().default('.').describe('Folder.'),
  recursive: z.boolean().default(true),
});

/**
 * Gives one line per entry: `name (N bytes)`, folders as `name/`, links as `name (link, not followed)`. A name with
 * control characters is quoted.
 */
export const listFiles = defineTool({
  name: 'list_files',
  description: 'Lists the files of the workspace with their sizes: the exact paths that other tools take.',
  effects: 'none',
  category: 'read',
  timeoutMs: 30_000,
  limits: '1,000 entries',
  subject: { kind: 'tree', fields: ['path'] },
  parameters: ListFilesInput,
  async run({ path, recursive }, { workspace, signal }) {
    const lines: string[] = [];
    let isCut = false;
    for await (const entry of walk({ tool: 'list_files', workspace }, path, { recursive })) {
      signal.throwIfAborted();
      if (lines.length === MAX_ENTRIES) {
        isCut = true;
        break;
      }
      const detail = {
        file: ` (${entry.bytes} bytes)`,
        folder: '/',
        link: ' (link, not followed)',
        special: ' (special, not readable)',
      };
      lines.push(`${listed(entry.path)}${detail[entry.kind]}`);
    }
    if (lines.length === 0) return { text: path === '.' ? 'The workspace is empty.' : `${listed(path)} is empty.` };
    if (isCut)
      lines.push(`[The first ${MAX_ENTRIES} entries; there are more. List a subfolder, or pass recursive: false.]`);
    return { text: lines.join('\n') };
  },
});
