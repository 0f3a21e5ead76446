/** `copilot show`, `transcript` and `plan`. */
import type { PendingCall } from '../../client/reading/pending-calls.ts';
import type { SessionReport } from '../../client/reading/session-queries.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import type { AttachedClient } from '../../contracts/attached.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { PlanView } from '../../contracts/messages.ts';
import { imageLine } from '../../contracts/image.ts';
import type { DecidedRequest, PendingRequest } from '../../contracts/request.ts';
import type { Analytics } from '../../contracts/session.ts';
import { imagesOf, type Message } from '../../contracts/transcript.ts';
import type { TurnView } from '../../contracts/turn.ts';
import { type CommonFlags, withClient } from '../connected.ts';
import { parseWholeNumber } from '../numbers.ts';
import { requestLine, requestText, verdictLines } from '../people/request-text.ts';
import { actText } from '../conversation/session-end.ts';
import { turnForm } from '../conversation/turns.ts';
import { oneLine, paint, printResult, shorten } from '../terminal.ts';

const SHOWN_TURNS = 5;

export async function runShow(
  id: string,
  { json, request: requestId }: CommonFlags & { readonly request?: string },
): Promise<void> {
  await withClient(async (client) => {
    const session = client.session(id);
    if (requestId !== undefined) {
      const request = await session.request(requestId);
      return printResult(json, request, () => wholeRequestText(id, request));
    }
    const info = await infoOrEnd(session, json);
    if (info === undefined) return;
    const turns = await recentTurns(() => session.turns(), info);
    const { webUrl = null } = session;
    const followers = isClosed(info) ? [] : await session.attached().catch(() => []);
    printResult(json, { ...info, recentTurns: turns?.map(turnForm) ?? null, followers, webUrl }, () =>
      showText(info, { turns, followers, webUrl }),
    );
  });
}

/** All that is known of one request: while it waits, everything that its approval would let happen. */
function wholeRequestText(id: string, request: PendingRequest | DecidedRequest): string {
  if (!('verdict' in request)) return requestText(id, request, { namesDigest: true });
  return [requestLine(request, id), ...verdictLines(request.verdict)].join('\n');
}

/** What happened to a session that ended before it could say anything is printed here, and then there is no info. */
async function infoOrEnd(session: SessionHandle, json: boolean | undefined): Promise<SessionReport | undefined> {
  try {
    return await session.info();
  } catch (error) {
    const { status, isClosed: hasEnded, outsideActs } = await session.describe();
    if (!hasEnded || outsideActs.length === 0) throw error;
    const { id, webUrl = null } = session;
    printResult(json, { id, status, outsideActs, webUrl }, () =>
      [
        `${paint('bold', 'Session')}  ${id}`,
        `${paint('bold', 'Status')}   ${status}`,
        ...outsideActs.map(actText),
      ].join('\n'),
    );
    return undefined;
  }
}

/** Undefined if no worker answers for a closed session; its info is readable without one. */
async function recentTurns(
  read: () => Promise<readonly TurnView[]>,
  info: SessionReport,
): Promise<TurnView[] | undefined> {
  try {
    return (await read()).slice(-SHOWN_TURNS);
  } catch (error) {
    if (error instanceof CopilotError && error.type === 'NoWorker' && isClosed(info)) return undefined;
    throw error;
  }
}

const isClosed = ({ status }: SessionReport): boolean => status === 'completed' || status === 'expired';

interface Shown {
  readonly turns: readonly TurnView[] | undefined;
  readonly followers: readonly AttachedClient[];
  readonly webUrl: string | null;
}

function showText(info: SessionReport, { turns, followers, webUrl }: Shown): string {
  const { usage } = info;
  const facts: [string, string][] = [
    ['Session', info.id],
    ['Name', info.name],
    ['User', info.user ?? '-'],
    ['Mode', info.mode],
    ['Team', `${info.team} (${info.digest.slice(0, 12)})`],
    ['Status', `${info.status}${info.suspendReason === null ? '' : `: ${info.suspendReason}`}`],
    ['Phase', `${info.phase}${info.step === null ? '' : `, step ${info.step}`}`],
    ['Turns', `${info.turns}, ${info.queueLength} waiting`],
    [
      'Usage',
      `${usage.inputTokens} tokens in, ${usage.outputTokens} out, ${usage.modelCalls} model calls, ${usage.toolCalls} tool calls`,
    ],
    [
      'Worker',
      info.lastWorker === null ? '-' : `${info.lastWorker.identity}, team instance ${info.lastWorker.instance}`,
    ],
    ['Followed by', followers.map(({ name, kind, since }) => `${name} (${kind}) since ${since}`).join(', ') || '-'],
    ['Rating', ratingText(info.analytics)],
    [
      'Replies',
      info.analytics.agentResponseTimeMs === null
        ? '-'
        : `${(info.analytics.agentResponseTimeMs / 1_000).toFixed(1)} s on average`,
    ],
    ['Created', info.createdAt],
    ['Updated', `${info.updatedAt} (version ${info.version})`],
    ...(info.expiresAt === null
      ? []
      : [['Expires', `${info.expiresAt}, unless it is used before`] satisfies [string, string]]),
    ...(webUrl === null ? [] : [['Web UI', webUrl] satisfies [string, string]]),
  ];
  return [
    ...facts.map(([name, value]) => `${paint('bold', name.padEnd(8))} ${oneLine(value)}`),
    ...info.outsideActs.map(actText),
    ...info.notes.slice(-3).map(({ at, text }) => paint('yellow', `! ${at} ${text}`)),
    ...(turns ?? []).map((turn) => `\n${turnText(turn)}`),
    ...info.pendingCalls.flatMap((call) => callText(info.id, call)),
    ...info.pendingApprovals.map((request) => `\n${paint('yellow', '?')} ${requestText(info.id, request)}`),
    ...(turns === undefined ? ['\nStart a worker to read its turns.'] : []),
  ].join('\n');
}

function ratingText({ rating, ratings }: Analytics): string {
  if (rating === null) return '-';
  const last = ratings.at(-1);
  const said = last?.comment ? `, last: ${shorten(last.comment)}` : '';
  return `${rating.toFixed(1)} of 5 (${ratings.length}${said})`;
}

/** A call that is being retried, and why. Calls in their first attempt are not shown. */
function callText(sessionId: string, { id, state, attempt, lastError, nextAttemptAt, paused }: PendingCall): string[] {
  if (paused !== null) {
    const unpause = `temporal activity unpause --workflow-id ${sessionId} --activity-id ${id}`;
    return [paint('yellow', `\n⏸ ${id}: paused ${paused}. It waits for: ${unpause}`)];
  }
  if (lastError === null) return [];
  const when =
    state === 'running' ? 'runs' : `comes ${nextAttemptAt === null ? 'with the next worker' : `at ${nextAttemptAt}`}`;
  return [paint('yellow', `\n↻ ${id}: attempt ${attempt} ${when}. ${lastError.type}: ${lastError.message}`)];
}

function turnText(turn: TurnView): string {
  const how = turn.route === undefined ? '' : ` · ${turn.route}`;
  return [
    paint('bold', `Turn ${turn.number} · ${turn.status}${how}`),
    ...turn.steps.map(({ number, status, agent, task }) => `  ${number}. [${status}] ${shorten(task)} (${agent})`),
    ...(turn.reply === '' ? [] : [turn.reply]),
    ...(turn.error === undefined ? [] : [paint('red', `${turn.error.type}: ${turn.error.message}`)]),
    ...(turn.artifacts.length === 0 ? [] : [`Files: ${turn.artifacts.join(', ')}`]),
  ].join('\n');
}

export async function runTranscript(
  id: string,
  { json, from = '0', all = false }: CommonFlags & { readonly from?: string; readonly all?: boolean },
): Promise<void> {
  await withClient(async (client) => {
    const page = await client.session(id).transcript({ from: parseWholeNumber('--from', from), all });
    printResult(json, page, () => page.messages.map(messageText).join('\n\n') || 'No messages yet.');
  });
}

/** A message with the name of its author. */
export function messageText(message: Message): string {
  const who = message.role === 'user' ? 'you' : message.role === 'assistant' ? (message.agent ?? 'assistant') : 'tool';
  return [`${paint('bold', `${who}:`)} ${message.text}`, ...imagesOf(message).map(imageLine)].join('\n');
}

export async function runPlan(id: string, { json }: CommonFlags): Promise<void> {
  await withClient(async (client) => {
    const view = await client.session(id).plan();
    printResult(json, view, () => (view === null ? 'This session has no plan.' : planText(view)));
  });
}

export function planText({ number, steps, version }: PlanView): string {
  const lines = steps.flatMap((step) => [
    `${step.number}. [${step.status}] ${step.task} (${step.agent})`,
    ...(step.summary === '' ? [] : [paint('dim', `   ${shorten(step.summary, 200)}`)]),
  ]);
  return [paint('bold', `Plan of turn ${number}`), ...lines, paint('dim', `Version ${version}`)].join('\n');
}
