/** What a turn has used, and where it has to pause. */
import { workflowInfo } from '@temporalio/workflow';
import { toFailure } from '../../../contracts/errors.ts';
import { addUsage, NO_USAGE, type Usage } from '../../../contracts/json.ts';
import type { SessionState, Turn } from '../../../contracts/session.ts';
import type { Budget } from '../../../contracts/team.ts';
import { costOf } from '../../views/cost.ts';
import type { LiveSession } from '../live-session.ts';
import { budgetOf } from '../policies.ts';

/** Adds to what the turn and the session used. `who` is `agent/model`, or `agent/tools`. */
export function spend(state: SessionState, turn: Turn | undefined, who: string, usage: Partial<Usage>): void {
  if (turn) {
    turn.usage = addUsage(turn.usage, usage);
    turn.spent = { ...turn.spent, [who]: addUsage(turn.spent?.[who] ?? NO_USAGE, usage) };
  }
  state.usage[who] = addUsage(state.usage[who] ?? NO_USAGE, usage);
}

const WORDS: Record<keyof Budget, string> = {
  tokens: 'tokens',
  cost: 'US dollars',
  toolCalls: 'tool calls',
  wallTimeMs: 'milliseconds',
  rounds: 'model calls',
};

/**
 * Pauses the turn where it has used up a part of its budget, until somebody raises it.
 * @throws BudgetReached where nobody does; see {@link Requests.ask}
 */
export async function keepBudget(session: LiveSession, turn: Turn, step?: number): Promise<void> {
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
    // Twice the limit where nobody names one, and in any case more than is used already.
    turn.raised = { ...turn.raised, [part]: Math.max(raised ?? 2 * limit, used + 1) };
  }
}

function firstReached(
  state: SessionState,
  turn: Turn,
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

function usedOf(part: keyof Budget, state: SessionState, turn: Turn): number {
  const { inputTokens, outputTokens, modelCalls, toolCalls } = turn.usage;
  switch (part) {
    case 'tokens':
      return inputTokens + outputTokens;
    case 'cost':
      return costOf(turn.spent ?? {}, state.team.definition) ?? 0;
    case 'toolCalls':
      return toolCalls;
    case 'rounds':
      return modelCalls;
    case 'wallTimeMs':
      return Date.now() - Date.parse(turn.startedAt ?? state.updatedAt) - (turn.waitedMs ?? 0);
  }
}
