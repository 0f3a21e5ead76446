/** What a call is about: its command line, URL or paths, read once and compared with any number of patterns. */
import { patternWords } from '../../contracts/rule-patterns.ts';
import type { ToolSubject } from '../definition/tool.ts';
import type { Scope } from '../workspace/paths.ts';
import { matchesAnyCommand, readCommand } from './command-reading.ts';
import type { Match } from './match.ts';
import { formsOfPath, matchesPath, matchesPathCarefully } from './path-pattern.ts';
import { exactPattern, matchesWords, simpleWords } from './simple-command.ts';
import { exactUrl, matchesUrl, matchesUrlCarefully } from './url-pattern.ts';

export interface Subject {
  /**
   * Whether the pattern matches.
   * @param isStrict for rules that allow: only what surely matches does. Otherwise, for rules that deny or ask, only what
   * surely does not match is left out
   */
  matches(pattern: string, isStrict: boolean): Match;
  /** A pattern for this and nothing else, if there is one. */
  readonly exact: string | undefined;
}

/**
 * @param paths further ones, for a subject of paths
 * @returns undefined if the arguments do not have it
 */
export async function readSubject(
  { kind, fields }: ToolSubject,
  input: object,
  scope: Scope,
  paths: readonly string[] = [],
): Promise<Subject | undefined> {
  const values = fields.map((field): unknown => (input as Readonly<Record<string, unknown>>)[field]);
  const texts = [...values.filter((value) => typeof value === 'string'), ...paths];
  const [first] = texts;
  if (first === undefined) return undefined;
  switch (kind) {
    case 'command':
      return commandSubject(first);
    case 'url':
      return urlSubject(first);
    case 'path':
    case 'tree':
      return await pathSubject(texts, scope, kind === 'tree');
  }
}

function commandSubject(command: string): Subject {
  const words = simpleWords(command);
  let reading: ReturnType<typeof readCommand> | undefined;
  return {
    matches(pattern, isStrict) {
      if (!isStrict) return matchesAnyCommand(pattern, (reading ??= readCommand(command)));
      const wanted = patternWords(pattern);
      return wanted && words && matchesWords(wanted, words) ? 'yes' : 'no';
    },
    exact: exactPattern(command),
  };
}

function urlSubject(url: string): Subject {
  return {
    matches(pattern, isStrict) {
      if (!isStrict) return matchesUrlCarefully(pattern, url);
      return matchesUrl(pattern, url) ? 'yes' : 'no';
    },
    exact: exactUrl(url),
  };
}

async function pathSubject(paths: readonly string[], scope: Scope, isTree: boolean): Promise<Subject> {
  const forms = await Promise.all(paths.map((path) => formsOfPath(scope, path)));
  const [{ resolved } = { resolved: undefined }] = forms;
  return {
    matches(pattern, isStrict) {
      if (isStrict) return forms.every((form) => matchesPath(pattern, form)) ? 'yes' : 'no';
      const found = forms.map((form) => matchesPathCarefully(pattern, form, isTree));
      return found.includes('yes') ? 'yes' : found.includes('maybe') ? 'maybe' : 'no';
    },
    exact: forms.length === 1 && resolved !== undefined && !resolved.includes('*') ? resolved : undefined,
  };
}
