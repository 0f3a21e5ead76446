import { z } from 'zod';
import { defineTool } from '../tools/definition/define-tool.ts';
import { refusal } from '../tools/refusal.ts';
import { ChoiceFields } from './choices.ts';
import { askEngine } from './run-engine.ts';
import { filesNamedIn } from './sql-files.ts';

/** The engine of turns cuts a result of 25,000 characters, which is about as many rows of a few columns. */
const MAX_ROWS = 1_000;

const TableQueryInput = z.strictObject({
  sql: z
    .string()
    .min(1)
    .max(20_000)
    .describe(
      "One SELECT (DuckDB). Name files in quotes: SELECT region, sum(amount) FROM 'sales.csv' GROUP BY region.",
    ),
  ...ChoiceFields,
});

/**
 * Gives compact JSON: `{columns, rows, more_rows?, notes?, …}`. `rows` are lists in the order of `columns`, at most
 * {@link MAX_ROWS}; numbers have all their digits.
 */
export const tableQuery = defineTool({
  name: 'table_query',
  description:
    'Runs SQL over CSV, TSV, JSON and Parquet files of the workspace, and returns rows as JSON. Columns have types: month(date), sum(amount) work. Figures are exact.',
  effects: 'none',
  category: 'read',
  timeoutMs: 120_000,
  limits: 'as `table_profile`; one SELECT over at most 8 files, 1,000 rows',
  parameters: TableQueryInput,
  subject: { kind: 'path', fields: [] },
  async subjectPaths({ sql }, { workspace }) {
    return (await filesNamedIn({ tool: 'table_query', workspace }, sql)).map(({ path }) => path);
  },
  async run({ sql, decimal, dates }, { workspace, signal }) {
    const scope = { tool: 'table_query', workspace };
    const files = await filesNamedIn(scope, sql);
    if (files.length === 0)
      throw refusal(
        scope,
        `the SQL names no file. Name one in FROM, such as FROM 'sales.csv'; list_files shows what exists.`,
      );
    return {
      text: await askEngine(scope, {
        files,
        choices: { decimal, dates },
        ask: { kind: 'query', sql: sql.normalize('NFC'), maxRows: MAX_ROWS },
        signal,
      }),
    };
  },
});
