/**
 * How phrases are done. The work of a phrase is a generator that yields calls of tools and gets their results, as if it
 * ran once from start to end. In fact each request runs it anew: the calls that are in the conversation already get
 * their results from there, and the first one that is not becomes the reply.
 */
import { wireName } from '../../src/models/tool-names.ts';

export interface Call {
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** What the person reads meanwhile. */
  readonly say: string;
}

/** What came of a phrase. */
export interface Finding {
  /** One paragraph. */
  readonly sentence: string;
  /** Markdown that belongs below it. */
  readonly body?: string;
  /** What `the answer` and `{answer}` stand for in the phrases behind it. Default: the sentence and the body. */
  readonly value?: string;
}

export type Work<T> = Generator<Call, T, string>;

/** What the work of a phrase may use. */
export interface Desk {
  /** Of the steps and phrases before, oldest first. */
  readonly findings: readonly Finding[];
  /** The first table that the message names. */
  readonly table: string | undefined;
}

/** Why a phrase could not be done, for the person. */
export class CannotDo extends Error {}

/** Calls a tool. @throws CannotDo if it is not on offer, or refuses */
export function* callTool(tool: string, args: Call['args'], say: string): Work<string> {
  const result = yield { tool, args, say };
  // The result of a call that failed begins with the name of its tool.
  if (result.startsWith(`${tool}: `) || result.startsWith(`${tool} failed`)) throw new CannotDo(result);
  return result;
}

/**
 * Runs work as far as the results so far carry it: to the next call of a tool on offer, or to its end.
 * @param instead of a call of a tool that is not on offer
 */
export function advance<T>(
  work: Work<T>,
  results: readonly string[],
  offered: ReadonlySet<string>,
  instead: () => Call | undefined = () => undefined,
): { readonly next: Call } | { readonly done: T } {
  let step = work.next();
  for (const result of results) if (!step.done) step = work.next(result);
  while (!step.done) {
    const { tool, ...call } = step.value;
    const name = [tool, wireName(tool)].find((known) => offered.has(known));
    if (name !== undefined) return { next: { tool: name, ...call } };
    const other = instead();
    if (other) return { next: other };
    step = work.throw(new CannotDo(`This needs the tool ${tool}, which is not offered to this agent.`));
  }
  return { done: step.value };
}

export function markdown({ sentence, body = '' }: Finding): string {
  return body === '' ? sentence : `${sentence}\n\n${body}`;
}
