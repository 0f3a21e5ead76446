/** What a text asks for, as actions that the offline model has a skill for. */
import { arithmetic } from './arithmetic.ts';
import { isPlot } from './skills/plots.ts';
import { superlativesIn } from './skills/tables/superlatives.ts';
import { editIn } from './skills/editing.ts';
import { noteIn } from './skills/engine/remember.ts';
import { groupsOf, type Group } from './phrases/order.ts';
import { questionFirst, questionIn } from './phrases/questions.ts';
import { splitPhrases, type PhraseKind } from './phrases/split.ts';
import {
  addresses,
  clauses,
  codeBlocks,
  fileNames,
  quotations,
  ruleText,
  stem,
  TABLE_FILE,
  withoutLead,
  words,
} from './language.ts';

/** `say`: no skill of work; small talk, questions and whatever is beyond the rules. */
export type ActionKind =
  | 'list'
  | 'read'
  | 'search'
  | 'write'
  | 'edit'
  | 'table'
  | 'plot'
  | 'calculate'
  | 'code'
  | 'fetch'
  | 'ask'
  | 'remember'
  | PhraseKind
  | 'say';

export interface Action {
  readonly kind: ActionKind;
  /** The clause, without "and then", "please" and the like. */
  readonly text: string;
  /** Names of files in it, in order. */
  readonly files: readonly string[];
  /** It may run at the same time as the one before it. */
  readonly alongside?: boolean;
}

const WRITE_VERBS = set(
  'write save store put create make generate draft produce compose export record append document prepare copy',
);
const READ_VERBS = set(
  'read open show display print cat view summarize summarise describe review check inspect explain look quote skim tell give count get load',
);
const LIST_VERBS = set('list ls show see display enumerate print tell give count check look');
const SEARCH_VERBS = set('search grep find locate look scan');
const TABLE_VERBS = set('profile analyze analyse explore aggregate group rank compare plot chart tabulate');
const CALCULATE_VERBS = set('calculate compute evaluate add subtract multiply divide solve work sum convert');
const RUN_VERBS = set('run execute');
const FETCH_VERBS = set('fetch read open get load');
/** Things people ask for that no rule here does; known so that they stand as actions of their own. */
const OTHER_VERBS = set(
  'translate rewrite rename move delete remove send email mail upload download install deploy build fix refactor implement test commit push ' +
    'research plan design discuss brainstorm propose suggest recommend outline answer ask greet say repeat remember think explain define ' +
    'report identify determine extract detect convert sort filter clean merge join split draw visualize visualise update change edit improve ' +
    'replace note mark highlight name verify validate choose select pick collect gather present decide estimate predict help organize organise finish',
);
const QUESTION_WORDS = set(
  'what which who whom whose when where why how is are was were do does did has have can could should will would',
);
const VERBS = new Set([
  ...WRITE_VERBS,
  ...READ_VERBS,
  ...LIST_VERBS,
  ...SEARCH_VERBS,
  ...TABLE_VERBS,
  ...CALCULATE_VERBS,
  ...RUN_VERBS,
  ...FETCH_VERBS,
  ...OTHER_VERBS,
]);

/** Nouns that a file is written as. */
const DOCUMENT = /\b(?:reports?|files?|notes?|summar(?:y|ies)|documents?|markdown|overview|memo|readme|write-up)\b/i;

/** What speaks of figures in a table, superlatives aside. */
const FIGURES =
  /\b(?:average|mean|median|total|sum|overall|top \d+|bottom \d+|per \w+|monthly|yearly|annual|by (?:month|year|weekday)|how many \w+|number of (?:rows|records|columns)|columns|statistics|stats|distribution)\b/i;

export function isVerb(word: string): boolean {
  return VERBS.has(word) || QUESTION_WORDS.has(word) || (word.endsWith('ing') && VERBS.has(base(word)));
}

/** Whether a clause asks for something, rather than remarking on how to do the rest. */
export function isRequest(clause: string): boolean {
  const [first = ''] = words(clause);
  return isVerb(first) || ASKS.test(clause) || /\?\s*$/.test(clause);
}

/** The actions that a text asks for, in order; remarks such as "keep it short" are no actions. Never empty. */
export function actionsOf(text: string): Action[] {
  const rules = ruleText(text).trim();
  const first = isOneUtterance(rules) ? undefined : questionFirst(rules);
  if (first) return [{ kind: 'ask', text: `Ask me ${first.question}`, files: [] }, ...actionsOf(first.rest)];
  const groups = isOneUtterance(rules) ? [] : groupsOf(rules, beginsWithVerb);
  const [only] = groups;
  // A text beyond the rules is said again whole.
  if (!only || (groups.length === 1 && only.text === rules)) return actionsIn(text, rules);
  return groups.flatMap((group) => timed(actionsIn(group.text, group.text), group));
}

function beginsWithVerb(text: string): boolean {
  return isVerb(words(withoutLead(text.slice(0, MAX_BEGIN)))[0] ?? '');
}

/** As much of a text as shows what it begins with. */
const MAX_BEGIN = 200;

function timed(actions: readonly Action[], { isAlongside, isTogether }: Group): Action[] {
  return actions.map((action, index) =>
    (index === 0 && isAlongside) || (index > 0 && isTogether) ? { ...action, alongside: true } : action,
  );
}

function actionsIn(text: string, rules: string): Action[] {
  const parts = isOneUtterance(rules) ? [] : splitPhrases(rules);
  if (!parts.some(({ kind }) => kind)) return actionsByClause(text, rules);
  return parts.flatMap(({ kind, text: part }) =>
    kind ? [{ kind, text: part, files: [] }] : actionsByClause(part, part.trim()),
  );
}

function actionsByClause(text: string, rules: string): Action[] {
  if (isOneUtterance(rules)) return [{ kind: 'say', text: text.trim(), files: [] }];
  const parts = inOrder(clauses(rules, isVerb).map(withoutLead)).map(imperative);
  const requests = parts.filter((part) => isRequest(part) || kindOf(part) !== 'say');
  const found = requests.flatMap(toActions).reduce<Action[]>(withFollowUp, []);
  const isTalk = found.length <= 1 && found.every(({ kind }) => kind === 'say');
  if (isTalk) return [{ kind: 'say', text: text.trim(), files: fileNames(rules) }];
  const whole = withoutLead(rules);
  // What is to be remembered may have sentences of its own.
  return found.length === 1 && found[0]?.kind === 'remember' && noteIn(whole) !== undefined
    ? [{ kind: 'remember', text: whole, files: [] }]
    : found;
}

/** "Before writing the report, read a.txt" is done the other way round. */
function inOrder(parts: readonly string[]): string[] {
  const result = [...parts];
  for (let index = 0; index < result.length - 1; index++) {
    const later = /^before\s+(\p{L}+ing\b[^]*)$/iu.exec(result[index] ?? '')?.[1];
    if (later === undefined) continue;
    result.splice(index, 2, result[index + 1] ?? '', later.replace(/,\s*$/, ''));
    index++;
  }
  return result;
}

/** "Reading a.txt" as "Read a.txt". */
function imperative(part: string): string {
  return part.replace(/^\p{L}+ing\b/iu, (word) => {
    const verb = base(word.toLowerCase());
    return VERBS.has(verb) ? verb : word;
  });
}

/** What `actionsOf` passed over: remarks that hold for all of the actions. */
export function remarksOf(text: string): string[] {
  const around = splitPhrases(text).filter(({ kind }) => kind === undefined);
  const parts = around.flatMap((part) => clauses(part.text, isVerb)).map(withoutLead);
  const remarks = parts.filter((part) => !isRequest(part) && kindOf(part) === 'say');
  return remarks.length === parts.length ? [] : remarks;
}

/** Phrases whose content is no instruction, and small talk that a comma would cut. */
function isOneUtterance(text: string): boolean {
  return (
    /^\W*(?:please\s+)?(?:repeat after me|say after me|echo)\b/i.test(text) ||
    /^\W*(?:please\s+)?count (?:up )?(?:slowly )?(?:from \d+ )?to \d+/i.test(text)
  );
}

/** One clause is one action, but "summarise a.txt into b.md" is two. */
function toActions(clause: string): Action[] {
  const files = fileNames(clause);
  const kind = kindOf(clause);
  const target = files.at(-1);
  const lead = kind === 'write' || kind === 'plot' || target === undefined ? null : OUTPUT.exec(clause);
  const source = lead && clause.slice(0, lead.index).trim();
  if (!source || target === undefined || !lead[0].includes(target)) return [{ kind, text: clause, files }];
  const output: Action = { kind: 'write', text: `${RESULT} to ${target}`, files: [target] };
  if (kindOf(source) !== 'say') return [{ kind: kindOf(source), text: source, files: fileNames(source) }, output];
  // "Summarise it into b.md" speaks of what came before.
  return PRONOUN.test(source) && isVerb(base(words(source)[0] ?? '')) ? [output] : [{ kind, text: clause, files }];
}

const RESULT = 'Write the result';
const PRONOUN = /\b(?:it|its|they|them|their|this|that|these|those|there)\b/i;

/** "… and tell me what it says about ports" belongs to the reading before it. */
function withFollowUp(before: Action[], action: Action): Action[] {
  const last = before.at(-1);
  if (last?.kind === 'read' && last.files.length > 0 && action.text.startsWith(RESULT)) {
    return [
      ...before,
      {
        ...action,
        text: `Write a summary of ${last.files.join(', ')} to ${action.files.join(', ')}`,
        files: [...last.files, ...action.files],
      },
    ];
  }
  const asks = READ_VERBS.has(base(words(action.text)[0] ?? '')) || QUESTION_WORDS.has(words(action.text)[0] ?? '');
  if ((last?.kind !== 'read' && last?.kind !== 'fetch') || action.kind !== 'say' || !asks || !PRONOUN.test(action.text))
    return [...before, action];
  return [...before.slice(0, -1), { ...last, text: `${last.text} and ${action.text}` }];
}

/** "… into summary.md", "… and save it as x.txt" at the end of a clause. */
const OUTPUT =
  /\s+(?:in ?to|to)\s+(?:(?:a|the)\s+)?(?:new\s+)?(?:file\s+)?(?:called\s+|named\s+)?[`"'“]?\S+[`"'”]?[.!]?\s*$/i;

/** "On which day …", "in what city …". */
const ASKS = /^(?:on|in|at|for|by|from|to|with)\s+(?:which|what|whose)\b/i;

/** The skill that a clause needs. */
export function kindOf(clause: string): ActionKind {
  const all = words(clause.replace(/```[^]*?```/g, ' '));
  const first = base(all[0] ?? '');
  const files = fileNames(clause);
  const table = files.some((file) => TABLE_FILE.test(file));
  const has = (verbs: ReadonlySet<string>): boolean => verbs.has(first);
  const asks = QUESTION_WORDS.has(first) || ASKS.test(clause);

  if (questionIn(clause) !== undefined) return 'ask';
  if (noteIn(clause) !== undefined) return 'remember';
  if (editIn(clause)) return 'edit';
  if (has(FETCH_VERBS) && addresses(clause).length > 0) return 'fetch';
  if (isPlot(clause)) return 'plot';
  if (isCode(clause, has(RUN_VERBS) || has(CALCULATE_VERBS), files)) return 'code';
  if (has(WRITE_VERBS) && (files.length > 0 || DOCUMENT.test(clause) || first === 'save')) {
    return /^make a list of\b/i.test(clause) && files.length === 0 ? 'list' : 'write';
  }
  if (first === 'report' && files.length > 0) return 'write';
  if (isSearch(clause, has(SEARCH_VERBS))) return 'search';
  if (has(TABLE_VERBS) && (table || files.length === 0)) return 'table';
  if (arithmetic(clause) !== undefined && files.length === 0) return 'calculate';
  if (isListing(clause, has(LIST_VERBS) || asks || SEARCH_VERBS.has(first))) return 'list';
  const figures = FIGURES.test(clause) || superlativesIn(clause).length > 0;
  if (figures && (files.length === 0 ? isAboutTables(clause, asks) : table)) return 'table';
  if (table && !/^(?:read|open|show|display|print|cat|view|quote|load)$/.test(first)) return 'table';
  const isName = files.length === 1 && files[0] === clause.replace(/^[`"'“]|[`"'”.!?]+$/g, '');
  if (files.length > 0 && (has(READ_VERBS) || asks || has(SEARCH_VERBS) || isName)) return 'read';
  if (/^(?:summari[sz]e|read|open|print|cat)\s+(?:it|this|that|them)\b/i.test(clause)) return 'read';
  if (
    has(READ_VERBS) &&
    /\b(?:the|this|that|it|its|attached) ?(?:file|attachment|document|notes|contents?|lines|headings)\b/i.test(clause)
  )
    return 'read';
  return 'say';
}

function isCode(clause: string, runs: boolean, files: readonly string[]): boolean {
  if (codeBlocks(clause).length > 0) return !/^(?:write|save|put|create|store)\b/i.test(clause) || files.length === 0;
  if (!runs || /^(?:calculate|compute)/i.test(clause)) return false;
  return /`[^`]+`/.test(clause) || files.some((file) => /\.(?:py|m?js|cjs)$/i.test(file));
}

function isSearch(clause: string, searches: boolean): boolean {
  const quoted = quotations(clause).length > 0;
  if (
    /\b(?:which|what|any|all)\s+(?:files?|lines?|documents?)\b.*\b(?:contain|mention|include|have the (?:word|text)|say)/i.test(
      clause,
    )
  )
    return true;
  if (/^(?:search|grep|scan)\b/i.test(clause)) return true;
  if (!searches && !/^where\b/i.test(clause)) return false;
  return (
    quoted ||
    /\b(?:lines?|occurrences?|mentions?|places?|files?)\b.*\b(?:contain|mention|with the|of the word|include)/i.test(
      clause,
    ) ||
    /^look for\b/i.test(clause)
  );
}

function isListing(clause: string, asks: boolean): boolean {
  if (!asks) return false;
  if (/^ls\b/i.test(clause)) return true;
  return (
    /\b(?:files|folders?|director(?:y|ies)|workspace|attachments)\b/i.test(clause) &&
    !/\bin (?:the )?files? \S+\.\w/i.test(clause)
  );
}

const FIGURE_WORD =
  '(?:monthly|yearly|annual|daily|average|mean|median|total|sum|maximum|minimum|max|min|highest|lowest|number|count)';
/** "Monthly average wind", "total sales by region". */
const FIGURE_PHRASE = new RegExp(`^(?:the )?${FIGURE_WORD}\\b.{0,200}\\b(?:${FIGURE_WORD}|by|per|of|for|in)\\b`, 'i');

/** "What is the best way to learn?" has a superlative and is no question about a table. */
function isAboutTables(clause: string, asks: boolean): boolean {
  if (/\b(?:you|your|me|my|i|life|way|advice|think)\b/i.test(clause)) return false;
  const [first = ''] = words(clause);
  return (
    asks ||
    isVerb(first) ||
    FIGURE_PHRASE.test(clause) ||
    superlativesIn(clause).some(({ columns, isKnown }) => isKnown && columns.length > 0)
  );
}

/** "Reading" and "reads" as "read". */
function base(word: string): string {
  if (VERBS.has(word)) return word;
  if (!word.endsWith('ing')) return word;
  const root = word.slice(0, -3);
  return [root, `${root}e`, root.slice(0, -1)].find((candidate) => VERBS.has(candidate)) ?? stem(word);
}

function set(text: string): ReadonlySet<string> {
  return new Set(text.split(' '));
}
