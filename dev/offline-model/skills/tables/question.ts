/** Understands a question about a table: which figure, of which column, by which group. */
import { stem, words } from '../../language.ts';
import { superlativesIn, type Superlative } from './superlatives.ts';
import { categories, dateColumn, measures, type Column, type Profile } from './facts.ts';

export type Aggregate = 'sum' | 'mean' | 'min' | 'max' | 'count' | 'median';

export interface Grouping {
  /** As `csv_profile` takes it. */
  readonly by: string;
  readonly unit: 'month' | 'year' | 'year-month' | 'weekday' | 'row' | 'value';
  /** What people call one of the groups: "month", "product". */
  readonly noun: string;
  readonly column: string;
}

export interface TableQuestion {
  readonly aggregate: Aggregate;
  /** Undefined for counts of rows. */
  readonly value?: string;
  readonly group?: Grouping;
  readonly superlative?: Superlative;
  /** How many of the first are asked for. */
  readonly top?: number;
  /** Only groups of these years. */
  readonly years?: readonly string[];
  /** Only groups of this calendar month, from 1. */
  readonly month?: number;
  /** Only rows with this value. */
  readonly where?: { readonly column: string; readonly value: string };
}

const MONTHS = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
];

/** Name of a calendar month from 1. */
export function monthName(month: number): string {
  const name = MONTHS[month - 1] ?? '';
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Columns whose values are levels: a mean says something, a sum does not. */
const LEVEL =
  /temp|celsius|fahrenheit|wind|speed|price|rate|ratio|percent|pct|share|score|rating|age|height|weight|width|length|humid|pressure|avg|average|mean|median|density|level|grade|gpa|bmi|horsepower|mpg|miles_per|acceleration|displacement|elevation|altitude|index|latency|ph\b/i;

/** What people say, and what columns are called. */
const SYNONYMS: readonly (readonly string[])[] = [
  ['precipitation', 'precip', 'prcp', 'rain', 'rainfall', 'rainy'],
  ['temperature', 'temp'],
  ['maximum', 'max', 'high', 'highest'],
  ['minimum', 'min', 'low', 'lowest'],
  ['average', 'avg', 'mean'],
  ['sales', 'sold', 'sell', 'revenue', 'turnover'],
  ['units', 'quantity', 'qty', 'sold', 'amount', 'count', 'items', 'pieces'],
  ['price', 'cost', 'fee'],
  ['wind', 'windspeed', 'gust'],
  ['person', 'people', 'name', 'employee', 'student', 'player'],
  ['product', 'item', 'article', 'sku'],
  ['city', 'town', 'location', 'place', 'station'],
  ['country', 'nation'],
  ['salary', 'wage', 'pay', 'earnings', 'earn', 'income'],
  ['weekday', 'day'],
];

/** The questions in a clause, one for each superlative. None where the clause only wants the profile. */
export function questionsOf(clause: string, profile: Profile): TableQuestion[] {
  const text = clause.toLowerCase();
  const superlatives = superlativesOf(text, profile);
  // "The maximum wind per month" asks for a figure of every month, "the month with the maximum wind" for one of them.
  const isExtreme = EXTREME_OF_EACH.test(text);
  const lowest = superlatives[0]?.direction === 'lowest';
  const aggregate = isExtreme ? (lowest ? 'min' : 'max') : statedAggregate(text);
  const asked = findGrouping(text, profile, superlatives.length > 0);
  // "How many days were there": days are what is counted.
  const group = aggregate === 'count' && asked?.unit === 'row' ? undefined : asked;
  const filters = findFilters(text, profile, group);
  const parts = { group, filters, aggregate };
  if (superlatives.length === 0 || isExtreme) {
    if (aggregate === undefined && !group && !filters.where) return [];
    return [question(text, profile, { ...parts, superlative: undefined })];
  }
  return superlatives.map((superlative) => question(text, profile, { ...parts, superlative }));
}

const EXTREME_OF_EACH =
  /\b(?:max|maximum|min|minimum|highest|lowest|peak|largest|smallest)\b[^,]*\b(?:per|by|for each|for every|each|every)\b/;

/** Those that speak of a column, or of any: in "the spiciest dish" the column is what tells. */
function superlativesOf(text: string, profile: Profile): Superlative[] {
  const byWord = new Map(superlativesIn(text).map((superlative) => [superlative.word, superlative]));
  // "The average max temp" names the column "max temp" and asks for no maximum.
  const inNames =
    statedAggregate(text) === undefined
      ? []
      : measures(profile)
          .filter(({ name }) => nameMatch(name, text) >= 1)
          .flatMap(({ name }) => nameParts(name));
  return [...byWord.values()].filter(
    ({ word, isKnown, columns }) =>
      !inNames.includes(word) &&
      (isKnown || measures(profile).some(({ name }) => columns.some((hint) => name.toLowerCase().includes(hint)))),
  );
}

/** How much of what a clause speaks of is in a table; 0 where nothing is. */
export function fit(clause: string, profile: Profile): number {
  const superlatives = superlativesIn(clause.toLowerCase());
  return profile.columns.reduce(
    (sum, { name }) =>
      sum + nameMatch(name, clause) + Math.max(0, ...superlatives.map((superlative) => hintMatch(name, superlative))),
    0,
  );
}

interface Parts {
  readonly group: Grouping | undefined;
  readonly filters: Filters;
  readonly aggregate: Aggregate | undefined;
  readonly superlative: Superlative | undefined;
}

function question(text: string, profile: Profile, { group, filters, aggregate, superlative }: Parts): TableQuestion {
  const counts = aggregate === 'count' || /\b(?:common|frequent|often|occurs?|appears?)\b/.test(text);
  const column = counts ? undefined : findValue(text, profile, group, superlative);
  const direction = superlative?.direction === 'lowest' ? 'min' : 'max';
  const fallback: Aggregate =
    group === undefined || group.unit === 'row'
      ? superlative
        ? direction
        : 'sum'
      : LEVEL.test(column?.name ?? '')
        ? 'mean'
        : 'sum';
  const chosen = column === undefined ? 'count' : (aggregate ?? fallback);
  const top =
    /\b(?:top|bottom|first|best|worst|(?:high|low|larg|small|bigg|hott|cold|wett|dri)est)\s+(\d{1,2})\b/.exec(
      text,
    )?.[1] ?? /\b(\d{1,2})\s+\w+est\b/.exec(text)?.[1];
  return {
    aggregate: chosen,
    ...(column === undefined ? {} : { value: column.name }),
    ...(group === undefined ? {} : { group }),
    ...(superlative === undefined ? {} : { superlative }),
    ...(top === undefined ? {} : { top: Number(top) }),
    ...filters,
  };
}

function statedAggregate(text: string): Aggregate | undefined {
  if (/\bmedian\b/.test(text)) return 'median';
  if (/\b(?:average|mean|avg|typical|on average)\b/.test(text)) return 'mean';
  if (/\b(?:total|sum|overall|altogether|in all|add up|cumulative)\b/.test(text)) return 'sum';
  if (/\b(?:how many|number of|count|frequency|how often|distribution)\b/.test(text)) return 'count';
  return undefined;
}

const CUE =
  /\b(?:per|by|for each|for every|each|every|group(?:ed)? by|across|which|what|in which|on which)\s+(?:calendar |single )?([\p{L}\p{N}_-]+)(?:[ _]([\p{L}\p{N}_-]+))?/giu;
const PARTS: readonly (readonly [RegExp, 'month' | 'year' | 'year-month' | 'weekday' | 'row', string])[] = [
  [
    /\b(?:year[- ]months?|months? and years?|years? and months?|months? of (?:which|each|every) year)\b/,
    'year-month',
    'year_month',
  ],
  [/\b(?:weekdays?|days? of the week)\b/, 'weekday', 'weekday'],
  [/\b(?:months?|monthly)\b/, 'month', 'month'],
  [/\b(?:years?|yearly|annual|annually)\b/, 'year', 'year'],
  [/\b(?:days?|daily|dates?)\b/, 'row', ''],
];

function findGrouping(text: string, profile: Profile, hasSuperlative: boolean): Grouping | undefined {
  const date = dateColumn(profile);
  for (const match of text.matchAll(CUE)) {
    const [, first = '', second = ''] = match;
    const cued = groupingOf(`${first} ${second}`, profile, date) ?? groupingOf(first, profile, date);
    if (cued) return cued;
  }
  const part = datePart(text, date) ?? (isComparisonOfYears(text) ? datePart('year', date) : undefined);
  if (part) return part;
  if (!hasSuperlative && !/\b(?:distribution|count|how many|compare)\b/.test(text)) return undefined;
  const named = categories(profile).filter(({ name }) => nameMatch(name, text) >= 0.5);
  const [best] = named.toSorted((a, b) => nameMatch(b.name, text) - nameMatch(a.name, text));
  if (best) return byColumn(best);
  return hasSuperlative ? byRow(profile) : undefined;
}

/** "The tallest": a single row, called by what tells rows apart. */
function byRow(profile: Profile): Grouping | undefined {
  const texts = profile.columns.filter(({ type }) => type === 'text');
  const label = texts.find(({ distinct = 0 }) => distinct >= profile.rows * 0.8) ?? dateColumn(profile) ?? texts[0];
  return (
    label && {
      by: label.name,
      unit: 'row',
      noun: label.type === 'date' ? 'day' : spoken(label.name),
      column: label.name,
    }
  );
}

function isComparisonOfYears(text: string): boolean {
  return new Set(text.match(/\b(?:19|20)\d\d\b/g)).size > 1;
}

function groupingOf(phrase: string, profile: Profile, date: Column | undefined): Grouping | undefined {
  const [best] = categories(profile)
    .map((column) => ({ column, match: nameMatch(column.name, phrase) }))
    .filter(({ match }) => match >= 0.5)
    .toSorted((a, b) => b.match - a.match);
  return best ? byColumn(best.column) : datePart(phrase, date);
}

function byColumn({ name }: Column): Grouping {
  return { by: name, unit: 'value', noun: spoken(name), column: name };
}

function spoken(name: string): string {
  return name.replace(/[_-]+/g, ' ').toLowerCase();
}

function datePart(text: string, date: Column | undefined): Grouping | undefined {
  if (!date) return undefined;
  const [, unit, call] = PARTS.find(([pattern]) => pattern.test(text)) ?? [];
  if (unit === undefined) return undefined;
  const noun = unit === 'row' ? 'day' : unit === 'year-month' ? 'month' : unit;
  return { by: call ? `${call}(${date.name})` : date.name, unit, noun, column: date.name };
}

type Filters = Pick<TableQuestion, 'years' | 'month' | 'where'>;

function findFilters(text: string, profile: Profile, group: Grouping | undefined): Filters {
  const hasDates = dateColumn(profile) !== undefined;
  const years = hasDates ? [...new Set(text.match(/\b(?:19|20)\d\d\b/g))] : [];
  const month = hasDates ? MONTHS.findIndex((name) => monthPattern(name).test(text)) + 1 : 0;
  const where = group ? undefined : findValueFilter(text, profile);
  return {
    ...(years.length > 0 ? { years } : {}),
    ...(month > 0 ? { month } : {}),
    ...(where ? { where } : {}),
  };
}

/** "May" is also a verb. */
function monthPattern(name: string): RegExp {
  return name === 'may' ? /\b(?:in|of|during) may\b/ : new RegExp(`\\b${name}\\b`);
}

function findValueFilter(text: string, profile: Profile): TableQuestion['where'] {
  const isSaid = (value: string): boolean =>
    value.length > 1 && new RegExp(`(?<![\\w.])${escape(value.toLowerCase())}(?:y|ny|s)?(?![\\w.])`).test(text);
  for (const { name: column, most_common: common } of categories(profile)) {
    const value = common?.find((entry) => isSaid(entry.value))?.value;
    if (value !== undefined) return { column, value };
  }
  return undefined;
}

function findValue(
  text: string,
  profile: Profile,
  group: Grouping | undefined,
  superlative: Superlative | undefined,
): Column | undefined {
  const candidates = measures(profile).filter(({ name }) => name !== group?.by);
  const rest = group ? withoutPhrase(text, group.noun) : text;
  const ranked = candidates
    .map((column) => ({ column, match: nameMatch(column.name, rest), hint: hintMatch(column.name, superlative) }))
    .toSorted((a, b) => b.match + b.hint - (a.match + a.hint));
  const [best] = ranked;
  if (best && best.match + best.hint > 0) return best.column;
  // Nothing in the sentence names a column: a quantity is meant rather than a level.
  return candidates.find(({ name }) => !LEVEL.test(name)) ?? candidates[0];
}

/** How well a superlative's hints fit a column: the first hint best. */
function hintMatch(name: string, superlative: Superlative | undefined): number {
  const hints = superlative?.columns ?? [];
  const plain = name.toLowerCase();
  const parts = nameParts(name);
  const at = hints.findIndex(
    (hint) => plain === hint || parts.includes(hint) || (hint.length >= 4 && plain.includes(hint)),
  );
  return at < 0 ? 0 : 0.9 - at / 100;
}

/** How much of a column's name is said in a text, from 0 to 1, and a little more where it stands there word by word. */
export function nameMatch(name: string, text: string): number {
  const parts = nameParts(name);
  if (parts.length === 0) return 0;
  const plain = text.toLowerCase();
  if (new RegExp(`(?<![\\w])${escape(name.toLowerCase())}(?![\\w])`).test(plain)) return 1.2;
  const said = new Set(words(plain.replaceAll('_', ' ')).flatMap((word) => [stem(word), ...synonymsOf(word)]));
  const hits = parts.filter((part) => said.has(stem(part)) || synonymsOf(part).some((synonym) => said.has(synonym)));
  return hits.length / parts.length;
}

function nameParts(name: string): string[] {
  return words(name.replace(/([a-z])([A-Z])/g, '$1 $2').replace(/[_-]+/g, ' ')).filter(
    (part) => !/^(?:of|the|in|per|usd|eur|mm|cm|kg|c|f)$/.test(part),
  );
}

function synonymsOf(word: string): string[] {
  return SYNONYMS.filter((group) => group.includes(word) || group.map(stem).includes(stem(word))).flatMap((group) =>
    group.map(stem),
  );
}

function withoutPhrase(text: string, phrase: string): string {
  return text.replace(new RegExp(`\\b${escape(phrase)}s?\\b`, 'g'), ' ');
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
