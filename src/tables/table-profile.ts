import { z } from 'zod';
import { defineTool } from '../tools/definition/define-tool.ts';
import { ChoiceFields } from './choices.ts';
import { askEngine } from './run-engine.ts';

const TableProfileInput = z.strictObject({
  path: z.string().describe('CSV, TSV, JSON or Parquet file, relative to the workspace.'),
  ...ChoiceFields,
});

/**
 * Gives compact JSON: `{file, rows, columns: [{name, type, non_empty, missing, distinct, …}]}`. A column of numbers adds
 * `min, max, mean, sum, std`, one of dates `first, last`, one of words or truth values `most_common`, an undecided one
 * its `readings`. If they apply: `delimiter`, `encoding`, `ragged_rows`, `notes`.
 */
export const tableProfile = defineTool({
  name: 'table_profile',
  description:
    'Describes a table file without reading it into the conversation: rows, and for each column its type, missing and distinct values, and figures. Returns JSON.',
  effects: 'none',
  category: 'read',
  timeoutMs: 120_000,
  limits: 'CSV, TSV, JSON and Parquet of 512 MiB, 1,000 columns, 30 s and 320 MiB of memory',
  parameters: TableProfileInput,
  subject: { kind: 'path', fields: ['path'] },
  async run({ path, decimal, dates }, { workspace, signal }) {
    const scope = { tool: 'table_profile', workspace };
    return {
      text: await askEngine(scope, {
        files: [{ path, names: [] }],
        choices: { decimal, dates },
        ask: { kind: 'profile' },
        signal,
      }),
    };
  },
});
