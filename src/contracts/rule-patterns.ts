/** Patterns in rules, one form for each kind of argument. `tools/approval/` compares them with calls. */
import type { SubjectKind } from './rules.ts';

/** A character, `*` for any within a segment, or `**` for any at all. */
export type Token = { readonly char: string } | { readonly any: 'segment' | 'all' };

/** `*` and `**` as wildcards, everything else as it is. */
export function tokensOf(pattern: string): Token[] {
  return [...pattern.matchAll(/\*\*+|[\s\S]/gu)].map(([part]): Token => {
    if (!part.startsWith('*')) return { char: part };
    return { any: part === '*' ? 'segment' : 'all' };
  });
}

// Letters and digits of every script, and the marks that mean nothing to a shell.
export const PLAIN = String.raw`[\p{L}\p{N}_@%+:,./=-]`;
export const SINGLE_QUOTED = String.raw`'[^'\p{C}\u2028\u2029]*'`;
export const DOUBLE_QUOTED = '"[^"$`\\\\!\\p{C}\\u2028\\u2029]*"';
const WORD = new RegExp(
  `^(?:((?:${PLAIN}|\\*)+)|((?:${PLAIN}|\\*)*=)?(?:(${SINGLE_QUOTED})|(${DOUBLE_QUOTED})))$`,
  'u',
);
/** Splits at blanks outside of quotes. */
const PIECES = /(?:'[^']*'|"[^"]*"|[^ \t'"])+|['"]/gu;

/** What stands between the blanks of a command, quotes kept. */
export function piecesOf(command: string): string[] {
  return command.match(PIECES) ?? [];
}

/** The words of a pattern: `*` outside of quotes is a wildcard. Undefined if it is no pattern of a simple command. */
export function patternWords(pattern: string): readonly (readonly Token[])[] | undefined {
  const words = piecesOf(pattern).map((piece): Token[] | undefined => {
    const [, plain, before = '', single, double] = WORD.exec(piece) ?? [];
    const quoted = single ?? double;
    if (quoted === undefined) return plain === undefined ? undefined : wild(plain);
    return [...wild(before), ...Array.from(quoted.slice(1, -1), (char) => ({ char }))];
  });
  if (words.length === 0 || words.includes(undefined)) return undefined;
  return words.filter((word) => word !== undefined);
}

function wild(text: string): Token[] {
  return Array.from(text, (char): Token => (char === '*' ? { any: 'all' } : { char }));
}

export interface UrlPattern {
  readonly scheme: string;
  readonly host: string;
  readonly isWild: boolean;
  readonly port: string;
  readonly path: readonly Token[];
}

/** `*` in the path matches everything, `/` and the query included; `*.` before a host every name below it. */
export function parseUrlPattern(pattern: string): UrlPattern | undefined {
  const [, scheme = '', wildcard, authority = '', path = '/'] =
    /^(https?):\/\/(\*\.)?([^/?#@\\\s*]+)(\/[^#]*)?$/i.exec(pattern) ?? [];
  if (!URL.canParse(`${scheme}://${authority}`)) return undefined;
  const { protocol, hostname, port } = new URL(`${scheme}://${authority}`);
  const host = hostname.replace(/\.$/, '');
  return { scheme: protocol, host, isWild: wildcard !== undefined, port, path: tokensOf(path) };
}

/**
 * Why a pattern can match no call of a tool, or undefined if it can.
 * @param kind absent if rules about the tool can have no pattern
 */
export function findPatternProblem(tool: string, kind: SubjectKind | undefined, pattern: string): string | undefined {
  if (kind === undefined) return `"${tool}" has no argument that a pattern is compared with; write the tool alone`;
  const problem = problemOf(kind, pattern);
  return problem && `the pattern "${pattern}" matches nothing: ${problem}`;
}

function problemOf(kind: SubjectKind, pattern: string): string | undefined {
  switch (kind) {
    case 'command':
      return patternWords(pattern)
        ? undefined
        : 'it must be one command of plain or quoted words, such as "git status*"';
    case 'url':
      return parseUrlPattern(pattern)
        ? undefined
        : 'it must have a scheme and a host, such as "https://docs.example.org/*"';
    case 'path':
    case 'tree':
      return isOutside(pattern) ? 'paths are relative to the workspace, such as "reports/**"' : undefined;
  }
}

/** Whether a path is absolute, or leaves its folder by `..`. */
function isOutside(path: string): boolean {
  if (path.startsWith('/')) return true;
  let depth = 0;
  return path.split('/').some((part) => {
    if (part === '..') depth -= 1;
    else if (part !== '' && part !== '.') depth += 1;
    return depth < 0;
  });
}
