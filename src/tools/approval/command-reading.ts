/**
 * Finds every command that a command line may run, for rules that deny or ask. It reads with a parser of bash and looks
 * into substitutions, functions, here-documents, and the arguments of programs that run others. What it cannot know is
 * unknown, and a rule then matches `maybe`. It is no fence: a script or a program can do anything.
 */
import { forEachChild, parse, type SyntaxNode, type Word, type WordPart } from 'unbash';
import { patternWords, type Token } from '../../contracts/rule-patterns.ts';
import { folded, type Match, matchesTokens } from './match.ts';
import { isWildcard } from './simple-command.ts';

/** Programs that run the command in their arguments. */
const WRAPPERS: ReadonlySet<string> = new Set([
  ...['env', 'command', 'builtin', 'exec', 'nohup', 'nice', 'ionice', 'setsid', 'stdbuf', 'timeout', 'time', 'xargs'],
  ...['sudo', 'doas', 'su', 'chroot', 'unshare', 'nsenter', 'flock', 'watch', 'parallel', 'find', 'fd', 'busybox'],
  ...['toybox', 'strace', 'ltrace', 'setpriv', 'runuser', 'script', 'entr'],
]);
const SHELLS: ReadonlySet<string> = new Set(['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'mksh', 'fish', 'rbash']);
/** Builtins that make commands of their arguments, or of a file. */
const EVALUATORS: ReadonlySet<string> = new Set([
  'eval',
  'trap',
  'source',
  '.',
  'alias',
  'bind',
  'complete',
  'mapfile',
]);
/** Scripts within scripts within scripts. */
const MAX_DEPTH = 8;
/** Places at which the command of a wrapper may begin, and words of it that are looked at. */
const MAX_STARTS = 100;
const MAX_WORDS = 50;
/** The parser's time grows with the square of nested text. Longer command lines are for people to read. */
const MAX_LENGTH = 10_000;
/** Longer words count as unknown. */
const MAX_WORD_LENGTH = 1_000;

/** Words of one command; null is a word, or several, that only the shell will know. */
type Words = readonly (string | null)[];

export interface Reading {
  readonly commands: readonly Words[];
  /** Whether there may be other commands than these. */
  readonly isUnsure: boolean;
}

/** Reads a command line once, for any number of rules. */
export function readCommand(commandLine: string): Reading {
  return commandLine.length > MAX_LENGTH ? { commands: [], isUnsure: true } : readScript(commandLine, 0);
}

/** Whether a rule's pattern matches any command that this command line may run. */
export function matchesAnyCommand(pattern: string, { commands, isUnsure }: Reading): Match {
  const wanted = patternWords(folded(pattern));
  if (!wanted) return 'maybe';
  const found = commands.map((words) => matchesCarefully(wanted, words));
  if (found.includes('yes')) return 'yes';
  return isUnsure || found.includes('maybe') ? 'maybe' : 'no';
}

function readScript(text: string, depth: number): Reading {
  if (depth > MAX_DEPTH) return { commands: [], isUnsure: true };
  const script = parse(text);
  const commands: Words[] = [];
  let isUnsure = (script.errors?.length ?? 0) > 0;
  const nodes: SyntaxNode[] = [script];
  for (const node of nodes) {
    forEachChild(node, (child) => {
      nodes.push(child);
    });
    if ('errors' in node && (node.errors?.length ?? 0) > 0) isUnsure = true;
    if (node.type !== 'Command' || node.name === undefined) continue;
    const args = node.args.map((arg) => (arg.type === 'Word' ? valueOf(arg) : arg.text));
    const inner = withInner([valueOf(node.name), ...args], depth);
    commands.push(...inner.commands);
    isUnsure ||= inner.isUnsure;
  }
  return { commands, isUnsure };
}

/** The command itself, and those that it runs in its turn. */
function withInner(words: Words, depth: number): Reading {
  const [first, ...args] = words;
  const readings = [withScripts(words, depth)];
  if (first !== undefined && first !== null && WRAPPERS.has(baseName(first))) {
    const inner = args.slice(0, MAX_STARTS).map((_, index) => args.slice(index, index + MAX_WORDS));
    // What `xargs` reads and `find` finds are further words.
    readings.push(...inner.map((command) => withScripts([...command, null], depth)));
    // `env -S 'rm x'` and `su -c 'rm x'` have it in one word.
    const scripts = args.filter((arg) => arg !== null && /\s/.test(arg)).slice(0, MAX_STARTS);
    readings.push(...scripts.map((script) => readScript(String(script).replace(/^-(?:\w|-[\w-]+=)/, ''), depth + 1)));
    if (args.length > MAX_STARTS) readings.push({ commands: [], isUnsure: true });
  }
  return {
    commands: readings.flatMap(({ commands }) => commands),
    isUnsure: readings.some(({ isUnsure }) => isUnsure),
  };
}

/** The command itself, and those of the script that it is given if it is a shell. */
function withScripts(words: Words, depth: number): Reading {
  const [first, ...args] = words;
  if (first === undefined || first === null) return { commands: [words], isUnsure: true };
  const name = baseName(first);
  if (!SHELLS.has(name) && !EVALUATORS.has(name)) return { commands: [words], isUnsure: false };
  const known = args.filter((arg) => arg !== null);
  const scripts = name === 'eval' ? [known.join(' ')] : known;
  const inner = scripts.map((script) => readScript(script, depth + 1));
  const isWhole = known.length === args.length && (name === 'eval' || (SHELLS.has(name) && known.includes('-c')));
  return {
    commands: [words, ...inner.flatMap(({ commands }) => commands)],
    isUnsure: !isWhole || inner.some(({ isUnsure }) => isUnsure),
  };
}

/** The word as the shell will use it, or null if only the shell knows that. */
function valueOf({ value, parts = [] }: Word): string | null {
  const isTilde = /(?:^|[:=])~/.test(value);
  return isTilde || value.length > MAX_WORD_LENGTH || !parts.every(isLiteral) ? null : value;
}

function isLiteral(part: WordPart): boolean {
  if (part.type === 'DoubleQuoted') return part.parts.every(({ type }) => type === 'Literal');
  return part.type === 'Literal' || part.type === 'SingleQuoted' || part.type === 'AnsiCQuoted';
}

function baseName(path: string): string {
  return folded(path.slice(path.lastIndexOf('/') + 1));
}

/** `maybe` if the words come in this order with others between, such as the options in `git -C . push`. */
function matchesCarefully(pattern: readonly (readonly Token[])[], words: Words): Match {
  const [program = [], ...wanted] = pattern;
  const [name, ...args] = words;
  if (name === undefined) return 'no';
  if (name === null) return 'maybe';
  if (![folded(name), baseName(name)].some((form) => matchesTokens(program, form))) return 'no';
  const isOpen = isWildcard(pattern.at(-1)?.at(-1));
  const exact = wanted.every((token, index) => {
    const word = args[index];
    return word === undefined || word === null ? isOnlyWildcard(token) : matchesTokens(token, folded(word));
  });
  if (exact && (isOpen || args.length <= wanted.length)) return 'yes';
  let at = 0;
  for (const word of args) {
    if (word === null) return 'maybe';
    const token = wanted[at];
    if (token !== undefined && matchesTokens(token, folded(word))) at += 1;
  }
  return at === wanted.length || wanted.slice(at).every(isOnlyWildcard) ? 'maybe' : 'no';
}

function isOnlyWildcard(token: readonly Token[]): boolean {
  return token.length === 1 && isWildcard(token[0]);
}
