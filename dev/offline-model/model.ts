/**
 * The offline model: replies to one request of the turn engine, by rules and from the request alone.
 *
 * Phrases to try things out without a key. Several in one message become a plan.
 * - `count to 20 slowly` counts, a number at a time; `slowly` anywhere in a message makes every text come at 150 ms a word
 * - `repeat after me: …` gives the text back
 * - `my favourite colour is teal`, later `what is my favourite colour?`: the conversation is remembered
 * - `what can you do?` tells what it is and what its rules cover
 * - `calculate 17 * (3 + 4)`, `what is 15% of 80?`
 * - `list the files`, `read notes.txt`, `search for "budget"`, `write "hello" to hello.txt`
 * - `replace "a" with "b" in notes.txt`, or `replace all "a" …`; `append "x" to log.txt`
 * - `profile sales.csv`, `which product sold the most?`, `average temp_max by weather`, `total precipitation per year`
 * - `fetch https://example.org/` reads a page of the web
 * - `run this code:` and a block between lines of three backticks; `run the command: ls -l`, to the end of the line
 * - `use everything.echo with {"message": "hi"}`: any tool on offer, by its name and a JSON object
 * - `ask me first which city: write the answer to city.txt`: the router asks back before any work
 * - `ask me which city, then write "Hello {answer}" to city.txt`: the agent asks in the middle of its work. `the answer`
 *   and `{answer}` stand for the last answer
 * - `remember that my unit is mm` writes `unit` to the session's context
 * - `hand over to the writer: …`: another agent does what follows
 * - `plan: a; b; c` is planned as these steps; a step that is to be done `at the same time` runs beside the one before it
 * - `fail this step twice`, `fail 3 times`: so many attempts of the step fail, `fail always`: all. After `continue` it
 *   counts anew. In a direct answer (mode `one-shot`) the model's server refuses the request with status 400
 * - `answer with broken JSON: …` at the beginning: the first answers of router, planner and reviewer have a wrong form, and
 *   are repaired; with `always`, the repairs are wrong, too. `let the planner answer with …` is about one of them.
 *   In place of `broken JSON`: `an unknown agent`, `nothing`
 *
 * For example: `Profile weather.csv, find the wettest month, and write a short report with a table to report.md`
 */
import { z } from 'zod';
import { REPORT_STEP } from '../../src/contracts/activities.ts';
import type { PlanProposal, PlanReview, RouteDecision } from '../../src/contracts/turn.ts';
import { fillForm } from './form.ts';
import { finalAnswer } from './phases/answering.ts';
import { plan, review } from './phases/planning.ts';
import { route } from './phases/routing.ts';
import { summary } from './phases/summary.ts';
import { spoiled, type Flaw } from './phrases/flaws.ts';
import { readPrompt, type Prompt } from './prompt.ts';
import { toReply, toSummary } from './skills/markdown.ts';
import { perform, type Outcome } from './skills/perform.ts';
import { advance } from './skills/skill.ts';
import type { ChatRequest, WireReply, WireToolCall } from './wire.ts';

/** What it calls itself in `GET /v1/models` and in every reply. */
export const OFFLINE_MODEL = 'offline';

/** For messages that say "slowly", in milliseconds. */
const SLOW_WORD_MS = 150;
const CHARACTERS_PER_TOKEN = 4;

/**
 * @param wordDelayMs pause before each word of a text, in milliseconds; JSON is never slowed down
 * @throws WireError where the request asks for that
 */
export function offlineReply(chat: ChatRequest, wordDelayMs = 0): WireReply {
  const prompt = readPrompt(chat);
  switch (prompt.phase) {
    case 'routing':
      return json(prompt, 'router', route(prompt));
    case 'planning':
      return json(prompt, 'planner', plan(prompt));
    case 'review':
      return json(prompt, 'reviewer', review(prompt));
    case 'summary':
      return { model: OFFLINE_MODEL, text: summary(prompt), toolCalls: [] };
    case 'answer':
      return text(chat, prompt, finalAnswer(prompt), wordDelayMs);
    case 'one-shot':
    case 'step':
      return work(chat, prompt, wordDelayMs);
  }
}

function work(chat: ChatRequest, prompt: Prompt, wordDelayMs: number): WireReply {
  const progress = advance(perform(prompt), prompt);
  if ('next' in progress) {
    const { say, calls } = progress.next;
    const toolCalls = calls.map(({ tool, arguments: args }, index) => toCall(chat, index, tool, args));
    return { ...plainText(chat, prompt, say, wordDelayMs), toolCalls };
  }
  const { findings, problem } = progress.done;
  if (prompt.phase === 'step' && prompt.tools.has(REPORT_STEP)) return report(chat, prompt, progress.done, wordDelayMs);
  const parts = [
    toReply(findings),
    problem === undefined ? '' : `${findings.length > 0 ? 'The rest could not be done: ' : ''}${problem}`,
  ];
  return text(chat, prompt, parts.filter((part) => part !== '').join('\n\n'), wordDelayMs);
}

function report(chat: ChatRequest, prompt: Prompt, { findings, problem }: Outcome, wordDelayMs: number): WireReply {
  const summary = [toSummary(findings), problem ?? ''].filter((part) => part !== '').join('\n\n');
  const said = problem ?? findings.map(({ sentence }) => sentence).join(' ');
  const form = problem === undefined ? resultForm(chat) : undefined;
  const call = toCall(chat, 0, REPORT_STEP, {
    status: problem === undefined ? 'done' : 'failed',
    summary,
    ...(form === undefined ? {} : { result: fillForm(form, said) }),
  });
  return { ...plainText(chat, prompt, said, wordDelayMs), toolCalls: [call] };
}

/** The same call has the same id whenever it is asked for again. */
function toCall(chat: ChatRequest, index: number, name: string, args: Readonly<Record<string, unknown>>): WireToolCall {
  return { id: `call_${chat.messages.length}_${index}`, name, arguments: JSON.stringify(args) };
}

/** Form of the result that a step reports, where its agent has one. */
function resultForm(chat: ChatRequest): Readonly<Record<string, unknown>> | undefined {
  const parameters = chat.tools?.find((tool) => tool.function.name === REPORT_STEP)?.function.parameters;
  return ResultParameter.safeParse(parameters).data?.properties.result;
}

const ResultParameter = z.object({ properties: z.object({ result: z.record(z.string(), z.unknown()) }) });

/** In the form that is asked for, where one is. */
function text(chat: ChatRequest, prompt: Prompt, content: string, wordDelayMs: number): WireReply {
  const format = chat.response_format;
  const isFree = format?.type !== 'json_schema';
  const formed = isFree ? content : JSON.stringify(fillForm(format.json_schema.schema, content));
  return plainText(chat, prompt, formed, wordDelayMs);
}

function plainText(chat: ChatRequest, prompt: Prompt, content: string, wordDelayMs: number): WireReply {
  const limit = (chat.max_completion_tokens ?? chat.max_tokens ?? Number.POSITIVE_INFINITY) * CHARACTERS_PER_TOKEN;
  const isSlow = /\bslowly\b/i.test(`${prompt.request} ${prompt.task}`);
  return {
    model: OFFLINE_MODEL,
    text: content.slice(0, limit),
    toolCalls: [],
    wordDelayMs: Math.max(wordDelayMs, isSlow ? SLOW_WORD_MS : 0),
    ...(content.length > limit ? { finish: 'length' as const } : {}),
  };
}

function json(
  { flaw, isRepair }: Prompt,
  who: NonNullable<Flaw['agent']>,
  value: RouteDecision | PlanProposal | PlanReview,
): WireReply {
  const isSpoiled = flaw !== undefined && (flaw.agent ?? who) === who && (flaw.isAlways || !isRepair);
  return { model: OFFLINE_MODEL, text: isSpoiled ? spoiled(flaw, value) : JSON.stringify(value), toolCalls: [] };
}
