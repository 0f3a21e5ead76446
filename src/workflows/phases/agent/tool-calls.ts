/** The calls of one round: people are asked if policies say so, then all that may run do so side by side. */
import { ActivityFailure, ApplicationFailure, isCancellation, TimeoutFailure } from '@temporalio/workflow';
import { ASK_USER, HANDOFF_PREFIX, MAKE_PLAN, REPORT_STEP } from '../../../contracts/activities.ts';
import { fromFailure, toFailure } from '../../../contracts/errors.ts';
import { DEFAULT_HANDOFFS } from '../../../contracts/limits.ts';
import type { RunningTurn, RunningWork } from '../../../contracts/session-state.ts';
import { toolFacts } from '../../../contracts/team.ts';
import { isOffered } from '../../../contracts/tool.ts';
import type { Message, ToolCall } from '../../../contracts/transcript.ts';
import { activities } from '../../activities.ts';
import type { LiveSession } from '../../session/live-session.ts';
import { hasBudget, toolPolicy } from '../../session/policies.ts';
import { type Answer, MoveOn } from '../../session/state/requests.ts';
import type { AgentWork } from '../../session/turn/agent-work.ts';
import { oneLine } from '../../views/details.ts';
import { keepBudget } from './budget.ts';
import { findAgent, labelCall } from './call.ts';
import {
  isEngineTool,
  offeredTools,
  parsePlan,
  parseQuestion,
  parseReport,
  rememberValue,
  type WorkResult,
} from './engine-tools.ts';

type Ask = () => Promise<Answer>;

/**
 * Answers the calls of the last round of `work`.
 * @returns the agent's report or plan, if that ended its work
 * @throws MoveOn while people are asked
 */
export async function answerCalls(
  session: LiveSession,
  turn: RunningTurn,
  work: AgentWork,
): Promise<WorkResult | undefined> {
  const { state } = work;
  const report = state.calls.find(({ name }) => name === REPORT_STEP);
  const planCall = state.routes ? state.calls.find(({ name }) => name === MAKE_PLAN) : undefined;
  const calls = state.calls.filter((call) => call !== planCall && call.name !== REPORT_STEP);
  if (hasBudget(session.state) && calls.length > 0) await keepBudget(session, turn, state.step);
  const tools = offeredTools(session, state);
  const needed = calls.map((call, index) => questionAbout(session, turn, state, call, index, tools));
  // All are asked before anything runs: while people think, the session can move to its next run.
  const verdicts = needed.some((ask) => ask !== undefined) ? await everyAnswer(needed) : [];
  const answers = await Promise.all(
    calls.map((call, index) => runCall(session, turn, { work, call, tools, index, verdict: verdicts[index] })),
  );
  if (planCall) return takePlan(session, work, planCall, answers);
  if (!report) {
    work.answerCalls(withoutRepetition(work, calls, answers));
    return undefined;
  }
  const parsed = parseReport(report, findAgent(session, state.agent).output !== undefined);
  const problem = state.problem ?? parsed.problem;
  if (problem === undefined) return parsed.report;
  const text = `${problem}. Call ${REPORT_STEP} again.`;
  work.answerCalls([...answers, { role: 'tool', toolCallId: report.id, text }]);
  return undefined;
}

/** @returns the plan that the agent made of the message; undefined if it has to make another */
function takePlan(
  session: LiveSession,
  work: AgentWork,
  call: ToolCall,
  answers: readonly Message[],
): WorkResult | undefined {
  const { plan, problem = '' } = parsePlan(session.state.team, call);
  if (plan) return { status: 'done', summary: '', plan };
  work.answerCalls([...answers, { role: 'tool', toolCallId: call.id, text: `${problem}. Call ${MAKE_PLAN} again.` }]);
  return undefined;
}

/** Rounds in a row with the same calls and the same results: at the second the agent is told, at the third it ends. */
const MAX_REPETITIONS = 3;

/** @throws InvalidModelOutput if the agent makes the same calls with the same results again and again */
function withoutRepetition(work: AgentWork, calls: readonly ToolCall[], answers: readonly Message[]): Message[] {
  const times = work.countRepetition(calls, answers);
  if (times >= MAX_REPETITIONS) {
    throw toFailure('InvalidModelOutput', {
      what: `work of agent ${work.state.agent}`,
      problem: `it calls ${calls.map(({ name }) => name).join(', ')} in the same way again and again`,
    });
  }
  if (times < 2) return [...answers];
  const remark =
    'This is the same call with the same result as before. Do something else, or answer with what you know.';
  return answers.map((answer, index) => (index === 0 ? { ...answer, text: `${answer.text}\n\n[${remark}]` } : answer));
}

/** Asks everything and waits for all answers, so that the failure of one leaves no other behind. */
async function everyAnswer(questions: readonly (Ask | undefined)[]): Promise<(Answer | undefined)[]> {
  const ends = await Promise.allSettled(questions.map(async (ask) => await ask?.()));
  const reasons = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
  const reason = reasons.find((other) => !(other instanceof MoveOn)) ?? reasons[0];
  if (reason !== undefined) throw reason;
  return ends.map((end) => (end.status === 'fulfilled' ? end.value : undefined));
}

/** How to ask the person about a call; undefined if it needs no decision. */
function questionAbout(
  session: LiveSession,
  turn: RunningTurn,
  work: RunningWork,
  call: ToolCall,
  index: number,
  tools: readonly string[],
): Ask | undefined {
  if (!isOffered(tools, call.name) || call.problem !== undefined) return undefined;
  const key = `${work.part}/${work.rounds}/${index + 1}`;
  const at = { agent: work.agent, ...(work.step === undefined ? {} : { step: work.step }) };
  if (call.name === ASK_USER) {
    const question = parseQuestion(call);
    if (question === undefined) return undefined;
    return () =>
      session.requests.ask(turn, {
        key,
        kind: 'input',
        question,
        options: ['answer'],
        onExpiry: { outcome: 'deny', words: 'the agent is told that nobody answered' },
        ...at,
      });
  }
  const facts = toolFacts(session.state.team.definition, call.name);
  if (!facts || toolPolicy(session.state, call.name) !== 'ask') return undefined;
  const { name, category } = facts;
  return () =>
    session.requests.ask(turn, {
      key,
      kind: 'tool',
      question: `May ${work.agent} run ${oneLine(`${name} ${describe(call.arguments)}`)}?`,
      options: ['once', 'session', 'deny'],
      onExpiry: { outcome: 'deny', words: 'the agent is told that it may not' },
      tool: { name, category, arguments: call.arguments },
      ...at,
    });
}

interface PlannedCall {
  readonly work: AgentWork;
  readonly call: ToolCall;
  readonly tools: readonly string[];
  readonly index: number;
  readonly verdict: Answer | undefined;
}

/** One tool call. The agent is told what goes wrong, since it can do something about it. */
async function runCall(session: LiveSession, turn: RunningTurn, action: PlannedCall): Promise<Message> {
  const { call, tools, verdict } = action;
  const work = action.work.state;
  const answer = (text: string): Message => ({ role: 'tool', toolCallId: call.id, text });
  if (!isOffered(tools, call.name)) {
    return answer(`There is no tool "${call.name}" here. Tools: ${tools.join(', ') || 'none'}.`);
  }
  if (call.problem !== undefined) {
    return answer(
      `${call.name} was not called: ${call.problem}. Call it again with all its arguments as a JSON object.`,
    );
  }
  if (isEngineTool(call.name)) return answer(answerItself(session, turn, action));
  if (verdict?.decision === 'deny') {
    const reason = verdict.text === undefined ? '' : `: ${verdict.text}`;
    return answer(`${verdict.by} does not allow this call${reason}. Do without it, or say what cannot be done.`);
  }
  const facts = toolFacts(session.state.team.definition, call.name);
  const at = { turnId: turn.id, ...(work.step === undefined ? {} : { step: work.step }) };
  const what = oneLine(`${call.name} ${describe(call.arguments)}`);
  const part = `${work.part}/${work.rounds}/${action.index + 1}`;
  const name = labelCall(turn, part, work.step === undefined ? what : `step ${work.step} · ${what}`);
  const { activityId } = name;
  const { config, team } = session.state;
  session.spending.countToolCall(work.agent);
  let status: 'ok' | 'failed' | 'unknown' = 'failed';
  try {
    if (!facts) throw new TypeError(`${call.name} is offered and not known`); // offered tools are the team's
    const result = await session.calls.run(
      () => {
        session.view.record({ type: 'tool-started', ...at, activityId, tool: call.name, summary: what });
        return activities.runTool(name, facts, {
          tool: call.name,
          arguments: call.arguments,
          key: activityId,
          digest: team.digest,
          ...(config.workspace === undefined ? {} : { workspace: config.workspace }),
        });
      },
      { isStoppable: facts.effects === 'none' },
    );
    ({ status } = result);
    session.turns.addArtifacts(result.artifacts, work.step);
    return answer(result.text);
  } catch (error) {
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    if (facts?.effects === 'external' && wasCutOff(error)) {
      status = 'unknown';
      return answer(
        'The worker stopped while this ran: its outcome is unknown. Find out what happened before you repeat it.',
      );
    }
    return answer(`${call.name} failed: ${fromFailure(error)?.message ?? error.cause?.message ?? error.message}`);
  } finally {
    session.view.record({ type: 'tool-ended', ...at, activityId, status });
  }
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
