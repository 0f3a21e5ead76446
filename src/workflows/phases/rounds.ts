/** The loop of an agent at work: a round of the model, then the tools it asked for, until it is done. */
import { ActivityFailure, CancelledFailure, isCancellation, TimeoutFailure } from '@temporalio/workflow';
import { REPORT_STEP, type RunAgentInput, type RunAgentResult, type StepReport } from '../../contracts/activities.ts';
import { fromFailure, toFailure } from '../../contracts/errors.ts';
import { addUsage } from '../../contracts/json.ts';
import type { Turn } from '../../contracts/session.ts';
import { advance, EMPTY_TRANSCRIPT, type Message, type ToolCall } from '../../contracts/transcript.ts';
import { activities } from '../activities.ts';
import { oneLine } from '../views/details.ts';
import type { LiveSession } from '../live-session.ts';
import { agentCall, findAgent, label } from './call.ts';

export interface Work {
  readonly phase: RunAgentInput['phase'];
  readonly agent: string;
  /** Names the calls: `work`, `step-2`, `step-2.3` for its third attempt, `answer`. */
  readonly part: string;
  readonly step?: number;
  readonly first: Message;
  readonly tools: readonly string[];
}

/** Rounds of an agent after which the context is kept by itself. */
const CHECKPOINT_ROUNDS = 5;

/** Names of the agent's tools that this session allows. */
export function allowedTools(session: LiveSession, agentId: string): string[] {
  const { definition } = session.state.team;
  return findAgent(session, agentId).tools.filter(
    (name) => definition.tools[name]?.category !== 'code' || session.state.config.allowCode === true,
  );
}

/**
 * Runs the loop.
 * @throws LimitReached after the agent's last round; whatever a model call ends with
 */
export async function runRounds(session: LiveSession, turn: Turn, work: Work): Promise<StepReport> {
  const limit = findAgent(session, work.agent).limits.rounds ?? session.state.team.definition.limits.rounds;
  const thread = { id: `${turn.id}/${work.part}`, address: EMPTY_TRANSCRIPT, messages: [] as Message[] };
  turn.thread = thread;
  let tail: Message[] = [work.first];
  for (let round = 1; round <= limit; round++) {
    session.context.maybeCheckpoint(round, CHECKPOINT_ROUNDS, new Date().toISOString());
    const reply = await think(session, turn, work, round, tail);
    const said: Message = {
      role: 'assistant',
      text: reply.text,
      ...(reply.toolCalls.length === 0 ? {} : { toolCalls: [...reply.toolCalls] }),
    };
    thread.address = advance(thread.address, [...tail, said]);
    thread.messages.push(...tail, said);
    const report = reply.toolCalls.find(({ name }) => name === REPORT_STEP);
    const calls = reply.toolCalls.filter(({ name }) => name !== REPORT_STEP);
    if (reply.toolCalls.length === 0) return { status: 'done', summary: reply.text };
    tail = await Promise.all(calls.map((call, index) => act(session, turn, work, call, `${round}/${index + 1}`)));
    const parsed = report && parseReport(report);
    if (parsed?.report) return parsed.report;
    if (report) tail.push({ role: 'tool', toolCallId: report.id, text: parsed?.problem ?? '' });
  }
  throw toFailure('LimitReached', { limit, what: `rounds of agent ${work.agent}` });
}

/** One round of the model. Its text so far can be followed while it runs. */
async function think(
  session: LiveSession,
  turn: Turn,
  work: Work,
  round: number,
  tail: readonly Message[],
): Promise<RunAgentResult> {
  const { phase, agent, part, step } = work;
  const at = { turnId: turn.id, ...(step === undefined ? {} : { step }) };
  const name = label(turn, `${part}/${round}`, `${step === undefined ? phase : `step ${step}`} · ${agent}`);
  const { activityId } = name;
  const input = {
    ...agentCall(session, turn, agent),
    phase,
    thread: { id: turn.thread?.id ?? '', address: turn.thread?.address ?? EMPTY_TRANSCRIPT },
    tail,
    tools: work.tools,
  };
  const isPartial = (result: RunAgentResult) => result.finish === 'interrupted';
  const reply = await session.call(
    () => {
      session.record({ type: 'model-started', ...at, activityId, agent });
      return activities.runAgent(name, input);
    },
    { isPartial },
  );
  session.countUsage(turn, agent, reply);
  session.record({ type: 'model-ended', ...at, activityId, text: reply.text });
  if (isPartial(reply)) {
    if (phase !== 'step') turn.reply = reply.text;
    throw new CancelledFailure('interrupted');
  }
  return reply;
}

/** One tool call. What goes wrong is told to the agent, which can do something about it. */
async function act(session: LiveSession, turn: Turn, work: Work, call: ToolCall, part: string): Promise<Message> {
  const facts = session.state.team.definition.tools[call.name];
  const answer = (text: string): Message => ({ role: 'tool', toolCallId: call.id, text });
  if (!facts || !work.tools.includes(call.name)) {
    return answer(`There is no tool "${call.name}" here. Tools: ${work.tools.join(', ') || 'none'}.`);
  }
  const at = { turnId: turn.id, ...(work.step === undefined ? {} : { step: work.step }) };
  const what = oneLine(`${call.name} ${describe(call.arguments)}`);
  const name = label(turn, `${work.part}/${part}`, work.step === undefined ? what : `step ${work.step} · ${what}`);
  const { activityId } = name;
  turn.usage = addUsage(turn.usage, { toolCalls: 1 });
  session.countTool(work.agent);
  const input = {
    tool: call.name,
    arguments: call.arguments,
    key: activityId,
    ...(session.state.config.workspace === undefined ? {} : { workspace: session.state.config.workspace }),
  };
  let status: 'ok' | 'failed' | 'unknown' = 'failed';
  try {
    const isStoppable = facts.effects === 'none';
    const result = await session.call(
      () => {
        session.record({ type: 'tool-started', ...at, activityId, tool: call.name, summary: what });
        return activities.runTool(name, facts, input);
      },
      { isStoppable },
    );
    ({ status } = result);
    addArtifacts(turn, work, result.artifacts);
    return answer(result.text);
  } catch (error) {
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    if (facts.effects === 'external' && error.cause instanceof TimeoutFailure) {
      status = 'unknown';
      return answer(
        'The worker stopped while this ran: its outcome is unknown. Find out what happened before you repeat it.',
      );
    }
    return answer(`${call.name} failed: ${fromFailure(error)?.message ?? error.cause?.message ?? error.message}`);
  } finally {
    session.record({ type: 'tool-ended', ...at, activityId, status });
  }
}

function addArtifacts(turn: Turn, work: Work, paths: readonly string[]): void {
  turn.artifacts = [...new Set([...turn.artifacts, ...paths])];
  const step = turn.steps.find(({ number }) => number === work.step);
  if (step) step.artifacts = [...new Set([...step.artifacts, ...paths])];
}

function parseReport(call: ToolCall): { report?: StepReport; problem?: string } {
  try {
    const { status, summary } = JSON.parse(call.arguments) as Partial<Record<keyof StepReport, unknown>>;
    if ((status === 'done' || status === 'failed') && typeof summary === 'string')
      return { report: { status, summary } };
  } catch {
    // Not JSON: answered below like any other wrong form.
  }
  return { problem: `${REPORT_STEP} takes {"status": "done" or "failed", "summary": text}. Call it again.` };
}

/** The values of a call's arguments, as far as they fit in a line. */
function describe(argumentsText: string): string {
  try {
    const values: unknown = JSON.parse(argumentsText);
    if (typeof values === 'object' && values !== null) {
      return Object.values(values)
        .filter((value) => typeof value === 'string' || typeof value === 'number')
        .map((value) => oneLine(String(value), 40))
        .join(' ');
    }
  } catch {
    // Not JSON: shown as it is.
  }
  return oneLine(argumentsText, 40);
}
