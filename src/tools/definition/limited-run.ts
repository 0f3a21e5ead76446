/** Runs a tool within its time, and tells the agent of whatever goes wrong. */
import { CopilotError } from '../../contracts/errors.ts';
import { beginningOf } from '../../contracts/text-cut.ts';
import { OutcomeUnknown } from '../outcome-unknown.ts';
import { refusal } from '../refusal.ts';
import { isLack } from '../workspace/file-problems.ts';
import type { Tool, ToolContext, ToolResult } from './tool.ts';

/** What an agent is told of an error, in UTF-16 units. */
const MAX_ERROR_TEXT = 4_000;

/** Steps in which the time of a tool is counted. */
const MAX_STEP_MS = 1_000;
const MIN_STEPS = 10;

/** A tool that was told to stop has this long to end by itself, with its processes and files. */
const ABORT_GRACE_MS = 2_000;

/**
 * @throws the system's error if the disk is full or the like; CopilotError `ToolFailed` if the tool fails or its time is up, as {@link OutcomeUnknown} if a tool with outside
 * effects was still running then; the signal's reason if it aborts
 */
export async function runLimited(tool: Tool, args: unknown, context: ToolContext): Promise<ToolResult> {
  // A timeout signal would still abort after the tool has ended.
  const limit = new AbortController();
  const stopCounting = countDown(tool.timeoutMs, () => limit.abort(new DOMException('its time is up', 'TimeoutError')));
  const signal = AbortSignal.any([context.signal, limit.signal]);
  try {
    return await endWith(signal, tool.run(args, { ...context, signal }));
  } catch (error) {
    if (error instanceof CopilotError && error.type === 'ToolFailed') throw error;
    if (context.signal.aborted) throw error;
    if (limit.signal.aborted) throw timedOut(tool, error);
    // The call waits and is tried again, as long as nothing outside can happen twice.
    if (isLack(error) && (tool.effects !== 'external' || tool.settle !== undefined)) throw error;
    context.log.warn({ err: error }, 'tool failed with an error');
    throw refusal({ tool: tool.name }, describeError(error), { cause: error });
  } finally {
    stopCounting();
  }
}

/**
 * Calls back after this time, in which the process ran. A process that was frozen goes on with its tools in the middle:
 * what they do then takes no longer than before.
 */
function countDown(ms: number, onEnd: () => void): () => void {
  const stepMs = Math.min(MAX_STEP_MS, ms / MIN_STEPS);
  let leftMs = ms;
  let timer: NodeJS.Timeout | undefined;
  const step = (): void => {
    // However long the process stood still, it costs one step.
    timer = setTimeout(() => {
      leftMs -= stepMs;
      if (leftMs > 0) step();
      else onEnd();
    }, stepMs);
  };
  step();
  return () => clearTimeout(timer);
}

/** The message with that of its cause, since `fetch failed` alone tells nothing. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return beginningOf(String(error), MAX_ERROR_TEXT);
  const { message, name, cause } = error;
  const reason = cause instanceof Error && !message.includes(cause.message) ? ` (${cause.message})` : '';
  return beginningOf((message || name) + reason, MAX_ERROR_TEXT);
}

function timedOut({ name, effects, timeoutMs }: Tool, cause: unknown): CopilotError {
  const problem = `it did not end within ${timeoutMs / 1_000} s`;
  return effects === 'external'
    ? new OutcomeUnknown(name, problem, cause)
    : refusal({ tool: name }, `${problem}. Ask for less, or do without it`, { cause });
}

/** Waits for the work, and after an abort a little longer. Work that goes on after that is forgotten. */
async function endWith<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let grace: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const givenUp = new Promise<never>((_, reject) => {
    onAbort = () => (grace = setTimeout(() => reject(signal.reason as Error), ABORT_GRACE_MS)); // a DOMException
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([work, givenUp]);
  } finally {
    clearTimeout(grace);
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}
