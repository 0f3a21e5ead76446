/**
 * Finds the newest rows of an index that can count and fetch but not sort, in few requests.
 *
 * SQL visibility gives rows in the order of their start. Any `count` rows show how far back the newest `count` can
 * reach. Counting narrows this window until it is small enough to fetch and sort.
 */

/** Place of a row in the order: newest first, equal times by id. */
export interface Place {
  readonly updatedMs: number;
  readonly id: string;
}

/** So many extra rows cost less than another request. */
const SLACK = 200;

export interface UpdatedIndex<Row extends Place> {
  /** How many rows were updated from `fromMs` to `toMs`, both included. */
  count(fromMs: number, toMs: number): Promise<number>;
  /** Up to `max` of these rows, in any order. */
  fetch(fromMs: number, toMs: number, max: number): Promise<Row[]>;
  /** Those of the rows that count. */
  select(rows: readonly Row[]): Promise<Row[]>;
}

export interface Wanted {
  readonly count: number;
  /** The last row of the previous page. */
  readonly after?: Place;
}

/** The first `count` rows after the place, newest first, equal times by id from Z to A. */
export async function newest<Row extends Place>(index: UpdatedIndex<Row>, { count, after }: Wanted): Promise<Row[]> {
  const untilMs = after?.updatedMs ?? Number.POSITIVE_INFINITY;
  // Rows of the same millisecond up to the place were on the previous page.
  for (let needed = count; ; needed *= 2) {
    const { rows, isAll } = await newestUntil(index, needed, untilMs);
    const wanted = await selectNewest(index, newestOf(rows, { count: rows.length, ...(after && { after }) }), count);
    if (isAll || wanted.length >= count) return wanted;
  }
}

/** The first `count` of the sorted rows that count, in as few questions as they need. */
async function selectNewest<Row extends Place>(
  index: UpdatedIndex<Row>,
  sorted: readonly Row[],
  count: number,
): Promise<Row[]> {
  const selected: Row[] = [];
  for (let from = 0; from < sorted.length && selected.length < count; from += count) {
    selected.push(...(await index.select(sorted.slice(from, from + count))));
  }
  return selected.slice(0, count);
}

/** The same for rows that are all in memory. */
export function newestOf<Row extends Place>(rows: readonly Row[], { count, after }: Wanted): Row[] {
  return (after ? rows.filter((row) => compare(row, after) > 0) : rows).toSorted(compare).slice(0, count);
}

function compare(a: Place, b: Place): number {
  return b.updatedMs - a.updatedMs || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}

/** At least the newest `needed` rows up to this time, with all rows of each millisecond. */
async function newestUntil<Row extends Place>(
  index: UpdatedIndex<Row>,
  needed: number,
  untilMs: number,
): Promise<{ rows: Row[]; isAll: boolean }> {
  const sample = await index.fetch(0, untilMs, needed + SLACK);
  if (sample.length < needed + SLACK) return { rows: sample, isAll: true };
  const ordered = sample.toSorted(compare);
  const least = ordered[needed - 1]?.updatedMs ?? 0;
  const most = ordered[0]?.updatedMs ?? 0;
  const fromMs = await narrow(index, { needed, fromMs: least, newestMs: most, untilMs });
  return { rows: await index.fetch(fromMs, untilMs, Number.MAX_SAFE_INTEGER), isAll: false };
}

interface Window {
  readonly needed: number;
  /** A time from which there are enough rows. */
  readonly fromMs: number;
  /** The time of the newest row that is known. */
  readonly newestMs: number;
  readonly untilMs: number;
}

/** The start of a window with enough rows and few more, if there is one. */
async function narrow<Row extends Place>(
  index: UpdatedIndex<Row>,
  { needed, fromMs, newestMs, untilMs }: Window,
): Promise<number> {
  let enough = fromMs;
  let found = await index.count(enough, untilMs);
  let tooFew = Number.isFinite(untilMs) ? untilMs + 1 : Math.max(newestMs, Date.now()) + 1;
  for (let round = 0; found > needed + SLACK && tooFew - enough > 1; round++) {
    // First assume that the known rows are the newest. Then alternate between interpolation, which is fast if rows are
    // spread evenly, and bisection, which always terminates.
    const share = round % 2 === 0 ? 0.5 : Math.min(0.9, (needed + SLACK / 2) / found);
    const guess = round === 0 ? newestMs + 1 : Math.round(tooFew - (tooFew - enough) * share);
    const middle = Math.min(tooFew - 1, Math.max(enough + 1, guess));
    const inside = await index.count(middle, untilMs);
    if (inside >= needed) {
      enough = middle;
      found = inside;
    } else {
      tooFew = middle;
    }
  }
  return enough;
}
