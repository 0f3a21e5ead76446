/** Profiles tables and answers questions about them, all figures by the tool `csv_profile`. */
import type { Action } from '../../actions.ts';
import { fileNames, stem, TABLE_FILE, words } from '../../language.ts';
import { namedFiles, withFile, workspaceFiles } from '../files.ts';
import { toTable } from '../markdown.ts';
import { CannotDo, type Desk, type Finding, type Result, type Work } from '../skill.ts';
import { answerQuestion } from './answer.ts';
import { categories, dateColumn, measures, readProfile, shownNumber, type Column, type Profile } from './facts.ts';
import { fit, nameMatch, questionsOf } from './question.ts';

/** Tables that are looked at where none is named. */
const MAX_CANDIDATES = 4;

export function* answerFromTables(action: Action, desk: Desk): Work<Finding[]> {
  const clause = withoutFiles(action.text);
  const findings: Finding[] = [];
  for (const profile of yield* openTables(action, desk, clause)) {
    const count = countOf(clause, profile);
    if (count) {
      findings.push(count);
      continue;
    }
    const questions = questionsOf(clause, profile);
    if (questions.length === 0 || /^(?:profile|describe|summari[sz]e)\b/i.test(clause))
      findings.push(describeProfile(profile));
    const known = new Map<string, Result>();
    for (const question of questions) findings.push(yield* answerQuestion(question, profile, known));
  }
  return findings;
}

/** Profiles of the tables that an action is about. @throws CannotDo where there are none */
export function* openTables(action: Action, desk: Desk, clause: string): Work<Profile[]> {
  const own = action.files.filter(isTable);
  const named = own.length > 0 ? own : namedFiles(action, desk, isTable);
  const candidates = named.length > 0 ? named : yield* workspaceTables();
  const chosen = own.length > 0 || candidates.length === 1 ? candidates : byName(candidates, clause);
  const profiles = yield* profileAll(chosen);
  if (own.length > 0 || /^(?:profile|compare|describe)\b/i.test(clause)) return profiles;
  const inTask = fileNames(desk.prompt.task).some(isTable);
  const best = bestFit(profiles, clause);
  if (named.length === 0 && best && fit(clause, best) === 0 && !ABOUT_ANY.test(clause))
    throw new CannotDo(
      `No table here has anything of "${clause.trim()}": \`${best.file}\` has the columns ${best.columns.map(({ name }) => name).join(', ')}.`,
    );
  if (named.length === 0 || inTask || (best && fit(clause, best) > 0) || !desk.prompt.tools.has('list_files'))
    return best ? [best] : [];
  // The table of the turns before has nothing of what is asked: another one may.
  const others = (yield* workspaceTables()).filter((file) => !chosen.includes(file));
  const better = bestFit([...profiles, ...(yield* profileAll(others))], clause);
  return better ? [better] : [];
}

/** What can be said of any table. */
const ABOUT_ANY =
  /\b(?:rows|records|entries|columns|analy[sz]e|explore|statistics|stats|data|table|csv|file|highest|lowest|most|least|best|worst|total|sum|average|mean)\b/i;

function bestFit(profiles: readonly Profile[], clause: string): Profile | undefined {
  return profiles.toSorted((a, b) => fit(clause, b) - fit(clause, a))[0];
}

function* workspaceTables(): Work<string[]> {
  const tables = (yield* workspaceFiles()).filter(isTable);
  if (tables.length === 0)
    throw new CannotDo(
      'There is no CSV file in the workspace to find that out from. Attach one with --attach FILE, or name it.',
    );
  return tables;
}

function* profileAll(paths: readonly string[]): Work<Profile[]> {
  const profiles: Profile[] = [];
  for (const path of paths.slice(0, MAX_CANDIDATES)) {
    const { text } = yield* withFile('csv_profile', path, {}, `I profile ${path}.`);
    const profile = readProfile(text);
    if (!profile) throw new CannotDo(`csv_profile gave no profile of ${path}: ${text.slice(0, 200)}`);
    profiles.push(profile);
  }
  return profiles;
}

function isTable(file: string): boolean {
  return TABLE_FILE.test(file);
}

/** The candidates whose names say a word of the clause; all where none does. */
function byName(candidates: readonly string[], clause: string): readonly string[] {
  const said = new Set(words(clause).map(stem));
  const hits = candidates.filter((file) =>
    words(file.replace(/[_-]/g, ' ').replace(TABLE_FILE, '')).some((word) => said.has(stem(word))),
  );
  return hits.length > 0 ? hits : candidates;
}

/** File names speak of months and sums as questions do. */
export function withoutFiles(text: string): string {
  return fileNames(text).reduce((rest, file) => rest.replaceAll(file, ' '), text);
}

/** Rows, columns and different values are in the profile already. */
function countOf(clause: string, profile: Profile): Finding | undefined {
  const { file, rows, columns } = profile;
  const answer = (title: string, sentence: string): Finding => ({
    title: `${title} in ${file}`,
    sentence,
    body: describeProfile(profile).body,
  });
  if (
    !/\bhow many|\bnumber of|\bcount\b|\bwhat (?:are the )?columns|\bwhich columns|\blist (?:the |all )?columns/i.test(
      clause,
    )
  )
    return undefined;
  if (/\bcolumns?\b/i.test(clause))
    return answer(
      'Columns',
      `\`${file}\` has ${columns.length} columns: ${columns.map(({ name }) => name).join(', ')}.`,
    );
  if (/\b(?:rows|records|entries|lines)\b/i.test(clause) && !/\b(?:per|by|each)\b/i.test(clause))
    return answer('Rows', `\`${file}\` has ${rows} rows.`);
  if (!/\b(?:different|distinct|unique)\b/i.test(clause)) return undefined;
  const [best] = columns.toSorted((a, b) => nameMatch(b.name, clause) - nameMatch(a.name, clause));
  if (!best || nameMatch(best.name, clause) < 0.5) return undefined;
  return answer(
    `Different values of ${best.name}`,
    `Column ${best.name} of \`${file}\` has ${best.distinct ?? 'an unknown number of'} different values.`,
  );
}

export function describeProfile(profile: Profile): Finding {
  const { file, rows, columns } = profile;
  const date = dateColumn(profile);
  const range = date ? `, from ${day(date.first)} to ${day(date.last)}` : '';
  const numbers = measures(profile).map(
    ({ name, min, max, mean }) => `${name} ${shown(min)} to ${shown(max)} (mean ${shown(mean)})`,
  );
  const texts = categories(profile).filter(({ type }) => type !== 'number');
  const common = texts
    .map(({ name, most_common: [first] = [] }) => (first ? `most common ${name}: ${first.value} (${first.count})` : ''))
    .filter(Boolean);
  const detail = [...numbers.slice(0, 6), ...common.slice(0, 3)].join('; ');
  return {
    title: `Profile of ${file}`,
    sentence: `\`${file}\` has ${rows} rows and ${columns.length} columns (${columns.map(({ name }) => name).join(', ')})${range}.${detail === '' ? '' : ` Values: ${detail}.`}`,
    body: toTable(
      ['column', 'type', 'missing', 'different', 'min / first', 'max / last', 'mean', 'sum'],
      columns.slice(0, 30).map(columnRow),
    ),
  };
}

function columnRow({ name, type, missing, distinct, min, max, mean, sum, first, last }: Column): string[] {
  const low = first === undefined ? shown(min) : day(first);
  const high = last === undefined ? shown(max) : day(last);
  return [name, type, String(missing ?? 0), String(distinct ?? ''), low, high, shown(mean), shown(sum)];
}

function shown(value: number | null | undefined): string {
  return value == null ? '' : shownNumber(value);
}

/** A date without the time of day. */
export function day(date: string | undefined): string {
  return (date ?? '').replace(/[T ]00:00.*$/, '');
}
