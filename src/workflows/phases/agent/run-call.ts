/** One call of a tool: what is wrong with it, what it does, and how it ended. */
import { ActivityFailure, ApplicationFailure, isCancellation, sleep, TimeoutFailure } from '@temporalio/workflow';
import {
  ASK_USER,
  HANDOFF_PREFIX,
  type Judgement,
  MAKE_PLAN,
  type RunToolResult,
} from '../../../contracts/activities.ts';
import { fromFailure } from '../../../contracts/errors.ts';
import { type ImageReference, imagesField } from '../../../contracts/image.ts';
import { DEFAULT_HANDOFFS, MAX_CALL_ATTEMPTS } from '../../../contracts/limits.ts';
import type { CallEnd, DeepReadonly, RunningTurn, UnsettledCall } from '../../../contracts/session-state.ts';
import { isOffered, type ToolFacts } from '../../../contracts/tool.ts';
import type { ToolCall } from '../../../contracts/transcript.ts';
import { activities, type CallLabel } from '../../activities.ts';
import type { LiveSession } from '../../session/live-session.ts';
import { policiesOf } from '../../session/policies.ts';
import { tracedTurn } from '../../session/spans.ts';
import type { Answer } from '../../session/state/requests.ts';
import type { AgentWork } from '../../session/turn/agent-work.ts';
import { oneLine } from '../../views/details.ts';
import { markBlanks } from '../../../contracts/visible-text.ts';
import { labelCall } from './call.ts';
import { isEngineTool, rememberValue } from './engine-tools.ts';
import { beginningOf } from '../../../contracts/text-cut.ts';

export interface PlannedCall {
  readonly work: AgentWork;
  readonly call: ToolCall;
  readonly tools: readonly string[];
  readonly index: number;
  readonly verdict: Answer | undefined;
  /** What the worker that asked the model says of it. */
  readonly judged: DeepReadonly<Judgement> | null;
}

/** What an agent is shown of arguments that a person gave. */
const MAX_SHOWN_EDIT = 10_000;

/** Makes one call of a round, or says why not. The agent is told what goes wrong, since it can do something about it. */
export async function makeCall(session: LiveSession, turn: RunningTurn, planned: PlannedCall): Promise<CallEnd> {
  const { call, judged, verdict } = planned;
  const refusal = refusalOf(session, planned);
  if (refusal !== undefined) return answerTo(call, refusal);
  if (isEngineTool(call.name))
    return answerTo(call, withEdit(answerItself(session, turn, planned), callOf(planned)), verdict?.images);
  if (!judged) return answerTo(call, notCalled(call, 'the worker does not know this tool'));
  const unsettled = findUnknown(turn, call);
  if (unsettled) return { unsettled };
  const end = await runTool(session, turn, planned);
  // A call that was stopped, and is made again later, counts once.
  session.spending.countToolCall(planned.work.state.agent);
  return end;
}

/** Why a call is not made, for the agent; undefined if nothing is against it. */
function refusalOf(session: LiveSession, { call, judged, tools, verdict }: PlannedCall): string | undefined {
  if (!isOffered(tools, call.name)) {
    return `There is no tool "${call.name}" here. Tools: ${tools.join(', ') || 'none'}.`;
  }
  if (call.problem !== undefined) {
    return `${call.name} was not called: ${call.problem}. Call it again with all its arguments as a JSON object.`;
  }
  if (judged?.policy === 'deny') {
    if (judged.ceiling !== undefined) noteRefusal(session, call, judged.reason);
    return notCalled(call, judged.reason);
  }
  // An answer that nobody gave is told by `ask_user` itself.
  if (verdict?.decision !== 'deny' || call.name === ASK_USER) return undefined;
  const reason = verdict.text === undefined ? '' : `: ${verdict.text}`;
  return `${verdict.by} does not allow this call${reason}. Do without it, or say what cannot be done.`;
}

function notCalled({ name }: ToolCall, reason = 'it is not allowed'): string {
  return `${name} was not called: ${reason}. Do without it, or say what cannot be done.`;
}

/** Tells people of a call that no decision of theirs could allow. */
function noteRefusal(session: LiveSession, call: ToolCall, reason = ''): void {
  session.view.note(`${oneLine(`${call.name} ${describeArguments(call.arguments)}`)} was not called: ${reason}`);
}

/** What is called, and who gave it other arguments. */
function callOf(
  { call, verdict }: PlannedCall,
  again?: UnsettledCall,
): Pick<UnsettledCall, 'tool' | 'arguments' | 'editedBy'> {
  const editedBy = verdict?.arguments === undefined ? again?.editedBy : verdict.by;
  return { tool: call.name, arguments: call.arguments, ...(editedBy === undefined ? {} : { editedBy }) };
}

/** Tells the agent that a person changed its call, and to what. */
export function withEdit(
  text: string,
  { editedBy, arguments: given }: Pick<UnsettledCall, 'editedBy' | 'arguments'>,
): string {
  if (editedBy === undefined) return text;
  const cut =
    given.length > MAX_SHOWN_EDIT
      ? `${beginningOf(given, MAX_SHOWN_EDIT)} [cut after ${MAX_SHOWN_EDIT} of ${given.length} characters]`
      : given;
  return `[${editedBy} changed the arguments of this call. It ran with ${cut} instead of yours.]\n\n${text}`;
}

/** The same call, if nobody has said yet whether it took effect. People are asked about that one. */
export function findUnknown(turn: RunningTurn, call: ToolCall): UnsettledCall | undefined {
  return turn.unknownCalls.find(({ tool, arguments: text }) => tool === call.name && text === call.arguments);
}

export function answerTo({ id }: ToolCall, text: string, images?: readonly ImageReference[]): CallEnd {
  return { answer: { role: 'tool', toolCallId: id, text, ...imagesField(images) } };
}

/** Waits for a worker that has the tool. Without outside effects, the server itself makes these attempts. */
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000];

/** Runs a tool. @param again the call whose next attempt this is */
export async function runTool(
  session: LiveSession,
  turn: RunningTurn,
  planned: PlannedCall,
  again?: UnsettledCall,
): Promise<CallEnd> {
  const { work, call, index, judged: facts, verdict } = planned;
  const { part, rounds, step } = work.state;
  const what = oneLine(`${call.name} ${describeArguments(call.arguments)}`);
  const label = labelCall(turn, `${part}/${rounds}/${index + 1}`, step === undefined ? what : `step ${step} · ${what}`);
  if (!facts) throw new TypeError(`${call.name} runs without facts`); // `makeCall` has looked
  // Who says that a call is tried again approves it.
  const isApproved = verdict !== undefined || again !== undefined;
  const called = callOf(planned, again);
  const one = { session, turn, work, call, what, label, facts, isApproved, key: again?.key ?? label.activityId };
  let misses = 0;
  for (let attempt = (again?.attempt ?? 0) + 1; ; attempt++) {
    const startedAt = new Date().toISOString();
    const unsettled = (problem: string): CallEnd => {
      const unknown = { ...called, key: one.key, attempt, startedAt, problem };
      session.turns.addUnknownCall(unknown);
      return { unsettled: unknown };
    };
    let result: RunToolResult;
    try {
      result = await runOnce(one, attempt);
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
      if (isCancellation(error)) {
        if (facts.effects === 'external') unsettled('it was stopped while it ran');
        throw error;
      }
      const lack = fromFailure(error);
      if (lack?.type !== 'ToolMissing') return answerTo(call, `${call.name} failed: ${messageOf(error)}`);
      const pauseMs = facts.effects === 'external' ? PAUSES_MS[misses++] : undefined;
      if (pauseMs === undefined) {
        noteRefusal(session, call, lack.message);
        return answerTo(call, notCalled(call, lack.message.replace(/\.$/, '')));
      }
      await session.calls.run(() => sleep(pauseMs));
      continue;
    }
    if (result.status === 'unknown') return unsettled(result.text);
    if (result.status === 'not-begun') {
      if (attempt < MAX_CALL_ATTEMPTS + (again?.attempt ?? 0)) continue;
      return answerTo(call, `${call.name} did not begin: its worker stopped ${attempt} times before it could.`);
    }
    session.turns.settleCall(one.key);
    session.turns.addArtifacts(result.artifacts, step);
    if (facts.effects === 'external' && result.status === 'ok') session.turns.addEffect(part, what);
    if (result.status === 'refused') {
      noteRefusal(session, call, result.text);
      return answerTo(call, notCalled(call, result.text));
    }
    return answerTo(call, withEdit(result.text, called), result.images);
  }
}

interface OneCall {
  readonly session: LiveSession;
  readonly turn: RunningTurn;
  readonly work: AgentWork;
  readonly call: ToolCall;
  readonly what: string;
  readonly label: CallLabel;
  readonly facts: Pick<ToolFacts, 'effects' | 'timeoutMs'>;
  readonly isApproved: boolean;
  readonly key: string;
}

/** One attempt. If its worker was cut off, another one finds out what became of it. */
async function runOnce(one: OneCall, attempt: number): Promise<RunToolResult> {
  const { session, turn, work, call, what, label, facts, key } = one;
  const { config, team } = session.state;
  const { step } = work.state;
  const { activityId } = label;
  const at = { turnId: turn.id, ...(step === undefined ? {} : { step }) };
  const isExternal = facts.effects === 'external';
  const input = {
    tool: call.name,
    arguments: call.arguments,
    key,
    ...tracedTurn(turn),
    ...(step === undefined ? {} : { step }),
    digest: team.digest,
    policies: policiesOf(session.state),
    isApproved: one.isApproved,
    ...(isExternal ? { attempt } : {}),
    ...(config.workspace === undefined ? {} : { workspace: config.workspace }),
  };
  let status: 'ok' | 'failed' | 'unknown' = 'failed';
  const ended = (result: RunToolResult): RunToolResult => {
    status = result.status === 'not-begun' || result.status === 'refused' ? 'failed' : result.status;
    return result;
  };
  try {
    return ended(
      await session.calls.run(
        () => {
          session.forms.begin(key, { turn, agent: work.state.agent, ...(step === undefined ? {} : { step }) });
          session.view.record({ type: 'tool-started', ...at, activityId, tool: call.name, summary: what });
          return activities.runTool(label, facts, input);
        },
        { isStoppable: !isExternal },
      ),
    );
  } catch (error) {
    if (!isExternal || !(error instanceof ActivityFailure) || isCancellation(error) || !wasCutOff(error)) throw error;
    const hasAsked = session.forms.isWaiting(key);
    const settled = await settle(one, input);
    const wasWaiting = hasAsked && settled.status === 'unknown';
    return ended(
      wasWaiting ? { ...settled, text: `${settled.text}, before anybody had answered what it asked` } : settled,
    );
  } finally {
    session.forms.end(key);
    session.view.record({ type: 'tool-ended', ...at, activityId, status });
  }
}

async function settle(
  { session, label, facts }: OneCall,
  input: Parameters<typeof activities.settleTool>[2],
): Promise<RunToolResult> {
  const settling = { activityId: `${label.activityId}/outcome`, summary: oneLine(`${label.summary} · its outcome`) };
  try {
    return await session.calls.run(() => activities.settleTool(settling, facts, input));
  } catch (error) {
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    const problem = `its worker stopped while it ran, and its outcome could not be found out: ${messageOf(error)}`;
    return { status: 'unknown', text: problem, artifacts: [], worker: '' };
  }
}

function messageOf(error: ActivityFailure): string {
  return fromFailure(error)?.message ?? error.cause?.message ?? error.message;
}

/** Type of the failure that Temporal's workers report for an activity that they cut off because they stop. */
const WORKER_SHUTDOWN = 'WorkerShutdown';

/** Whether nobody knows how far the call came: its worker died or stopped while it ran. */
function wasCutOff({ cause }: ActivityFailure): boolean {
  return cause instanceof TimeoutFailure || (cause instanceof ApplicationFailure && cause.type === WORKER_SHUTDOWN);
}

/** Tools that need nothing from outside. */
function answerItself(session: LiveSession, turn: RunningTurn, { work, call, verdict }: PlannedCall): string {
  if (call.name === MAKE_PLAN) return 'There is one plan for a message, and it is the first.';
  if (call.name.startsWith(HANDOFF_PREFIX)) return handOff(session, turn, work, call);
  if (call.name !== ASK_USER) return rememberValue(session, work, call);
  if (!verdict) return `${ASK_USER} takes {"question": text}. Call it again.`;
  if (verdict.decision === 'deny')
    return 'Nobody answered in time. Go on with what you know, and say what you assumed.';
  return `${verdict.by} answers: ${verdict.text ?? ''}`;
}

/** Gives the work to another agent, which goes on in the same thread. */
function handOff(session: LiveSession, turn: RunningTurn, work: AgentWork, { name }: ToolCall): string {
  const to = name.slice(HANDOFF_PREFIX.length);
  const limit = session.state.team.definition.limits.handoffs ?? DEFAULT_HANDOFFS;
  const { handoffs, agent: from, phase, step } = work.state;
  if (handoffs >= limit) {
    return `This work was handed over ${limit} times already, and no more are allowed. Finish it yourself, or say what cannot be done.`;
  }
  work.handOver(to);
  if (phase === 'one-shot') session.turns.setAgent(to);
  session.view.record({
    type: 'handed-off',
    turnId: turn.id,
    from,
    to,
    ...(step === undefined ? {} : { step }),
  });
  return `Handed over: ${to} goes on from here.`;
}

/** The values of a call's arguments, shortened to one line. */
export function describeArguments(argumentsText: string): string {
  try {
    const values: unknown = JSON.parse(argumentsText);
    if (typeof values === 'object' && values !== null) {
      return Object.values(values)
        .filter((value) => typeof value === 'string' || typeof value === 'number')
        .map((value) => oneLine(markBlanks(String(value)), 40))
        .join(' ');
    }
  } catch {
    // Not JSON: shown as it is.
  }
  return oneLine(markBlanks(argumentsText), 40);
}
