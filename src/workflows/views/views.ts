/** What callers see of the state. */
import { workflowInfo } from '@temporalio/workflow';
import { addUsage, NO_USAGE, type Usage } from '../../contracts/json.ts';
import type { PlanView } from '../../contracts/messages.ts';
import type { SessionInfo, SessionState, Turn } from '../../contracts/session.ts';
import type { TurnStatus, TurnView } from '../../contracts/turn.ts';

/** A turn that waits or runs in a suspended session is suspended too: whoever follows it need not wait. */
export function statusOf(turn: Turn, state: SessionState): TurnStatus {
  const isOpen = turn.status === 'queued' || turn.status === 'running';
  return isOpen && state.status === 'suspended' ? 'suspended' : turn.status;
}

export function turnView(turn: Turn, state: SessionState): TurnView {
  return {
    id: turn.id,
    number: turn.number,
    messageId: turn.messageId,
    status: statusOf(turn, state),
    ...(turn.route === undefined ? {} : { route: turn.route }),
    ...(turn.routeReason === undefined ? {} : { routeReason: turn.routeReason }),
    reply: turn.reply,
    questions: turn.questions,
    steps: turn.steps.map(({ number, agent, task, status, attempts, summary }) => ({
      number,
      agent,
      task,
      status,
      attempts,
      summary,
    })),
    artifacts: turn.artifacts,
    usage: turn.usage,
    ...(turn.error === undefined ? {} : { error: turn.error }),
    ...(turn.startedAt === undefined ? {} : { startedAt: turn.startedAt }),
    ...(turn.endedAt === undefined ? {} : { endedAt: turn.endedAt }),
  };
}

/** Recent, running and waiting turns, oldest first. */
export function allTurns(state: SessionState): Turn[] {
  return [...state.recent, ...(state.current ? [state.current] : []), ...state.queue];
}

export function planView(state: SessionState): PlanView | null {
  const turn = allTurns(state).findLast(({ steps }) => steps.length > 0);
  return turn ? { turnId: turn.id, number: turn.number, steps: turn.steps } : null;
}

export function totalUsage(state: SessionState): Usage {
  return Object.values(state.usage).reduce(addUsage, NO_USAGE);
}

export function sessionInfo(state: SessionState, contextVersion: number): SessionInfo {
  const { current, saved } = state;
  return {
    id: workflowInfo().workflowId,
    name: state.name,
    user: state.user ?? null,
    mode: state.mode,
    team: state.team.definition.name,
    digest: state.team.digest,
    status: state.status,
    suspendReason: state.suspendReason ?? null,
    phase: current ? current.phase : saved ? saved.phase : state.turnCount === 0 ? 'init' : 'idle',
    step: current
      ? (current.steps.find(({ status }) => status === 'in-progress')?.number ?? null)
      : (saved?.step ?? null),
    version: state.version,
    createdAt: state.createdAt,
    lastActiveAt: state.lastActiveAt,
    updatedAt: state.updatedAt,
    config: state.config,
    turns: state.turnCount,
    queueLength: state.queue.length,
    contextVersion,
    usage: totalUsage(state),
    usageByAgent: state.usage,
    pendingApprovals: [],
    lastWorker: state.lastWorker ?? null,
    notes: state.notes,
    runs: state.runs,
    historyLength: workflowInfo().historyLength,
  };
}
