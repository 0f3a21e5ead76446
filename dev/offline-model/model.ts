/**
 * The offline model: a scripted model for trying the engine without a key. It answers one request of the engine from
 * that request alone, by the phrases in `phrases.ts`. The form that is asked for and the tools on offer say which phase
 * a request is in.
 */
import { HANDOFF_PREFIX, MAKE_PLAN, REPORT_STEP } from '../../src/contracts/activities.ts';
import { HEADINGS } from '../../src/contracts/briefs.ts';
import { endingOf } from '../../src/contracts/text-cut.ts';
import type { PlannedStep, PlanProposal, PlanReview, RouteDecision } from '../../src/contracts/turn.ts';
import { type ChatMessage, type ChatReply, type ChatRequest, messageText } from './chat.ts';
import { fillForm } from './form.ts';
import { type ParsedPhrase, parseMessage } from './grammar.ts';
import { asQuestion, type Outcome, perform, PHRASES } from './phrases.ts';
import { advance, type Call, type Desk, markdown } from './work.ts';

const SLOW_WORD_MS = 150;
const MAX_STEPS = 8;
/** Of a conversation that is to be summed up. */
const KEPT_CHARACTERS = 2_000;
/** Headings of the engine's briefs. A heading of the same words in a result would end its section early. */
const SECTION = new RegExp(`^# (${Object.values(HEADINGS).join('|')})[^\\S\\n]*$`, 'm');
const TABLE_FILE = /[\p{L}\p{N}_./-]{1,200}\.(?:csv|tsv)\b/iu;
/** Below a message, one for each file that came with it and is no image. */
const FILE_LINES = /(?:^|\n)\[file [^\n]+, \d+ bytes\](?=\n|$)/g;
/** `ask me first which city: write the answer to city.txt` */
const ASK_FIRST = /^(?:please\s+)?ask me first ([^:\n]+):\s*(\S.*)$/i;

export function replyTo(chat: ChatRequest): ChatReply {
  const last = lastUserText(chat.messages);
  const form = chat.response_format?.json_schema?.name;
  if (form === 'route') return jsonReply(route(last, agentsOf(chat)));
  if (form === 'plan') return jsonReply(plan(chat));
  if (form === 'review') return jsonReply({ approved: true, feedback: '' });
  const tools = new Set(chat.tools?.map((tool) => tool.function.name));
  if (tools.has(REPORT_STEP)) return doStep(chat, tools);
  if (tools.has(MAKE_PLAN) && chat.messages.at(-1)?.role === 'user') {
    const { route: kind } = route(last, agentsOf(chat));
    if (kind === 'planned') return { text: '', calls: [{ tool: MAKE_PLAN, args: plan(chat) }], wordDelayMs: 0 };
  }
  const sections = tools.size === 0 ? sectionsOf(last) : undefined;
  const steps = sections?.get(HEADINGS.steps);
  if (steps !== undefined) return textReply(chat, finalAnswer(steps));
  const conversation = sections?.get(HEADINGS.conversation);
  if (conversation !== undefined) {
    return textReply(chat, `The conversation ended with:\n${endingOf(conversation, KEPT_CHARACTERS)}`);
  }
  return answerDirectly(chat, tools, last);
}

function route(message: string, agents: readonly Agent[]): RouteDecision {
  const { question, wish } = settle(message);
  const steps = stepsOf(wish, agents);
  const kind = question !== undefined ? 'clarify' : steps.length > 1 || isPlan(wish) ? 'planned' : 'one-shot';
  const primaryAgent = steps[0]?.agent ?? '';
  return {
    route: kind,
    primaryAgent,
    refinedTask: wish,
    questions: question === undefined ? [] : [question],
    reason: `${steps.length} of the offline model's phrases`,
  };
}

/**
 * A message that begins with `ask me first` is a question until there is an answer. The engine puts that below the
 * message, so it is the last line. If no router does, the agent asks.
 */
function settle(message: string): { readonly question?: string; readonly wish: string } {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  const [, words, rest = ''] = ASK_FIRST.exec(lines[0]?.trim() ?? '') ?? [];
  if (words === undefined) return { wish: message };
  const answer = lines.length > 1 ? (lines.at(-1)?.trim() ?? '') : undefined;
  if (answer === undefined) return { question: asQuestion(words), wish: `ask me ${words}, then ${rest}` };
  const quoted = `"${answer.replaceAll('"', "'")}"`;
  return { wish: rest.replaceAll('{answer}', () => answer).replace(/\bthe answer\b/i, () => quoted) };
}

/** In `plan: …`, even a single phrase becomes a plan. */
function isPlan(wish: string): boolean {
  return /^\s*plan:/i.test(wish);
}

function withoutPlan(wish: string): string {
  return wish.replace(/^\s*plan:/i, '');
}

function plan({ messages }: ChatRequest): PlanProposal {
  const agents = agentsOf({ messages });
  const before = messages.at(-2);
  const steps = before?.role === 'assistant' ? plannedSteps(messageText(before)) : undefined;
  const last = lastUserText(messages);
  if (!steps) return { steps: stepsOf(settle(last).wish, agents) };
  // A plan stands before the message, so the message says what to change in it.
  const removed = [...last.matchAll(/\b(?:remove|skip) step (\d+)/gi)].map(([, number]) => Number(number));
  const added = [...last.matchAll(/\badd:? ([^\n]+)/gi)].flatMap(([, text = '']) =>
    parseMessage(text, PHRASES) ? stepsOf(text, agents) : [],
  );
  return { steps: [...steps.filter((_, index) => !removed.includes(index + 1)), ...added] };
}

function plannedSteps(text: string): PlannedStep[] | undefined {
  try {
    const { steps } = JSON.parse(text) as Partial<PlanProposal>; // the engine quotes the plan that it had
    return Array.isArray(steps) ? steps : undefined;
  } catch {
    return undefined;
  }
}

/** One step for each phrase; a text that has no phrases is one step, which says so. */
function stepsOf(text: string, agents: readonly Agent[]): PlannedStep[] {
  const wish = withoutPlan(text).trim();
  const phrases = parseMessage(wish, PHRASES);
  if (!phrases) return [{ agent: agents[0]?.id ?? '', task: wish, notes: '', alongside: false }];
  const steps: { parts: ParsedPhrase[] }[] = [];
  for (const [index, part] of phrases.entries()) {
    // The answer to a question is known in its own step alone.
    const joins = phrases[index - 1]?.phrase.form.startsWith('ask me ') === true || steps.length >= MAX_STEPS;
    if (joins) steps.at(-1)?.parts.push(part);
    else steps.push({ parts: [part] });
  }
  const table = TABLE_FILE.exec(wish)?.[0];
  return steps.map(({ parts }) => ({
    agent: agentFor(parts, agents),
    task: capital(parts.map((part) => withTable(part, table)).join(', then ')),
    notes: '',
    alongside: parts[0]?.alongside ?? false,
  }));
}

/** A step names its table, so that it can be understood alone. */
function withTable({ phrase, places, text }: ParsedPhrase, table: string | undefined): string {
  const misses = phrase.form.includes('{table}') && places['table'] === undefined;
  if (!misses || table === undefined) return text;
  return places['file'] === undefined ? `${text} in ${table}` : text.replace(/ to (?=\S+$)/, ` from ${table} to `);
}

interface Agent {
  readonly id: string;
  readonly description: string;
}

/** The last list in the system message is that of the agents. */
function agentsOf({ messages }: Pick<ChatRequest, 'messages'>): Agent[] {
  const system = messages.filter(({ role }) => role === 'system').map(messageText);
  const lists = system.join('\n').match(/(?:^- [a-z][a-z0-9-]*: .*(?:\n|$))+/gm) ?? [];
  const items = (lists.at(-1) ?? '').matchAll(/^- ([a-z][a-z0-9-]*): (.*)$/gm);
  return [...items].map(([, id = '', description = '']) => ({ id, description }));
}

function agentFor(parts: readonly ParsedPhrase[], agents: readonly Agent[]): string {
  const { phrase, places } = parts.at(-1) ?? {};
  // Nobody hands over to themselves.
  const others = agents.filter(({ id }) => places?.['rest'] === undefined || id !== places['name']);
  const fitting = others.find(({ description }) => phrase?.agent.test(description));
  return fitting?.id ?? others[0]?.id ?? '';
}

function answerDirectly(chat: ChatRequest, tools: ReadonlySet<string>, message: string): ChatReply {
  const { wish } = settle(message);
  const asked = chat.messages.findLastIndex(({ role }) => role === 'user');
  const desk = { findings: [], table: TABLE_FILE.exec(wish)?.[0] };
  const results = resultsIn(chat.messages.slice(asked));
  const progress = advance(perform(withoutPlan(wish), desk), results, tools, () => handOver(wish, chat, tools));
  if ('next' in progress) return { ...plainReply(chat, progress.next.say), calls: [progress.next] };
  return textReply(chat, outcomeText(progress.done));
}

const HAS_THE_TOOL = 'This needs a tool of yours.';

/** Hands over to the agent for such a message, if this one may. */
function handOver(wish: string, chat: ChatRequest, tools: ReadonlySet<string>): Call | undefined {
  const agent = agentFor(parseMessage(withoutPlan(wish), PHRASES) ?? [], agentsOf(chat));
  const tool = `${HANDOFF_PREFIX}${agent}`;
  return tools.has(tool)
    ? { tool, args: { reason: HAS_THE_TOOL }, say: `I hand this over to the ${agent}.` }
    : undefined;
}

function doStep(chat: ChatRequest, tools: ReadonlySet<string>): ChatReply {
  const asked = chat.messages.findIndex(({ role }) => role === 'user');
  const brief = chat.messages[asked];
  const sections = sectionsOf(brief ? messageText(brief) : '');
  const [task = ''] = (sections.get(HEADINGS.step) ?? '').split('\n\nNotes: ');
  const changed = sections.get(HEADINGS.changes) ?? '';
  const desk: Desk = {
    findings: partsUnder(sections.get(HEADINGS.done) ?? '').map(({ text }) => {
      const [sentence = '', ...body] = text.split('\n\n');
      return { sentence, body: body.join('\n\n') };
    }),
    table: TABLE_FILE.exec(`${task} ${sections.get(HEADINGS.task) ?? ''}`)?.[0],
  };
  const text = parseMessage(changed, PHRASES) ? changed : task;
  const progress = advance(perform(text, desk), resultsIn(chat.messages.slice(asked)), tools);
  if ('next' in progress) return { ...plainReply(chat, progress.next.say), calls: [progress.next] };
  const { findings, problem } = progress.done;
  const said = problem ?? findings.map(({ sentence }) => sentence).join(' ');
  const result = problem === undefined ? resultForm(chat) : undefined;
  const report = {
    status: problem === undefined ? 'done' : 'failed',
    summary: outcomeText(progress.done),
    ...(result === undefined ? {} : { result: fillForm(result, said) }),
  };
  return { ...plainReply(chat, said), calls: [{ tool: REPORT_STEP, args: report }] };
}

/** The form of what a step reports, if its agent has one. */
function resultForm({ tools = [] }: ChatRequest): unknown {
  const report = tools.find((tool) => tool.function.name === REPORT_STEP)?.function.parameters;
  return (report?.['properties'] as { result?: unknown } | undefined)?.result; // of a JSON schema
}

/** The first paragraph of what each step reported. */
function finalAnswer(steps: string): string {
  const said = partsUnder(steps).map(({ heading, text }) =>
    heading.endsWith('[completed]') ? text.split('\n\n')[0] : `Not done: ${heading}`,
  );
  return said.join('\n\n') || 'Done.';
}

function outcomeText({ findings, problem }: Outcome): string {
  return [...findings.map(markdown), ...(problem === undefined ? [] : [problem])].join('\n\n');
}

/** Results of the tools that phrases called so far, in order. */
function resultsIn(messages: readonly ChatMessage[]): string[] {
  const handedOver = messages
    .flatMap((message) => (message.role === 'assistant' ? (message.tool_calls ?? []) : []))
    .filter((call) => call.function.arguments.includes(HAS_THE_TOOL))
    .map(({ id }) => id);
  return messages.flatMap((message) =>
    message.role === 'tool' && !handedOver.includes(message.tool_call_id) ? [messageText(message)] : [],
  );
}

function sectionsOf(text: string): Map<string, string> {
  const [, ...parts] = text.split(SECTION);
  const found = new Map<string, string>();
  for (let at = 0; at < parts.length; at += 2) found.set(parts[at] ?? '', (parts[at + 1] ?? '').trim());
  return found;
}

/** Texts under headings such as `## Step 1 (engineer)` and `## 1. Read a.txt [completed]`. */
function partsUnder(section: string): { readonly heading: string; readonly text: string }[] {
  const [, ...parts] = section.split(/^## ((?:Step )?\d+.*)$/m);
  return parts.flatMap((heading, at) => (at % 2 === 0 ? [{ heading, text: (parts[at + 1] ?? '').trim() }] : []));
}

function lastUserText(messages: readonly ChatMessage[]): string {
  const last = messages.findLast(({ role }) => role === 'user');
  return last ? messageText(last).replace(FILE_LINES, '').trimEnd() : '';
}

function jsonReply(value: RouteDecision | PlanProposal | PlanReview): ChatReply {
  return { text: JSON.stringify(value), calls: [], wordDelayMs: 0 };
}

/** In the form that is asked for, if one is. */
function textReply(chat: ChatRequest, text: string): ChatReply {
  const form = chat.response_format?.json_schema?.schema;
  return plainReply(chat, form === undefined ? text : JSON.stringify(fillForm(form, text)));
}

function plainReply({ messages }: ChatRequest, text: string): ChatReply {
  return { text, calls: [], wordDelayMs: /\bslowly\b/i.test(lastUserText(messages)) ? SLOW_WORD_MS : 0 };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
