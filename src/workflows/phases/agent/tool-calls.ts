/** The calls of one round: people are asked if policies say so, then all that may run do so side by side. */
import { ASK_USER, type Judgement, MAKE_PLAN, REPORT_STEP } from '../../../contracts/activities.ts';
import { toFailure } from '../../../contracts/errors.ts';
import type { DeepReadonly, RunningTurn, RunningWork } from '../../../contracts/session-state.ts';
import { isOffered } from '../../../contracts/tool.ts';
import type { Message, ToolCall } from '../../../contracts/transcript.ts';
import type { LiveSession } from '../../session/live-session.ts';
import { hasBudget, mustAsk } from '../../session/policies.ts';
import type { AgentWork } from '../../session/turn/agent-work.ts';
import { oneLine } from '../../views/details.ts';
import { keepBudget } from './budget.ts';
import { findAgent } from './call.ts';
import { offeredTools, parsePlan, parseQuestion, parseReport, type WorkResult } from './engine-tools.ts';
import { type Ask, everyAnswer, settleCalls } from './outcomes.ts';
import { describeArguments, findUnknown, makeCall } from './run-call.ts';

/**
 * Answers the calls of the last round of `work`.
 * @returns the agent's report or plan, if that ended its work
 * @throws ContinuesAsNew while people are asked
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
  const needed = state.ends ? [] : calls.map((call, index) => questionAbout(session, turn, state, call, index, tools));
  // All are asked before anything runs: while people think, the session can continue as new.
  const verdicts = needed.some((ask) => ask !== undefined) ? await everyAnswer(needed) : [];
  const planned = calls.map((call, index) => {
    const verdict = verdicts[index];
    const judged = judgementOf(state, call);
    // A person may have given the call other arguments. It is made, settled and tried again with these.
    const given = verdict?.arguments === undefined ? call : { ...call, arguments: verdict.arguments };
    return { work, call: given, judged, tools, index, verdict };
  });
  const ends = state.ends ?? (await Promise.all(planned.map((one) => makeCall(session, turn, one))));
  const answers = await settleCalls(session, turn, { work, planned, ends });
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
  const judged = judgementOf(work, call);
  if (judged?.policy === 'deny') return undefined;
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
  if (findUnknown(turn, call)) return undefined; // it was allowed before
  if (!judged?.covers || !mustAsk(session.state, judged)) return undefined;
  const { category, covers } = judged;
  const { name } = call;
  const isCoverable = covers.tools.length > 0 || covers.rule !== undefined;
  return () =>
    session.requests.ask(turn, {
      key,
      kind: 'tool',
      question: `May ${work.agent} run ${oneLine(`${name} ${describeArguments(call.arguments)}`)}?`,
      options: ['once', ...(isCoverable ? (['session'] as const) : []), 'deny'],
      onExpiry: { outcome: 'deny', words: 'the agent is told that it may not' },
      tool: { name, category, arguments: call.arguments, covers },
      ...at,
    });
}

function judgementOf({ calls, judgements }: RunningWork, call: ToolCall): DeepReadonly<Judgement> | null {
  return judgements[calls.indexOf(call)] ?? null;
}
