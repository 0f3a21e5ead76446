/** The tools that the engine answers itself. */
import { z } from 'zod';
import {
  ASK_USER,
  HANDOFF_PREFIX,
  MAKE_PLAN,
  REMEMBER,
  REPORT_STEP,
  type StepReport,
} from '../../../contracts/activities.ts';
import { ContextKey, isReservedKey } from '../../../contracts/context.ts';
import { Json, parseJson } from '../../../contracts/json.ts';
import { MAX_REPLY_TEXT, MAX_SUMMARY } from '../../../contracts/limits.ts';
import type { RunningTurn, RunningWork } from '../../../contracts/session-state.ts';
import type { ResolvedTeam } from '../../../contracts/team.ts';
import type { ProviderData, ToolCall } from '../../../contracts/transcript.ts';
import { checkPlan, type PlannedStep, PlanProposal } from '../../../contracts/turn.ts';
import { describeIssue } from '../../input-check.ts';
import type { LiveSession } from '../../session/live-session.ts';
import { offerable } from '../../session/policies.ts';
import type { AgentWork } from '../../session/turn/agent-work.ts';
import { findAgent } from './call.ts';
import { beginningOf } from '../../../contracts/text-cut.ts';

/** How an agent's work ended. */
export interface WorkResult extends StepReport {
  /** The plan that the agent made of the message instead of answering it. */
  readonly plan?: readonly PlannedStep[];
  /** What the provider needs back with the summary, if that is the model's own text. */
  readonly providerData?: ProviderData;
}

const Report = z.object({
  status: z.enum(['done', 'failed']),
  summary: z.string(),
  answer: z.string().trim().min(1).optional().catch(undefined),
  result: Json.optional(),
});
const Question = z.object({ question: z.string().trim().min(1).max(4_000) });
const Remembered = z.object({ key: ContextKey, value: Json });

/** @param hasResult whether the agent's results have a schema: then they are part of the summary */
export function parseReport(call: ToolCall, hasResult: boolean): { report?: StepReport; problem?: string } {
  const parsed = Report.safeParse(parseJson(call.arguments));
  if (!parsed.success) return { problem: `${REPORT_STEP} takes {"status": "done" or "failed", "summary": text}` };
  const { status, summary, answer, result } = parsed.data;
  const reply = answer === undefined || status === 'failed' ? {} : { answer: beginningOf(answer, MAX_REPLY_TEXT) };
  if (!hasResult || result === undefined) return { report: { status, summary, ...reply } };
  const text = JSON.stringify(result);
  return { report: { status, summary: `${beginningOf(summary, MAX_SUMMARY - text.length - 2)}\n\n${text}`, ...reply } };
}

/**
 * Whether the report of a step may bring the reply of the turn: nothing runs after it or beside it, and the answering
 * agent has no form of its own for replies.
 */
export function mayAnswer({ state }: LiveSession, { steps }: RunningTurn, number: number | undefined): boolean {
  const { agents, answering } = state.team.definition;
  return number === steps.length && steps.at(-1)?.alongside === false && agents[answering.agent]?.output === undefined;
}

/** The plan that an agent made of the message it routes; `problem` says what is wrong with it. */
export function parsePlan(
  { definition }: Pick<ResolvedTeam, 'definition'>,
  call: ToolCall,
): { plan?: readonly PlannedStep[]; problem?: string } {
  const parsed = PlanProposal.safeParse(parseJson(call.arguments));
  if (!parsed.success)
    return { problem: `${MAKE_PLAN} takes {"steps": [{"agent", "task", "notes"}]}; ${describeIssue(parsed.error)}` };
  const { steps } = parsed.data;
  const problem = checkPlan(steps, definition);
  return problem === undefined ? { plan: steps } : { problem };
}

/** What the agent asks the person; undefined if the call has no question. */
export function parseQuestion(call: ToolCall): string | undefined {
  return Question.safeParse(parseJson(call.arguments)).data?.question;
}

/** Keeps a value for the context until the work has ended well. @returns what the agent is told */
export function rememberValue(session: LiveSession, work: AgentWork, call: ToolCall): string {
  const parsed = Remembered.safeParse(parseJson(call.arguments));
  if (!parsed.success) {
    return `${REMEMBER} takes {"key": text, "value": any JSON}; ${describeIssue(parsed.error)}. Call it again.`;
  }
  const { key, value } = parsed.data;
  if (isReservedKey(key)) return `Not remembered: "${key}" is written by the session itself. Use another key.`;
  const problem = session.phaseContext.problem(key, value);
  if (problem !== undefined) return `Not remembered: ${problem}`;
  work.remember(key, value);
  return `Remembered as "${key}".`;
}

/** Names of the tools on offer: the agent's own ones that policies allow, and its hand-offs. */
export function offeredTools(session: LiveSession, work: Pick<RunningWork, 'phase' | 'agent' | 'routes'>): string[] {
  const { phase, agent, routes = false } = work;
  // The final answer is written from what the steps report.
  if (phase === 'answer') return [];
  const { tools, handoffs } = findAgent(session, agent);
  return [
    ...offerable(session.state, tools),
    ...(routes ? [MAKE_PLAN, ...(tools.includes(ASK_USER) ? [] : [ASK_USER])] : []),
    ...handoffs.map((id) => HANDOFF_PREFIX + id),
  ];
}

/** Whether the engine itself answers calls of this tool. */
export function isEngineTool(name: string): boolean {
  return name === ASK_USER || name === REMEMBER || name === MAKE_PLAN || name.startsWith(HANDOFF_PREFIX);
}
