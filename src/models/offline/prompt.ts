/** What a request of the turn engine says, taken apart. Everything the offline model knows is in here. */
import { REPORT_STEP } from '../../contracts/activities.ts';
import { actionsOf, isRequest } from './actions.ts';
import { fileNames, withoutLead, words } from './language.ts';
import { textOf, type ChatRequest } from '../server/wire.ts';

export type PromptPhase = 'routing' | 'planning' | 'review' | 'one-shot' | 'step' | 'answer';

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
  /** All messages, system message excluded. */
  readonly messages: ChatRequest['messages'];
}

const PHASES: readonly PromptPhase[] = ['routing', 'planning', 'review', 'one-shot', 'step', 'answer'];
const FORMATS: Readonly<Record<string, PromptPhase>> = { route: 'routing', plan: 'planning', review: 'review' };

/** Headings of the engine; any other line that begins with "#" belongs to the text. */
const HEADINGS = ['Task', 'Plan', 'Done so far', 'Your step', 'The attempt before failed', 'Steps', 'Files written'];
/** Elsewhere such a heading is the person's own. */
const WITH_HEADINGS: readonly PromptPhase[] = ['review', 'step', 'answer'];
const HEADING_LINE = new RegExp(`^# (${HEADINGS.join('|')})[^\\S\\n]*$`, 'gm');

export function readPrompt(chat: ChatRequest): Prompt {
  const system = chat.messages
    .filter(({ role }) => role === 'system' || role === 'developer')
    .map(textOf)
    .join('\n\n');
  const messages = chat.messages.filter(({ role }) => role !== 'system' && role !== 'developer');
  const tools = new Set(chat.tools?.map((tool) => tool.function.name));
  const phase = findPhase(chat, system, tools);
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
  const said = parts.get('Your step') ?? parts.get('Task') ?? textAt(messages, at);
  const request = WITH_HEADINGS.includes(phase) ? withoutNotes(said) : inContext(said, earlier);
  return {
    phase,
    system,
    request,
    task: parts.get('Task') ?? request,
    done: subsections(parts.get('Done so far') ?? parts.get('Steps') ?? ''),
    written: (parts.get('Files written') ?? '').split('\n').flatMap((line) => /^- (.+)$/.exec(line)?.[1] ?? []),
    earlier,
    tools,
    made: madeCalls(messages.slice(at + 1)),
    messages,
  };
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
