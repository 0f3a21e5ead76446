/**
 * How phrases are done. The work of a phrase is a generator that yields calls of tools and gets their results, as if it
 * ran once from start to end. In fact each request runs it anew: the calls that are in the conversation already get
 * their results from there, and the first one that is not becomes the reply.
 */
import { wireName } from '../../src/models/tool-names.ts';

export interface Call {
  /** The name that the request offers the tool by. */
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
  /** Names of the tools on offer, as the request has them. */
  readonly tools: ReadonlySet<string>;
  /** Of the steps and phrases before, oldest first. */
  readonly findings: readonly Finding[];
  /** The first table that the message names. */
  readonly table: string | undefined;
}

/** Why a phrase could not be done, for the person. */
export class CannotDo extends Error {}

/** Calls a tool. @throws CannotDo if it is not on offer, or refuses */
export function* callTool(
  { tools }: Desk,
  name: string,
  args: Readonly<Record<string, unknown>>,
  say: string,
): Work<string> {
  const tool = [name, wireName(name)].find((known) => tools.has(known));
  if (tool === undefined) throw new CannotDo(`This needs the tool ${name}, which is not offered to this agent.`);
  const result = yield { tool, args, say };
  // The result of a call that failed begins with the name of its tool.
  if (result.startsWith(`${name}: `) || result.startsWith(`${name} failed`)) throw new CannotDo(result);
  return result;
}

/** Runs work as far as the results so far carry it: to the next call, or to its end. */
export function advance<T>(work: Work<T>, results: readonly string[]): { readonly next: Call } | { readonly done: T } {
  let step = work.next();
  for (const result of results) if (!step.done) step = work.next(result);
  return step.done ? { done: step.value } : { next: step.value };
}

export function markdown({ sentence, body = '' }: Finding): string {
  return body === '' ? sentence : `${sentence}\n\n${body}`;
}
