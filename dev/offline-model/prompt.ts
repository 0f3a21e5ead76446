/** What a request of the turn engine says, taken apart. Everything the offline model knows is in here. */
import { REPORT_STEP } from '../../src/contracts/activities.ts';
import { actionsOf, isRequest } from './actions.ts';
import { fileNames, withoutLead, words } from './language.ts';
import { takeFlaw, type Flaw } from './phrases/flaws.ts';
import { exchangesIn, questionFirst, usesAnswer, withAnswer } from './phrases/questions.ts';
import { textOf, type ChatRequest } from './wire.ts';
import { parseJson } from '../../src/contracts/json.ts';

export type PromptPhase = 'routing' | 'planning' | 'review' | 'one-shot' | 'step' | 'answer' | 'summary';

/** A call that was made for the present request, and what came of it. */
export interface MadeCall {
  readonly name: string;
  readonly arguments: string;
  readonly result: string;
}

/** A text under a heading, such as the summary of an earlier step. */
export interface Section {
  readonly heading: string;
  readonly text: string;
}

export interface Prompt {
  readonly phase: PromptPhase;
  readonly system: string;
  /** What to do now: the step's own task, or the person's message. */
  readonly request: string;
  /** The whole task that the request is a part of; the request itself where there is no other. */
  readonly task: string;
  /** Summaries of the steps before, oldest first. */
  readonly done: readonly Section[];
  /** Paths that the steps of the plan wrote. */
  readonly written: readonly string[];
  /** Texts of the conversation before the request, oldest first. */
  readonly earlier: readonly { readonly role: 'user' | 'assistant'; readonly text: string }[];
  readonly tools: ReadonlySet<string>;
  readonly made: readonly MadeCall[];
  /** What the attempt before this one failed with. */
  readonly problem: string;
  /** How the answer is to be wrong, where the person wants to see that. */
  readonly flaw?: Flaw;
  /** The answer before had the wrong form, and this is to be the right one. */
  readonly isRepair: boolean;
  /** All messages, system message excluded. */
  readonly messages: ChatRequest['messages'];
}

const PHASES: readonly PromptPhase[] = ['routing', 'planning', 'review', 'one-shot', 'step', 'answer', 'summary'];
const FORMATS: Readonly<Record<string, PromptPhase>> = { route: 'routing', plan: 'planning', review: 'review' };

/** Headings of the engine; any other line that begins with "#" belongs to the text. */
const HEADINGS = [
  'Task',
  'Plan',
  'Done so far',
  'Your step',
  'The attempt before failed',
  'What the person wants done differently',
  'Steps',
  'Files written',
];
/** Elsewhere such a heading is the person's own. */
const WITH_HEADINGS: readonly PromptPhase[] = ['review', 'step', 'answer'];
const HEADING_LINE = new RegExp(`^# (${HEADINGS.join('|')})[^\\S\\n]*$`, 'gm');

export function readPrompt(chat: ChatRequest): Prompt {
  const system = chat.messages
    .filter(({ role }) => role === 'system' || role === 'developer')
    .map(textOf)
    .join('\n\n');
  const said = chat.messages.filter(({ role }) => role !== 'system' && role !== 'developer');
  const tools = new Set(chat.tools?.map((tool) => tool.function.name));
  const phase = findPhase(chat, system, tools);
  const { messages, asked, isRepair } = withoutRepair(said, phase);
  const isStep = (index: number): boolean => phase === 'step' && sections(textAt(messages, index)).has('Your step');
  const own = messages.findLastIndex(({ role }, index) => role === 'user' && isStep(index));
  const at = own >= 0 ? own : messages.findLastIndex(({ role }) => role === 'user');
  const earlier = messages
    .slice(0, Math.max(at, 0))
    .flatMap((message) =>
      (message.role === 'user' || message.role === 'assistant') && textOf(message) !== ''
        ? [{ role: message.role, text: textOf(message) }]
        : [],
    );
  const parts = WITH_HEADINGS.includes(phase) ? sections(textAt(messages, at)) : new Map<string, string>();
  const { text: wish } = takeFlaw(parts.get('Task') ?? textAt(messages, at));
  const { flaw } = takeFlaw(parts.get('Task') ?? textAt(asked, asked.length - 1));
  const request = WITH_HEADINGS.includes(phase)
    ? ownPart(parts, wish)
    : phase === 'summary'
      ? wish
      : inContext(settled(wish), earlier);
  return {
    phase,
    system,
    request,
    task: parts.has('Task') ? wish : request,
    done: subsections(parts.get('Done so far') ?? parts.get('Steps') ?? ''),
    written: (parts.get('Files written') ?? '').split('\n').flatMap((line) => /^- (.+)$/.exec(line)?.[1] ?? []),
    earlier,
    tools,
    made: madeCalls(messages.slice(at + 1)),
    problem: parts.get('The attempt before failed') ?? '',
    ...(flaw ? { flaw } : {}),
    isRepair,
    messages,
  };
}

/** How the engine words it when an answer has the wrong form. */
const REPAIR = 'That answer cannot be used:';

/** The messages without an answer of the wrong form; a plan that can be read stays, to be revised. `asked`: without any. */
function withoutRepair(
  all: ChatRequest['messages'],
  phase: PromptPhase,
): { messages: ChatRequest['messages']; asked: ChatRequest['messages']; isRepair: boolean } {
  const answer = all.at(-2);
  const isRepair =
    Object.values(FORMATS).includes(phase) &&
    answer?.role === 'assistant' &&
    all.at(-1)?.role === 'user' &&
    textAt(all, all.length - 1).startsWith(REPAIR);
  const asked = isRepair ? all.slice(0, -2) : all;
  const isReadable = answer !== undefined && phase === 'planning' && parseJson(textOf(answer)) !== undefined;
  return { messages: isReadable ? all : asked, asked, isRepair };
}

/** The step's own task, and what the person wants done differently where that is something to do. */
function ownPart(parts: ReadonlyMap<string, string>, wish: string): string {
  const own = withoutNotes(parts.get('Your step') ?? wish);
  const feedback = parts.get('What the person wants done differently') ?? '';
  return actionsOf(feedback).some(({ kind }) => kind !== 'say') ? `${own.replace(/[.\s]+$/, '')}.\n\n${feedback}` : own;
}

/** What a message comes to with the answers to what was asked back. */
function settled(text: string): string {
  const { said, exchanges } = exchangesIn(text);
  return exchanges.reduce((known, { question, answer }) => {
    const first = questionFirst(known);
    if (!first) return inContext(answer, [talk('user', known), talk('assistant', question)]);
    const { rest } = first;
    // Another question stands before the work: the work is about the last answer.
    if (questionFirst(rest)) return rest;
    if (usesAnswer(rest)) return withAnswer(rest, answer);
    return isVague(rest) ? `${rest.replace(/[.!?\s]+$/, '')} ${answer}` : rest;
  }, said);
}

function talk(role: 'user' | 'assistant', text: string): Prompt['earlier'][number] {
  return { role, text };
}

/** Texts under the engine's headings; the first of equal headings counts. */
export function sections(text: string): Map<string, string> {
  const found = new Map<string, string>();
  const matches = [...text.matchAll(HEADING_LINE)];
  matches.forEach((match, index) => {
    const [line, heading = ''] = match;
    const end = matches[index + 1]?.index ?? text.length;
    if (!found.has(heading)) found.set(heading, text.slice(match.index + line.length, end).trim());
  });
  return found;
}

/** Parts under "## " headings. */
function subsections(text: string): Section[] {
  return text
    .split(/^## /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf('\n');
      return end < 0
        ? { heading: part.trim(), text: '' }
        : { heading: part.slice(0, end).trim(), text: part.slice(end).trim() };
    });
}

function findPhase(chat: ChatRequest, system: string, tools: ReadonlySet<string>): PromptPhase {
  const format =
    chat.response_format?.type === 'json_schema' ? FORMATS[chat.response_format.json_schema.name] : undefined;
  const named = [...system.matchAll(/^Phase: ([a-z-]+)[^\S\n]*$/gm)].at(-1)?.[1];
  return format ?? PHASES.find((phase) => phase === named) ?? (tools.has(REPORT_STEP) ? 'step' : 'one-shot');
}

/**
 * A message that only makes sense with the one before: the answer to what was asked back ("report.md"
 * after "summarise it" and "Which file?") is read together with the message that made us ask.
 */
function inContext(text: string, earlier: Prompt['earlier']): string {
  const [before, asked] = earlier.slice(-2);
  const isAnswer = before?.role === 'user' && asked?.role === 'assistant' && /\?\s*$/.test(asked.text);
  if (!isAnswer || !isVague(before.text) || words(text).length > 12) return text;
  const [action] = actionsOf(text);
  const isComplete = isRequest(withoutLead(text)) && action?.kind !== 'say';
  return isComplete ? text : `${before.text.replace(/[.!?\s]+$/, '')} ${text}`;
}

const VAGUE =
  /^(?:(?:do|fix|improve|change|update|make|handle|finish|check|run|solve|help|explain|summari[sz]e|read|write|analy[sz]e|profile|search|find|open|show|create|build|process|convert|start|try|use|clean|correct|review|test|complete|continue|work on|deal with|look at|take care of)(?:\s+(?:it|this|that|these|those|them|me|something|anything|stuff|things?|one|with|for|up|out|to|the|my|file|data|better|again|now|work|right|properly|quickly|faster|bug|issue|problem|task|job))*|it|this|that|something|stuff|whatever)$/i;

/** Whether a message asks for something without saying what: "do it", "fix this". */
export function isVague(text: string): boolean {
  const plain = withoutLead(text)
    .replace(/\b(?:please|thanks|thank you|asap|for me)\b/gi, ' ')
    .replace(/[\s.!?,]+/g, ' ')
    .trim();
  return fileNames(text).length === 0 && (plain === '' || VAGUE.test(plain));
}

function textAt(messages: ChatRequest['messages'], index: number): string {
  const message = messages[index];
  return message ? textOf(message) : '';
}

function withoutNotes(text: string): string {
  return text.replace(/\nNotes: [^]*$/, '').trim();
}

function madeCalls(messages: ChatRequest['messages']): MadeCall[] {
  const results = new Map(
    messages.flatMap((message) => (message.role === 'tool' ? [[message.tool_call_id, textOf(message)]] : [])),
  );
  return messages.flatMap((message) =>
    message.role !== 'assistant'
      ? []
      : (message.tool_calls ?? []).map(({ id, function: { name, arguments: text } }) => ({
          name,
          arguments: text,
          result: results.get(id) ?? '',
        })),
  );
}
