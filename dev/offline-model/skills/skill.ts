/**
 * How skills work. A skill is a generator that yields calls of tools and gets their results, as if it ran
 * from start to end. In truth every request of the engine runs it anew: calls whose results are in the
 * conversation are answered from there, and the first one that is not becomes the reply. So nothing is kept
 * between requests.
 */
import { HANDOFF_PREFIX } from '../../../src/contracts/activities.ts';
import type { MadeCall, Prompt } from '../prompt.ts';

export interface Call {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** Calls to make together, and a few words to the person about them. */
export interface Round {
  readonly say: string;
  readonly calls: readonly Call[];
}

export interface Result {
  readonly text: string;
  /** The tool was called and refused, or was not there. */
  readonly failed: boolean;
}

/** What came of an action. The Markdown of `body` may hold tables. */
export interface Finding {
  readonly title: string;
  /** The result in a sentence or two. */
  readonly sentence: string;
  readonly body: string;
  /** Path of the file that was written. */
  readonly wrote?: string;
}

/** What a skill is given: the request, and what the actions before it found. */
export interface Desk {
  readonly prompt: Prompt;
  readonly findings: readonly Finding[];
}

export type Work<T> = Generator<Round, T, readonly Result[]>;

/** Why an action could not be done, in words for the person. */
export class CannotDo extends Error {}

/** A person does not allow an action. It is left out: another attempt would only ask them again. */
export class NotAllowed extends Error {}

/** Calls one tool. @throws NotAllowed */
export function* use(tool: string, args: Readonly<Record<string, unknown>>, say: string): Work<Result> {
  const [result] = yield { say, calls: [{ tool, arguments: args }] };
  if (result && DENIED.test(result.text)) throw new NotAllowed(`Not done: ${DENIED.exec(result.text)?.[1]}.`);
  return result ?? { text: '', failed: true };
}

/** How the engine words it. */
const DENIED = /^([^]{1,500}? does not allow this call(?:: [^]*)?)\. Do without it, or say what cannot be done\.$/;

/** Calls of one request; what needs more goes round in circles. */
const MAX_CALLS = 24;

export type Progress<T> = { readonly done: T } | { readonly next: Round };

/**
 * Runs work as far as the calls made so far carry it.
 * @throws CannotDo where it needs a tool that is not offered, or too many calls
 */
export function advance<T>(work: Work<T>, prompt: Prompt): Progress<T> {
  const made = [...prompt.made];
  let step = work.next();
  while (!step.done) {
    const results: Result[] = [];
    const open: Call[] = [];
    for (const call of step.value.calls) {
      const result = takeResult(made, call);
      if (result) results.push(result);
      else open.push(call);
    }
    if (open.length > 0) {
      const missing = open.find(({ tool }) => !prompt.tools.has(tool));
      const problem = missing
        ? missingTool(missing.tool)
        : prompt.made.length >= MAX_CALLS
          ? `It took more than ${MAX_CALLS} calls of tools.`
          : undefined;
      if (problem === undefined) return { next: { say: step.value.say, calls: open } };
      // The work may have another way, or sum up what it has.
      step = work.throw(new CannotDo(problem));
    } else {
      step = work.next(results);
    }
  }
  return { done: step.value };
}

/** The result of the same call, taken out so that the same call again is a new one. */
function takeResult(made: MadeCall[], call: Call): Result | undefined {
  const wanted = JSON.stringify(call.arguments);
  const index = made.findIndex(({ name, arguments: text }) => name === call.tool && sameJson(text, wanted));
  const [found] = index < 0 ? [] : made.splice(index, 1);
  return found && { text: found.result, failed: isFailure(call.tool, found.result) };
}

function sameJson(text: string, wanted: string): boolean {
  if (text === wanted) return true;
  try {
    return JSON.stringify(JSON.parse(text)) === wanted;
  } catch {
    return false;
  }
}

/** How the engine words failures: `read_file: …`, `read_file failed: …`. */
function isFailure(tool: string, text: string): boolean {
  return (
    text.startsWith(`${tool}: `) ||
    text.startsWith(`${tool} failed`) ||
    /^(?:There is no tool|The worker stopped while|Denied)\b/i.test(text)
  );
}

function missingTool(tool: string): string {
  if (tool === 'run_code')
    return 'Running code needs the tool run_code, which is not offered here. Start the session with --allow-code.';
  if (tool.startsWith(HANDOFF_PREFIX))
    return `This agent cannot hand its work over to "${tool.slice(HANDOFF_PREFIX.length)}".`;
  return `This needs the tool ${tool}, which is not offered to this agent.`;
}
