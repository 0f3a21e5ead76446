/** The tools that the engine answers itself, as far as they take arguments. */
import { z } from 'zod';
import { REMEMBER, REPORT_STEP, type StepReport } from '../../contracts/activities.ts';
import { ContextKey } from '../../contracts/context.ts';
import { Json } from '../../contracts/json.ts';
import type { Work } from '../../contracts/session.ts';
import type { ToolCall } from '../../contracts/transcript.ts';
import { problemOf } from '../check.ts';
import type { LiveSession } from '../live-session.ts';

const Report = z.object({ status: z.enum(['done', 'failed']), summary: z.string() });
const Question = z.object({ question: z.string().trim().min(1).max(4_000) });
const Remembered = z.object({ key: ContextKey, value: Json });

/** Written by the phases of a turn. */
const ENGINE_KEYS = ['route', 'plan', 'results', 'initial_task', 'current_task'];

export function parseReport(call: ToolCall): { report?: StepReport; problem?: string } {
  const parsed = Report.safeParse(json(call.arguments));
  return parsed.success
    ? { report: parsed.data }
    : { problem: `${REPORT_STEP} takes {"status": "done" or "failed", "summary": text}. Call it again.` };
}

/** What the agent asks the person, or undefined where it asks nothing. */
export function parseQuestion(call: ToolCall): string | undefined {
  return Question.safeParse(json(call.arguments)).data?.question;
}

/** Keeps a value for the context, which takes it when the work has ended well. @returns what the agent is told */
export function rememberValue(session: LiveSession, work: Work, call: ToolCall): string {
  const parsed = Remembered.safeParse(json(call.arguments));
  if (!parsed.success) {
    return `${REMEMBER} takes {"key": text, "value": any JSON}; ${problemOf(parsed.error)}. Call it again.`;
  }
  const { key, value } = parsed.data;
  if (ENGINE_KEYS.includes(key)) return `Not remembered: "${key}" is written by the session itself. Use another key.`;
  const problem = session.phaseContext.problem(key, value);
  if (problem !== undefined) return `Not remembered: ${problem}`;
  work.remembered[key] = value;
  return `Remembered as "${key}".`;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: refused like any other wrong form.
    return undefined;
  }
}
