/** What a planned turn leaves in the workspace for people: its plan, its cost and its times. */
import { ActivityFailure, isCancellation } from '@temporalio/workflow';
import type { Json } from '../../contracts/json.ts';
import type { RunningTurn } from '../../contracts/session-state.ts';
import { activities } from '../activities.ts';
import type { LiveSession } from '../session/live-session.ts';
import { costOf } from '../views/cost.ts';
import { labelCall } from './agent/call.ts';

export async function writeTurnReports(session: LiveSession, turn: RunningTurn): Promise<void> {
  const { state } = session;
  const { workspace } = state.config;
  try {
    await session.calls.run(() =>
      activities.writeReports(labelCall(turn, 'reports'), {
        folder: `reports/turn-${turn.number}`,
        ...(workspace === undefined ? {} : { workspace }),
        files: {
          'plan.json': planReport(turn),
          'cost.json': costReport(session, turn),
          'timing.json': timeReport(turn),
        },
      }),
    );
  } catch (error) {
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    session.view.note(
      `The reports of turn ${turn.number} could not be written: ${error.cause?.message ?? error.message}`,
    );
  }
}

function planReport({ id, number, task, steps }: RunningTurn): Json {
  return {
    turn: number,
    turnId: id,
    task,
    steps: steps.map((step) => ({
      number: step.number,
      agent: step.agent,
      task: step.task,
      notes: step.notes,
      status: step.status,
      attempts: step.attempts,
      summary: step.summary,
      artifacts: step.artifacts,
    })),
  };
}

/** By agent and model, in tokens, calls and US dollars; null without a price. */
function costReport({ state }: LiveSession, { number, id, spent }: RunningTurn): Json {
  const { definition } = state.team;
  const total = costOf(spent, definition);
  return {
    turn: number,
    turnId: id,
    currency: 'USD',
    totalCost: total ?? null,
    byAgentAndModel: Object.fromEntries(
      Object.entries(spent).map(([who, usage]) => [
        who,
        { ...usage, cost: costOf({ [who]: usage }, definition) ?? null },
      ]),
    ),
  };
}

function timeReport({ number, id, startedAt, waitedMs, steps }: RunningTurn): Json {
  const now = new Date().toISOString();
  return {
    turn: number,
    turnId: id,
    startedAt,
    endedAt: now,
    totalMs: Date.parse(now) - Date.parse(startedAt ?? now),
    /** Spent waiting for people. */
    waitedMs,
    steps: steps.map((step) => ({
      number: step.number,
      agent: step.agent,
      startedAt: step.startedAt ?? null,
      endedAt: step.endedAt ?? null,
      ms:
        step.startedAt !== undefined && step.endedAt !== undefined
          ? Date.parse(step.endedAt) - Date.parse(step.startedAt)
          : null,
    })),
  };
}
