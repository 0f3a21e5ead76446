/**
 * The session as Markdown, live in the Web UI (`User Metadata`, `Current Details`) without opening an event. The Web UI
 * knows tables and lists but no task lists, so the boxes are characters.
 */
import type { PendingRequest } from '../../contracts/request.ts';
import type { SessionInfo } from '../../contracts/session.ts';
import type { RunningTurn } from '../../contracts/session-state.ts';
import type { Step } from '../../contracts/turn.ts';
import { markBlanks, visible } from '../../contracts/visible-text.ts';
import type { StepView } from '../session/turn/plan-steps.ts';
import { routerQuestions } from './views.ts';
import { beginningOf, shortenText } from '../../contracts/text-cut.ts';

const MARK: Record<Step['status'], string> = {
  pending: '☐',
  'in-progress': '▶',
  completed: '☑',
  failed: '✗',
  skipped: '⤼',
};

const MAX_LINE = 160;
const MAX_STEP_SUMMARY = 80;
const MAX_REPLY = 600;
const MAX_ARGUMENTS = 600;
const MAX_NOTES_SHOWN = 3;
/** In front of the line end, it breaks the line within its paragraph. */
const BREAK = '\\';
/** The Web UI makes the panel lower than its content by the margins, about one line, which hides the last one. */
const BLANK_LAST_LINE = '\u00a0';

/** What a person wants to know first comes first: state, then what waits for them, then the turn with its plan. */
export function detailsMarkdown(info: SessionInfo, turn: RunningTurn | undefined): string {
  const paragraphs = [
    `**${escape(info.name)}**`,
    stateLine(info, turn),
    usageLine(info),
    ...requestParagraphs(info),
    ...(turn ? turnParagraphs(turn, info) : []),
    ...noteParagraphs(info),
    BLANK_LAST_LINE,
  ];
  return paragraphs.join('\n\n');
}

/** First line of a text, shortened to what fits in a list. */
export function oneLine(text: string, max = MAX_LINE): string {
  // Single blanks are not replaced: that would take five times as long.
  const line = text.replace(/\s{2,}|[^\S ]/g, ' ').trim();
  return shortenText(line, max);
}

function stateLine(
  { status, suspendReason, phase, step, mode, user }: SessionInfo,
  turn: RunningTurn | undefined,
): string {
  const reason = suspendReason === null ? '' : ` (${shown(suspendReason)})`;
  const steps = turn?.state.status === 'running' ? turn.steps.length : 0;
  return [
    `**${status}**${reason}`,
    ...(phase === null ? [] : [escape(phase)]),
    ...(step === null ? [] : [`step ${escape(String(step))}${steps > 0 ? ` of ${steps}` : ''}`]),
    `mode ${escape(mode)}`,
    ...(user === null ? [] : [escape(user)]),
  ].join(' · ');
}

function usageLine({ turns, queueLength, usage, cost }: SessionInfo): string {
  const { inputTokens, outputTokens, modelCalls, toolCalls } = usage;
  return [
    count(turns, 'turn'),
    ...(queueLength === 0 ? [] : [`${count(queueLength, 'message')} waiting`]),
    `${count(inputTokens + outputTokens, 'token')} (${inputTokens} in, ${outputTokens} out)`,
    count(modelCalls, 'model call'),
    count(toolCalls, 'tool call'),
    ...(cost === null ? [] : [`$${cost.toFixed(4)}`]),
  ].join(' · ');
}

function requestParagraphs({ id, pendingApprovals }: SessionInfo): string[] {
  if (pendingApprovals.length === 0) return [];
  return ['### Waiting for a person', ...pendingApprovals.map((request) => requestParagraph(id, request))];
}

/** Ends with the command that decides the request, since in the Web UI one has to write the update by hand. */
function requestParagraph(sessionId: string, request: PendingRequest): string {
  const { id, kind, step, agent, question, tool, options, expiresAt, onExpiry } = request;
  const about = [
    `**${id}**`,
    kind,
    ...(step === null ? [] : [`step ${step}`]),
    ...(agent === null ? [] : [`_${escape(agent)}_`]),
  ];
  const [command, what] = decidedBy(kind, options);
  const until = `${expiresAt.slice(0, 'yyyy-mm-ddThh:mm'.length).replace('T', ' ')} UTC`;
  return [
    about.join(' · '),
    shown(markBlanks(question)),
    ...(tool === null ? [] : [code(`${tool.name} ${oneLine(markBlanks(tool.arguments), MAX_ARGUMENTS)}`)]),
    ...(isShownWhole(request)
      ? []
      : [`Shown in part. All of it: ${code(`copilot show ${sessionId} --request ${id}`)}`]),
    `Options: **${options.join('**, **')}**. At ${until}: ${onExpiry.words}.`,
    code(`copilot ${command} ${sessionId} ${id} ${what}`),
  ].join(`${BREAK}\n`);
}

function decidedBy(kind: PendingRequest['kind'], options: PendingRequest['options']): [command: string, what: string] {
  if (kind === 'input') return ['answer', '"…"'];
  return kind === 'form' ? ['answer', '--field name=value …'] : ['decide', options[0] ?? ''];
}

function isShownWhole({ kind, question, tool, steps, isCut }: PendingRequest): boolean {
  if (isCut) return false;
  if (tool) return isOneLine(tool.arguments, MAX_ARGUMENTS);
  if (!isOneLine(question)) return false;
  // The question before a step is its task.
  if (kind === 'before-step') return steps?.every(({ task, notes }) => notes === '' && isOneLine(task)) ?? false;
  return kind === 'budget' || kind === 'input';
}

function isOneLine(text: string, max?: number): boolean {
  const marked = markBlanks(text);
  return oneLine(marked, max) === marked;
}

function turnParagraphs(turn: RunningTurn, { phase }: SessionInfo): string[] {
  const { number, state, text, steps, reply, artifacts } = turn;
  // The session's phase says whether a running turn works or waits for a person.
  const doing = state.status === 'running' ? (phase ?? state.status) : state.status;
  const isOver = state.status !== 'queued' && state.status !== 'running';
  return [
    `### Turn ${number} · ${escape(doing)}`,
    `> ${shown(text)}`,
    ...(steps.length === 0 ? [] : [steps.map(stepLine).join('\n')]),
    ...(artifacts.length === 0 ? [] : [`Files: ${artifacts.map(escape).join(', ')}`]),
    ...routerQuestions(turn).map((question) => `**?** ${shown(question)}`),
    ...(state.status === 'failed' ? [`**${state.error.type}**: ${shown(state.error.message, MAX_REPLY)}`] : []),
    ...(isOver && reply !== '' ? [`**Answer:** ${shown(reply, MAX_REPLY)}`] : []),
  ];
}

function stepLine({ number, agent, task, status, attempts, summary }: StepView): string {
  const again = attempts > 1 ? `, attempt ${attempts}` : '';
  const result = summary === '' ? '' : ` → ${shown(summary, MAX_STEP_SUMMARY)}`;
  return `${number}. ${MARK[status]} ${shown(task)} _(${escape(agent)}${again})_${result}`;
}

function noteParagraphs({ notes }: SessionInfo): string[] {
  if (notes.length === 0) return [];
  return [
    '### Notes',
    notes
      .slice(-MAX_NOTES_SHOWN)
      .map(({ text }) => `- ${shown(text)}`)
      .join('\n'),
  ];
}

/** One line of what people or models wrote. */
function shown(text: string, max = MAX_LINE): string {
  return escape(oneLine(beginningOf(text, 4 * max), max));
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/**
 * What people and models write must not become markup in the Web UI, neither within a line nor as a list at its start.
 * Two hyphens would become a dash.
 */
function escape(text: string): string {
  return visible(text)
    .replace(/[\\`*_{}[\]<>#|~$]|-(?=-)/g, '\\$&')
    .replace(/^(\d*)([-+:.)])/, '$1\\$2');
}

/** A call or a command, shown as it is, with visible marks for what cannot be seen. */
function code(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  const ticks = '`'.repeat(longest + 1);
  const space = longest > 0 ? ' ' : '';
  return `${ticks}${space}${visible(text)}${space}${ticks}`;
}
