/** What the tool `csv_profile` answers, read with care: its text may have been cut, and other versions may say less. */
import { z } from 'zod';

const Column = z.object({
  name: z.string(),
  type: z.string(),
  missing: z.number().optional(),
  distinct: z.number().optional(),
  min: z.number().nullish(),
  max: z.number().nullish(),
  mean: z.number().nullish(),
  sum: z.number().nullish(),
  first: z.string().optional(),
  last: z.string().optional(),
  most_common: z.array(z.object({ value: z.string(), count: z.number() })).optional(),
});
export type Column = z.infer<typeof Column>;

const Profile = z.object({
  file: z.string(),
  rows: z.number(),
  columns: z.array(Column),
  delimiter: z.string().optional(),
});
export type Profile = z.infer<typeof Profile>;

const Group = z.object({ group: z.string(), rows: z.number(), result: z.number().nullable() });
const Groups = z.object({ rows: z.number(), groups: z.array(Group), groups_in_all: z.number().optional() });
export interface Group {
  readonly group: string;
  readonly rows: number;
  readonly result: number;
}

export function readProfile(text: string): Profile | undefined {
  return Profile.safeParse(parseJson(text)).data;
}

/** The groups that have a result. Undefined where the text is cut, since the highest could be in what is missing. */
export function readGroups(text: string): Group[] | undefined {
  const groups = Groups.safeParse(parseJson(text)).data;
  if (!groups || groups.groups_in_all !== undefined) return undefined;
  return groups.groups.flatMap(({ group, rows, result }) => (result === null ? [] : [{ group, rows, result }]));
}

/** The first column of dates. */
export function dateColumn(profile: Profile): Column | undefined {
  return profile.columns.find(({ type }) => type === 'date');
}

/** Columns whose numbers mean something when they are added or compared. */
export function measures(profile: Profile): Column[] {
  const numbers = profile.columns.filter(({ type }) => type === 'number');
  const real = numbers.filter(
    ({ name }) =>
      !/^(?:id|index|no|nr|#|row|key|zip|postcode|lat|latitude|lon|lng|longitude)$|_id$|[a-z]Id$/i.test(name.trim()),
  );
  return real.length > 0 ? real : numbers;
}

/** Columns that rows can be grouped by. */
export function categories(profile: Profile): Column[] {
  return profile.columns.filter(
    ({ type, name }) =>
      type === 'text' ||
      type === 'boolean' ||
      (type === 'number' && /year|month|week|quarter|day|class|level|group|grade|rank|cylinders|season/i.test(name)),
  );
}

/** At most two decimals, four significant digits below one. */
export function shownNumber(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return String(Number(Math.abs(value) < 1 ? value.toPrecision(4) : value.toFixed(2)));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
