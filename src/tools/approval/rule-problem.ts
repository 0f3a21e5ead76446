/** What is wrong with a rule that somebody wrote in a file, where a mistake would otherwise only never match. */
import { posix } from 'node:path';
import { parseRule } from '../../contracts/rules.ts';
import type { ToolSubject } from '../../contracts/tool.ts';
import { findTool } from '../registry.ts';
import { patternWords } from './simple-command.ts';
import { parsePattern } from './url-pattern.ts';

/** @returns undefined if the pattern can match calls of the rule's tool */
export function findPatternProblem(rule: string): string | undefined {
  const { tool = '', pattern } = parseRule(rule) ?? {};
  if (pattern === undefined) return undefined;
  const subject = findTool(tool)?.subject;
  if (!subject) return `"${tool}" has no argument that a pattern is compared with; write the tool alone`;
  const problem = problemOf(subject.kind, pattern);
  return problem && `the pattern "${pattern}" matches nothing: ${problem}`;
}

function problemOf(kind: ToolSubject['kind'], pattern: string): string | undefined {
  switch (kind) {
    case 'command':
      return patternWords(pattern)
        ? undefined
        : 'it must be one command of plain or quoted words, such as "git status*"';
    case 'url':
      return parsePattern(pattern)
        ? undefined
        : 'it must have a scheme and a host, such as "https://docs.example.org/*"';
    case 'path':
    case 'tree':
      return posix.isAbsolute(pattern) || posix.normalize(pattern).split('/')[0] === '..'
        ? 'paths are relative to the workspace, such as "reports/**"'
        : undefined;
  }
}
