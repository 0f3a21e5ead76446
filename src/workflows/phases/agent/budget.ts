/** Pauses a turn that has used up a part of its budget. */
import { workflowInfo } from '@temporalio/workflow';
import { toFailure } from '../../../contracts/errors.ts';
import type { RunningTurn, SessionView } from '../../../contracts/session-state.ts';
import type { Budget } from '../../../contracts/team.ts';
import type { LiveSession } from '../../session/live-session.ts';
import { budgetOf } from '../../session/policies.ts';
import { costOf } from '../../views/cost.ts';

const WORDS: Record<keyof Budget, string> = {
  tokens: 'tokens',
  cost: 'US dollars',
  toolCalls: 'tool calls',
  wallTimeMs: 'milliseconds',
  rounds: 'model calls',
};

/**
 * Waits until somebody raises the limit that the turn has reached, if it has.
 * @throws BudgetReached if somebody stops it; also what `Requests.ask` throws
 */
export async function keepBudget(session: LiveSession, turn: RunningTurn, step?: number): Promise<void> {
  for (;;) {
    const reached = firstReached(session.state, turn);
    if (!reached) return;
    const { part, limit, used } = reached;
    const what = WORDS[part];
    const { decision, limit: raised } = await session.requests.ask(turn, {
      key: `budget/${part}/${limit}`,
      kind: 'budget',
      question: `The turn has used ${used} of ${limit} ${what}. Raise the budget, or stop?`,
      options: ['raise', 'stop'],
      onExpiry: { outcome: 'fail', words: 'the turn fails; `continue` asks again' },
      ...(step === undefined ? {} : { step }),
    });
    if (decision === 'stop') {
      throw toFailure('BudgetReached', { limit, what, sessionId: workflowInfo().workflowId });
    }
    // Twice the limit if nobody names one, and in any case more than is used already.
    session.spending.raise(part, Math.max(raised ?? 2 * limit, used + 1));
  }
}

function firstReached(
  state: SessionView,
  turn: RunningTurn,
): { part: keyof Budget; limit: number; used: number } | undefined {
  const budget: Budget = { ...budgetOf(state), ...turn.raised };
  const parts = Object.keys(budget) as (keyof Budget)[]; // zod knows no other keys
  for (const part of parts) {
    const limit = budget[part];
    if (limit === undefined) continue;
    const used = usedOf(part, state, turn);
    if (used >= limit) return { part, limit, used };
  }
  return undefined;
}

function usedOf(part: keyof Budget, state: SessionView, turn: RunningTurn): number {
  const { inputTokens, outputTokens, modelCalls, toolCalls } = turn.usage;
  switch (part) {
    case 'tokens':
      return inputTokens + outputTokens;
    case 'cost':
      return costOf(turn.spent, state.team.definition) ?? 0;
    case 'toolCalls':
      return toolCalls;
    case 'rounds':
      return modelCalls;
    case 'wallTimeMs':
      return Date.now() - Date.parse(turn.startedAt ?? state.updatedAt) - turn.waitedMs;
  }
}
