/** The state of a context from JSON that may be anybody's, such as a file. */
import { ContextState, ContextValues, jsonProblem, MAX_CONTEXT_DEPTH } from '../../contracts/context.ts';
import { toFailure } from '../../contracts/errors.ts';
import { MAX_CONTEXT_BYTES } from '../../contracts/limits.ts';
import { check } from '../input-check.ts';
import { bytesOf } from './tree.ts';

const WHAT = 'Context';
/** Bounds of a whole state: a patch takes up to three levels for one of a value. */
const MAX_STATE = { maxDepth: 4 * MAX_CONTEXT_DEPTH, maxSize: 2 * 1024 * 1024 };

/** @throws InvalidInput that names what is wrong */
export function checkState(json: unknown): ContextState {
  refuse(jsonProblem(json, MAX_STATE));
  return check(ContextState, json, WHAT);
}

/** @throws InvalidInput if these values could not be those of a context */
export function checkStateValues(values: unknown): void {
  refuse(
    bytesOf(check(ContextValues, values, WHAT)) > MAX_CONTEXT_BYTES
      ? `it is larger than ${MAX_CONTEXT_BYTES} bytes`
      : undefined,
  );
}

function refuse(problem: string | undefined): void {
  if (problem !== undefined) throw toFailure('InvalidInput', { what: WHAT, problem });
}
