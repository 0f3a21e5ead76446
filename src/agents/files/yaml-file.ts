/** Checks one YAML file against one schema. Gives a plain value, or every problem with its line. */
import {
  type CST,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Parser,
  visit,
} from 'yaml';
import type { Document } from 'yaml';
import { z } from 'zod';
import { issueText } from '../../contracts/issue-text.ts';
import { nearest } from '../../tools/nearest.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

export interface Problem {
  /** Relative to the folder of teams. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly text: string;
}

export interface YamlFile<T> {
  /** The parsed value; undefined if there are problems. */
  readonly value?: T;
  readonly problems: readonly Problem[];
  /** The text at a path as written, or undefined if there is none. It works even if the schema found problems. */
  textAt(path: Path): Written | undefined;
  /** The texts in the list at a path; empty if there is no list. */
  textsAt(path: Path): Written[];
  /** The place of the value at a path, or of its nearest parent. */
  placeOf(path: Path): Pick<Written, 'file' | 'line'>;
}

/** A text with its place in a file. */
export interface Written {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly text: string;
  /** Whether the lines of the text are the lines of the file after `line`, as with `|`. */
  readonly literal: boolean;
}

type Path = readonly PropertyKey[];

/** Deeper than any team file, and shallow enough for every recursive function. */
const MAX_DEPTH = 40;
const TOO_DEEP = `it is nested deeper than ${MAX_DEPTH} levels`;
/** How many unknown keys of one object are reported. */
const MAX_UNKNOWN_KEYS = 100;
/** Instead of the parser's words, which name parts of YAML's grammar. */
const SYNTAX_HINTS: ReadonlyMap<string, string> = new Map([
  ['BLOCK_AS_IMPLICIT_KEY', 'there are two ":" in one line; put the text that has one between quotes'],
]);
const MAX_SHOWN_KEY = 100;
const MAX_SHOWN_VALUE = 60;
/** Most characters of a file after aliases are expanded. */
const MAX_EXPANDED_TEXT = 1024 * 1024;

/** Never throws. `problems` has everything that is wrong with `text`, sorted by line. */
export function parseYaml<S extends z.ZodType>(file: string, text: string, schema: S): YamlFile<z.output<S>> {
  const lines = new LineCounter();
  try {
    const deep = tooDeepAt(text);
    if (deep !== undefined) return unusable([{ file, line: lineOf(text, deep), text: TOO_DEEP }]);
    // Repeated keys are found below in one pass, because the parser would compare each with all before it.
    const options = { prettyErrors: false, lineCounter: lines, logLevel: 'error', uniqueKeys: false } as const;
    const document = parseDocument(text, options);
    const source = new Source(file, document, lines);
    const syntax = source.syntaxProblems();
    if (syntax.length > 0) return unusable(syntax);
    if (document.contents === null) return unusable([{ file, line: 1, text: 'the file is empty' }]);

    const parsed = schema.safeParse(plain(document), { reportInput: true });
    const reading = {
      textAt: (path: Path) => source.textAt(path),
      textsAt: (path: Path) => source.textsAt(path),
      placeOf: (path: Path) => source.placeOf(path),
    };
    if (parsed.success) return { value: parsed.data, problems: [], ...reading };
    const problems = parsed.error.issues.flatMap((issue) => source.describe(issue, schema));
    return { problems: sortByLine(problems), ...reading };
  } catch (error) {
    // The parser's stack overflowed, there are too many aliases, or a value contains itself.
    const reason = error instanceof Error ? error.message : String(error);
    return unusable([{ file, line: 1, text: `it cannot be read: ${reason}` }]);
  }
}

/**
 * The offset at which a text is nested too deeply. It is found without recursion: the parser recurses for each level,
 * and V8 kills the process if a regular expression is compiled when the stack is nearly full.
 */
function tooDeepAt(text: string): number | undefined {
  let level: readonly CST.Token[] = [...new Parser().parse(text)];
  // The document itself is a level of tokens.
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH + 1) return level[0]?.offset;
    level = level.flatMap(tokensIn);
  }
  return undefined;
}

function tokensIn(token: CST.Token): CST.Token[] {
  if (token.type === 'document') return token.value ? [token.value] : [];
  if (!('items' in token)) return [];
  return token.items.flatMap(({ key, value }) => [key, value].filter((inner) => inner != null));
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** The result for a file that cannot be read. */
export function unusable(problems: readonly Problem[]): YamlFile<never> {
  return {
    problems: sortByLine(problems),
    textAt: () => undefined,
    textsAt: () => [],
    placeOf: () => ({ file: problems[0]?.file ?? '', line: 1 }),
  };
}

export function sortByLine(problems: readonly Problem[]): Problem[] {
  return [...problems].sort((left, right) => left.line - right.line);
}

/** `unknown <what> "<name>"` with the most similar of `known`, or with all of them if none is similar. */
export function unknownName(what: string, name: string, known: Iterable<string>): string {
  const names = [...known];
  const near = nearest(beginningOf(name, 100), names);
  const hint =
    near !== undefined
      ? `did you mean "${near}"?`
      : names.length > 0
        ? `there are ${names.join(', ')}`
        : 'there are none';
  return `unknown ${what} "${beginningOf(name, 100)}"; ${hint}`;
}

/** Converts through JSON, so that the value is a plain tree and aliases cannot make it huge. */
function plain(document: Document.Parsed): unknown {
  const json = JSON.stringify(document.toJS({ maxAliasCount: 100 }));
  if (json.length > MAX_EXPANDED_TEXT)
    throw new Error(`its aliases make it longer than ${MAX_EXPANDED_TEXT} characters`);
  return JSON.parse(json) as unknown;
}

/** A parsed file with the places of its parts. */
class Source {
  readonly #file: string;
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;

  constructor(file: string, document: Document.Parsed, lines: LineCounter) {
    this.#file = file;
    this.#document = document;
    this.#lines = lines;
  }

  syntaxProblems(): Problem[] {
    const problems = [...this.#document.errors, ...this.#document.warnings].map((error) => {
      const [start] = error.pos;
      return this.#problem(start, SYNTAX_HINTS.get(error.code) ?? error.message);
    });
    visit(this.#document, {
      Node: (_key, node, path) => {
        if (path.length <= MAX_DEPTH) return undefined;
        problems.push(this.#problem(node.range?.[0], TOO_DEEP));
        return visit.BREAK;
      },
      Map: (_key, { items }) => {
        const seen = new Set<string>();
        for (const pair of items) {
          const key = isScalar(pair.key) && typeof pair.key.value === 'string' ? pair.key.value : undefined;
          if (key === undefined) continue;
          if (seen.has(key)) {
            problems.push(this.#problem(keyOffset(pair), `the key "${beginningOf(key, MAX_SHOWN_KEY)}" appears twice`));
          }
          seen.add(key);
        }
      },
      Pair: (_key, pair) => {
        const key = isScalar(pair.key) ? pair.key.value : undefined;
        if (typeof key === 'string' && key !== '__proto__') return undefined;
        problems.push(this.#problem(keyOffset(pair), 'a key must be text, and not "__proto__"'));
        return visit.SKIP;
      },
    });
    return problems;
  }

  textAt(path: Path): Written | undefined {
    const { node, line, found } = this.#find(path);
    if (!found || !isScalar(node) || typeof node.value !== 'string') return undefined;
    return { file: this.#file, line, text: node.value, literal: node.type === 'BLOCK_LITERAL' };
  }

  textsAt(path: Path): Written[] {
    const { node, found } = this.#find(path);
    const length = found && isSeq(node) ? node.items.length : 0;
    return Array.from({ length }, (_, index) => this.textAt([...path, index])).filter((item) => item !== undefined);
  }

  placeOf(path: Path): Pick<Written, 'file' | 'line'> {
    return { file: this.#file, line: this.#find(path).line };
  }

  /** Describes an issue of the schema to the person who wrote the file. */
  describe(issue: z.core.$ZodIssue, schema: z.ZodType): Problem[] {
    const place = issue.path.join('.');
    if (issue.code === 'invalid_union') {
      // Reports the alternative that comes closest.
      const [nearestForm = []] = issue.errors.toSorted((left, right) => left.length - right.length);
      return nearestForm.flatMap((inner) => this.describe({ ...inner, path: [...issue.path, ...inner.path] }, schema));
    }
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(schema, issue.path);
      const what = place ? `key in ${place}` : 'key';
      return issue.keys.slice(0, MAX_UNKNOWN_KEYS).map((key) => {
        const beside = known.includes(key) ? this.#besideIt(schema, issue.path, key) : undefined;
        const text =
          beside === undefined ? unknownName(what, key, known) : `${place}: "${key}" does not go with ${beside}`;
        return this.#problemAt([...issue.path, key], text);
      });
    }
    const missing = issue.path.length > 0 && !this.#find(issue.path).found;
    const text = missing ? 'it is missing' : valueText(issue);
    return [this.#problemAt(issue.path, place ? `${place}: ${text}` : text)];
  }

  /** The keys of the object at `path` that no form of it has together with `key`, which another form has. */
  #besideIt(schema: z.ZodType, path: Path, key: string): string {
    const { node } = this.#find(path);
    const given = isMap(node) ? node.items.map((pair) => (isScalar(pair.key) ? String(pair.key.value) : '')) : [];
    const goWithIt = formsAt(schema, path).filter((form) => form.includes(key));
    const beside = given.filter((name) => goWithIt.every((form) => !form.includes(name)));
    return beside.map((name) => `"${beginningOf(name, MAX_SHOWN_KEY)}"`).join(', ') || 'the keys beside it';
  }

  /** The value at `path` and the line of its key, or the line of the nearest parent if it is missing. */
  #find(path: Path): { node: Node | null; line: number; found: boolean } {
    let node: Node | null = this.#document.contents;
    let line = this.#lineOf(node?.range?.[0]);
    for (const part of path) {
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && key.value === part);
        if (!pair) return { node, line, found: false };
        line = this.#lineOf(keyOffset(pair));
        node = this.#resolve(pair.value);
      } else if (isSeq(node) && typeof part === 'number' && part < node.items.length) {
        const item = node.items[part];
        line = this.#lineOf(isNode(item) ? item.range?.[0] : undefined);
        node = this.#resolve(item);
      } else {
        return { node, line, found: false };
      }
    }
    return { node, line, found: true };
  }

  #resolve(value: unknown): Node | null {
    if (isAlias(value)) return value.resolve(this.#document) ?? null;
    return isNode(value) ? value : null;
  }

  #problemAt(path: Path, text: string): Problem {
    return { file: this.#file, line: this.#find(path).line, text };
  }

  #problem(offset: number | undefined, text: string): Problem {
    return { file: this.#file, line: this.#lineOf(offset), text };
  }

  #lineOf(offset: number | undefined): number {
    return Math.max(1, this.#lines.linePos(offset ?? 0).line);
  }
}

function keyOffset(pair: Pair): number | undefined {
  return isNode(pair.key) ? pair.key.range?.[0] : undefined;
}

/** What is wrong with a value, and the value if it is short. */
function valueText(issue: z.core.$ZodIssue): string {
  const inner = issue.code === 'invalid_key' ? issue.issues[0] : undefined;
  if (inner !== undefined) return issueText(inner, inner.input ?? issue.input ?? '');
  const value = issue.input ?? null;
  const text = issueText(issue, value);
  const shown = typeof value === 'object' ? nameOf(value) : JSON.stringify(value);
  return text.startsWith('it must be ') && shown.length <= MAX_SHOWN_VALUE ? `${text}, not ${shown}` : text;
}

function nameOf(value: object | null): string {
  if (value === null) return 'empty';
  return Array.isArray(value) ? 'a list' : 'an object';
}

/** Names of the keys that the schema allows at a path, in any of its alternatives. */
function keysAt(schema: unknown, path: Path): string[] {
  return [...new Set(formsAt(schema, path).flat())];
}

/** The same, for each alternative by itself. */
function formsAt(schema: unknown, path: Path): string[][] {
  const at = unwrap(schema);
  if (at instanceof z.ZodUnion) return at.options.flatMap((form) => formsAt(form, path));
  const [part, ...rest] = path;
  if (at instanceof z.ZodObject) {
    const shape = at.shape as Record<PropertyKey, unknown>;
    return part === undefined ? [Object.keys(shape)] : formsAt(shape[part], rest);
  }
  if (!(at instanceof z.ZodRecord)) return [];
  if (part !== undefined) return formsAt(at.valueType, rest);
  return at.keyType instanceof z.ZodEnum ? [at.keyType.options.map(String)] : [];
}

function unwrap(schema: unknown): unknown {
  let inner = schema;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodOptional) inner = inner.unwrap();
  return inner;
}
