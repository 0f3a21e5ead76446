/** Patterns of paths in the workspace: `reports/**`. A path counts as what it leads to, links resolved. */
import { mkdir } from 'node:fs/promises';
import { posix } from 'node:path';
import { CopilotError } from '../../contracts/errors.ts';
import { tokensOf } from '../../contracts/rule-patterns.ts';
import { resolveInside, type Scope } from '../workspace/paths.ts';
import { folded, type Match, matchesTokens } from './match.ts';

/** A path of a call in each form that a pattern may be compared with. */
export interface PathForms {
  /** As it is written, without `.` and `..`. */
  readonly written: string;
  /** What it leads to, relative to the workspace; undefined if the tool would refuse it. */
  readonly resolved: string | undefined;
}

export async function formsOfPath(scope: Scope, path: string): Promise<PathForms> {
  const written = posix.normalize(path).replace(/\/$/, '');
  try {
    await mkdir(scope.workspace, { recursive: true });
    return { written, resolved: (await resolveInside(scope, path, { mustExist: false })).relative };
  } catch (error) {
    if (error instanceof CopilotError) return { written, resolved: undefined };
    throw error;
  }
}

/** Whether a rule may allow the path. `folder/**` includes the folder itself. */
export function matchesPath(pattern: string, { resolved }: PathForms): boolean {
  return resolved !== undefined && isMatch(pattern, resolved);
}

/**
 * Whether a rule that denies or asks is about the path.
 * @param isTree whether the tool also reaches what is below the path
 */
export function matchesPathCarefully(pattern: string, { written, resolved }: PathForms, isTree: boolean): Match {
  const forms = [written, ...(resolved === undefined ? [] : [resolved])].map(folded);
  if (forms.some((form) => isMatch(folded(pattern), form))) return 'yes';
  const fixed = folded(pattern).replace(/\*.*$/s, '');
  const isAbove = forms.some((form) => form === '.' || `${fixed}/`.startsWith(`${form}/`));
  return isTree && isAbove ? 'maybe' : 'no';
}

function isMatch(pattern: string, path: string): boolean {
  const wanted = posix.normalize(pattern);
  return (
    matchesTokens(tokensOf(wanted), path, '/') ||
    (wanted.endsWith('/**') && matchesTokens(tokensOf(wanted.slice(0, -'/**'.length)), path, '/'))
  );
}
