import { z } from 'zod';
import type { Tool } from '../../contracts/tool.ts';
import { profileColumns } from './csv/columns.ts';
import { AGGREGATES, groupRows } from './csv/groups.ts';
import { openTable, RaggedRows } from './csv/table.ts';
import { refusal } from '../refusal.ts';

const CsvProfileInput = z.strictObject({
  path: z.string().describe('CSV or TSV file with a header line, relative to the workspace.'),
  group_by: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Column to group by; or, for a date column, month(column) for the calendar month 01-12 over all years, year(column), year_month(column) or weekday(column).',
    ),
  value: z.string().min(1).optional().describe('Numeric column to aggregate in each group.'),
  aggregate: z
    .enum(AGGREGATES)
    .optional()
    .describe('Figure per group. Default: sum of value; without value, count of rows.'),
});

/**
 * Gives compact JSON in one of two shapes.
 *
 * Without group_by, value and aggregate: `{file, rows, columns: [{name, type, non_empty, missing, distinct, …}]}`; a
 * number column adds `min, max, mean, sum, std`, a date column `first, last`, text and boolean `most_common`.
 *
 * Otherwise: `{file, rows, group_by, value, aggregate, groups: [{group, rows, result}], highest, lowest}`, groups
 * sorted by name.
 *
 * Both add, if they apply: a `delimiter` other than a comma, a `decimal` sign other than a point, an `encoding` other
 * than UTF-8, and `ragged_rows`.
 */
export const csvProfile: Tool<typeof CsvProfileInput> = {
  name: 'csv_profile',
  description:
    'Computes facts about a table (CSV, TSV) without reading it into the conversation. With path alone: the number of rows and, for each column, its type, counts, min, max, mean, sum, standard deviation, first and last date, and most common values. With group_by, value and aggregate: one figure per group, such as the sum of precipitation per month(date), and the highest and lowest group. Returns JSON.',
  effects: 'none',
  category: 'read',
  timeoutMs: 120_000,
  input: CsvProfileInput,
  async run({ path, group_by: groupBy, value, aggregate }, { workspace, signal }) {
    const scope = { tool: 'csv_profile', workspace };
    if (aggregate !== undefined && aggregate !== 'count' && value === undefined) {
      throw refusal(
        scope,
        `aggregate "${aggregate}" needs value, the numeric column to aggregate. Add it, or use "count".`,
      );
    }
    const table = await openTable(scope, path, signal);
    const ragged = new RaggedRows();
    const { delimiter, decimal, encoding } = table.format;
    const deviations = {
      ...(delimiter === ',' ? {} : { delimiter }),
      ...(decimal === '.' ? {} : { decimal }),
      ...(encoding === 'utf8' ? {} : { encoding }),
    };
    if (groupBy === undefined && value === undefined && aggregate === undefined) {
      const profile = await profileColumns(table, ragged, signal);
      return { text: JSON.stringify({ file: table.file, ...profile, ...deviations, ...ragged.report() }) };
    }
    const request = {
      groupBy,
      value,
      aggregate: aggregate ?? (value === undefined ? ('count' as const) : ('sum' as const)),
    };
    const groups = await groupRows(scope, table, request, ragged, signal);
    const asked = { group_by: groupBy, value, aggregate: request.aggregate };
    const { rows, ...rest } = groups;
    return { text: JSON.stringify({ file: table.file, rows, ...asked, ...rest, ...deviations, ...ragged.report() }) };
  },
};
