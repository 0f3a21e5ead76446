/** Answers one question about a table: which call of the tool gives the figures, and what they say in words. */
import { toTable, type Row } from '../markdown.ts';
import { CannotDo, use, type Finding, type Result, type Work } from '../skill.ts';
import { dateColumn, readGroups, shownNumber, type Column, type Group, type Profile } from './facts.ts';
import { monthName, type Aggregate, type TableQuestion } from './question.ts';

/** Rows of a table in a finding. */
const MAX_ROWS = 31;
/** Groups whose JSON still comes whole: tool results are cut at 25,000 characters. */
const MAX_GROUPS = 300;
/** Years whose months are looked at one by one. */
const MAX_YEARS = 20;

const AGGREGATE_WORDS: Readonly<Record<Aggregate, string>> = {
  sum: 'total',
  mean: 'mean',
  median: 'median',
  min: 'lowest',
  max: 'highest',
  count: 'number of rows',
};

/** @param known results of this table so far: "the wettest and the driest month" need the same figures */
export function* answerQuestion(question: TableQuestion, profile: Profile, known: Map<string, Result>): Work<Finding> {
  const { group, superlative } = question;
  if (group?.unit === 'row' && superlative) {
    const distinct = profile.columns.find(({ name }) => name === group.column)?.distinct ?? 0;
    if (distinct > MAX_GROUPS) return yield* answerByRow(question, profile, superlative.direction);
  }
  const by = groupBy(question, profile);
  const groups = yield* fetchGroups(question, profile, by, known);
  const picked = groups.filter(({ group: name }) => isPicked(name, question, by));
  if (picked.length === 0)
    throw new CannotDo(`\`${profile.file}\` has no rows for this question (${describe(question)}).`);
  const finding = !superlative ? listing(question, profile, picked) : picking(question, profile, picked);
  if (!superlative || group?.unit !== 'month' || question.years || yearsOf(profile) < 2 || yearsOf(profile) > MAX_YEARS)
    return finding;
  const single = yield* fetchGroups(question, profile, `year_month(${group.column})`, known);
  const [best] = ranked(single, superlative.direction);
  if (!best) return finding;
  return {
    ...finding,
    sentence: `${finding.sentence} The ${superlative.word} single month is ${groupName(best.group)} with ${shownNumber(best.result)}.`,
  };
}

function* fetchGroups(
  question: TableQuestion,
  profile: Profile,
  by: string | undefined,
  known: Map<string, Result>,
): Work<Group[]> {
  const args = {
    path: profile.file,
    ...(by === undefined ? {} : { group_by: by }),
    ...(question.value === undefined ? {} : { value: question.value }),
    aggregate: question.aggregate,
  };
  const key = JSON.stringify(args);
  const result =
    known.get(key) ??
    (yield* use('csv_profile', args, `I compute the ${figure(question)}${by === undefined ? '' : ` by ${by}`}.`));
  known.set(key, result);
  if (result.failed) throw new CannotDo(result.text);
  const groups = readGroups(result.text);
  if (!groups)
    throw new CannotDo(
      `The figures by ${by ?? 'row'} of \`${profile.file}\` are too many to compare. Ask for something coarser, such as months or years.`,
    );
  return groups;
}

/** What to group by, filters included: "in 2014" needs months of years. */
function groupBy({ group, years, month, where }: TableQuestion, profile: Profile): string | undefined {
  const date = dateColumn(profile)?.name;
  if (where) return where.column;
  if (date !== undefined) {
    if (group?.unit === 'month' && years) return `year_month(${date})`;
    if (group?.unit === 'year' && month !== undefined) return `year_month(${date})`;
    if (!group && years) return month === undefined ? `year(${date})` : `year_month(${date})`;
    if (!group && month !== undefined) return `month(${date})`;
  }
  return group?.by;
}

function isPicked(name: string, { years, month, where }: TableQuestion, by: string | undefined): boolean {
  if (where) return name === where.value;
  if (by?.startsWith('year_month(')) {
    return (
      (!years || years.includes(name.slice(0, 4))) &&
      (month === undefined || name.endsWith(`-${String(month).padStart(2, '0')}`))
    );
  }
  if (by?.startsWith('year(') && years) return years.includes(name);
  if (by?.startsWith('month(') && month !== undefined) return Number(name) === month;
  return true;
}

/** "The wettest month is December: …" */
function picking(question: TableQuestion, profile: Profile, groups: readonly Group[]): Finding {
  const { superlative, top = 1 } = question;
  const direction = superlative?.direction ?? 'highest';
  const sorted = ranked(groups, direction);
  const [best, second] = sorted;
  if (!best) throw new CannotDo(`\`${profile.file}\` has no figures for this question.`);
  const noun = question.group?.noun ?? 'group';
  const word = superlative?.word ?? direction;
  const amount = `${figure(question)} ${shownNumber(best.result)}`;
  const subject = isPlain(word) ? `The ${noun} with the ${direction} ${figure(question)}` : `The ${word} ${noun}`;
  const ties = sorted.filter(({ result }) => result === best.result);
  const next =
    ties.length > 1
      ? `, the same as ${ties
          .slice(1, 4)
          .map(({ group }) => groupName(group, question))
          .join(', ')}`
      : second
        ? `, followed by ${groupName(second.group, question)} with ${shownNumber(second.result)}`
        : '';
  const leaders = sorted
    .slice(0, top)
    .map(({ group, result }) => `${groupName(group, question)} (${shownNumber(result)})`);
  const sentence =
    top > 1
      ? `The ${leaders.length} ${noun}s with the ${direction} ${figure(question)} are ${leaders.join(', ')}.`
      : `${subject} is ${groupName(best.group, question)}: ${amount}${span(question, profile)}${next}.`;
  return {
    title: `${capital(isPlain(word) ? `${noun} with the ${direction} ${figure(question)}` : `${word} ${noun}`)} in ${profile.file}`,
    sentence,
    body: `${groupTable(question, groups, sorted, best, word)}\n\n${source(profile)}`,
  };
}

/** "Mean temp_max by weather: …" */
function listing(question: TableQuestion, profile: Profile, groups: readonly Group[]): Finding {
  const sorted = ranked(groups, 'highest');
  const [best, worst] = [sorted[0], sorted.at(-1)];
  const [only] = groups;
  if (!best || !worst || !only) throw new CannotDo(`\`${profile.file}\` has no figures for this question.`);
  if (groups.length === 1) {
    const { where } = question;
    if (where && question.aggregate === 'count') {
      return {
        title: `Rows with ${where.column} ${where.value} in ${profile.file}`,
        sentence: `${only.result} of ${profile.rows} rows have ${where.column} ${where.value}.`,
        body: source(profile),
      };
    }
    const about = groupBy(question, profile) === undefined ? '' : ` for ${groupName(only.group, question)}`;
    const sentence = `The ${figure(question)}${about} is ${shownNumber(only.result)}${question.aggregate === 'count' ? '' : ` (${only.rows} rows)`}.`;
    return { title: `${capital(figure(question))}${about} in ${profile.file}`, sentence, body: source(profile) };
  }
  const noun = question.group?.noun ?? 'group';
  const all =
    groups.length <= 6
      ? `: ${groups.map(({ group, result }) => `${groupName(group, question)} ${shownNumber(result)}`).join(', ')}`
      : ` of ${groups.length} groups`;
  return {
    title: `${capital(figure(question))} by ${noun} in ${profile.file}`,
    sentence: `${capital(figure(question))} by ${noun}${all}. Highest is ${groupName(best.group, question)} with ${shownNumber(best.result)}, lowest ${groupName(worst.group, question)} with ${shownNumber(worst.result)}.`,
    body: `${groupTable(question, groups, sorted, best, 'highest')}\n\n${source(profile)}`,
  };
}

/** Time goes on in its order, all else from the first place down. */
function groupTable(
  question: TableQuestion,
  groups: readonly Group[],
  sorted: readonly Group[],
  best: Group,
  word: string,
): string {
  const isTime = question.group !== undefined && question.group.unit !== 'value' && question.group.unit !== 'row';
  const isCount = question.aggregate === 'count';
  const inOrder = isTime && groups.length <= MAX_ROWS ? groups : sorted;
  const rows = inOrder.slice(0, MAX_ROWS).map((one): Row => {
    const cells = [groupName(one.group, question), shownNumber(one.result), ...(isCount ? [] : [String(one.rows)])];
    return one === best ? [...cells.map((cell) => `**${cell}**`), `**${word}**`] : [...cells, ''];
  });
  const header = [question.group?.noun ?? 'group', figure(question), ...(isCount ? [] : ['rows']), ''];
  const cut = groups.length > MAX_ROWS ? `\n\n${MAX_ROWS} of ${groups.length} groups.` : '';
  return toTable(header, rows) + cut;
}

/** The row with a column's highest or lowest value, found by searching the file for that value. */
function* answerByRow(question: TableQuestion, profile: Profile, direction: 'highest' | 'lowest'): Work<Finding> {
  const column = profile.columns.find(({ name }) => name === question.value);
  const extreme = direction === 'highest' ? column?.max : column?.min;
  if (!column || extreme == null) throw new CannotDo(`\`${profile.file}\` has no column of numbers for this question.`);
  const label = profile.columns.find(({ name }) => name === question.group?.column);
  const noun = question.group?.noun ?? 'row';
  const found = yield* use(
    'search_files',
    { pattern: String(extreme), path: profile.file, max_results: 200 },
    `I look for the row with ${column.name} ${extreme}.`,
  );
  const rows = found.failed ? [] : found.text.split('\n').flatMap((line) => rowWith(line, profile, column, extreme));
  const names = rows.map((cells) => cells[label ? profile.columns.indexOf(label) : 0] ?? '');
  const word = question.superlative?.word ?? direction;
  const subject = isPlain(word) ? `The ${direction} ${column.name}` : `The ${word} ${noun} by ${column.name}`;
  const [first = '', ...others] = names;
  const value = shownNumber(extreme);
  const sentence =
    first === ''
      ? `${subject} is ${value}; which row it is in could not be found.`
      : others.length === 0
        ? `${subject} is ${isPlain(word) ? `${value}, on ${first}` : `${first}, with ${value}`}.`
        : `${subject}: ${value}, which several rows share, such as ${names.slice(0, 3).join(', ')}.`;
  return {
    title: `${capital(subject.replace(/^The /, ''))} in ${profile.file}`,
    sentence,
    body: [
      ...(rows.length > 0
        ? [
            toTable(
              profile.columns.map(({ name }) => name),
              rows.slice(0, 5),
            ),
          ]
        : []),
      source(profile),
    ].join('\n\n'),
  };
}

/** The cells of a line of `search_files` where the column really has the value. */
function rowWith(line: string, profile: Profile, column: Column, value: number): string[][] {
  const text = /^.+?:\d+: (.*)$/.exec(line)?.[1];
  if (text === undefined) return [];
  const delimiter = profile.delimiter ?? ',';
  const cells = [
    ...`${text}${delimiter}`.matchAll(
      delimiter === '\t'
        ? /("(?:[^"]|"")*"|[^\t]*)\t/g
        : new RegExp(`("(?:[^"]|"")*"|[^${delimiter}]*)[${delimiter}]`, 'g'),
    ),
  ].map(([, cell = '']) => cell.replace(/^"|"$/g, '').replaceAll('""', '"').trim());
  const cell = cells[profile.columns.indexOf(column)] ?? '';
  return cell !== '' && Number(cell) === value ? [cells] : [];
}

function ranked(groups: readonly Group[], direction: 'highest' | 'lowest'): Group[] {
  return groups.toSorted((a, b) => (direction === 'highest' ? b.result - a.result : a.result - b.result));
}

/** "total precipitation", "mean temp_max", "number of rows". */
function figure({ aggregate, value }: TableQuestion): string {
  return aggregate === 'count' || value === undefined
    ? AGGREGATE_WORDS.count
    : `${AGGREGATE_WORDS[aggregate]} ${value}`;
}

/** "03" is March, "2014-03" is March 2014. */
function groupName(name: string, question?: TableQuestion): string {
  const [, year, month] = /^(\d{4})-(\d{2})$/.exec(name) ?? [];
  if (year !== undefined) return `${monthName(Number(month))} ${year}`;
  const isMonth = question?.group?.unit === 'month' || (question?.month !== undefined && !question.group);
  return isMonth && /^\d{1,2}$/.test(name) ? monthName(Number(name)) : name;
}

function span({ group, years }: TableQuestion, profile: Profile): string {
  const date = dateColumn(profile);
  if (group?.unit !== 'month' || years || !date?.first || !date.last || yearsOf(profile) < 2) return '';
  return ` over all years (${date.first.slice(0, 4)} to ${date.last.slice(0, 4)})`;
}

function yearsOf(profile: Profile): number {
  const date = dateColumn(profile);
  return Number(date?.last?.slice(0, 4)) - Number(date?.first?.slice(0, 4)) + 1 || 0;
}

function source(profile: Profile): string {
  const date = dateColumn(profile);
  const range = date ? `, ${(date.first ?? '').slice(0, 10)} to ${(date.last ?? '').slice(0, 10)}` : '';
  return `Source: \`${profile.file}\`, ${profile.rows} rows, ${profile.columns.length} columns${range}.`;
}

function describe(question: TableQuestion): string {
  const { group, years, month, where } = question;
  return [
    figure(question),
    group && `by ${group.noun}`,
    years?.join(' and '),
    month && monthName(month),
    where && `${where.column} ${where.value}`,
  ]
    .filter(Boolean)
    .join(', ');
}

/** Words that need the column beside them to say anything. */
function isPlain(word: string): boolean {
  return /^(?:most|least|fewest|top|bottom|max|min|maximum|minimum|highest|lowest|peak|record|best|worst|largest|biggest|smallest|greatest)$/.test(
    word,
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
