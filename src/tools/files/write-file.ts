import { z } from 'zod';
import { defineTool } from '../definition/define-tool.ts';
import { refusal, shown } from '../refusal.ts';
import { writeInside } from '../workspace/content.ts';

const MAX_CONTENT_BYTES = 10 * 1024 * 1024;

const WriteFileInput = z.strictObject({
  path: z.string(),
  content: z.string(),
});

/** Writes a whole text file as UTF-8. */
export const writeFile = defineTool({
  name: 'write_file',
  description:
    'Writes a text file into the workspace, as a whole: an existing file is replaced. For files that the person should get.',
  effects: 'none',
  category: 'write',
  timeoutMs: 30_000,
  limits: '10 MiB',
  subject: { kind: 'path', fields: ['path'] },
  parameters: WriteFileInput,
  async run({ path, content }, { workspace, requireCurrent }) {
    const scope = { tool: 'write_file', workspace, requireCurrent };
    const bytes = Buffer.byteLength(content);
    if (bytes > MAX_CONTENT_BYTES) {
      throw refusal(
        scope,
        `the content for ${shown(path)} has ${bytes} bytes, and the limit is ${MAX_CONTENT_BYTES}. Write it as several files.`,
      );
    }
    const place = await writeInside(scope, path, content);
    return { text: `Wrote ${place.relative} (${bytes} bytes).`, artifacts: [place.relative] };
  },
});
