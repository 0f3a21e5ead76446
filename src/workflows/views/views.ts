/** What callers see of the state. */
import { workflowInfo } from '@temporalio/workflow';
import { addUsage, NO_USAGE, type Usage } from '../../contracts/json.ts';
import type { PlanView } from '../../contracts/messages.ts';
import type { OpenRequest, PendingRequest } from '../../contracts/request.ts';
import type { Analytics, SessionInfo, SessionState, Turn } from '../../contracts/session.ts';
import type { TurnStatus, TurnView } from '../../contracts/turn.ts';
import { costOf } from './cost.ts';

/**
 * A turn that asks people something waits for them; one that waits or runs in a suspended session is suspended
 * too. Whoever follows such a turn need not wait.
 */
export function statusOf(turn: Turn, state: SessionState): TurnStatus {
  const isOpen = turn.status === 'queued' || turn.status === 'running';
  if (!isOpen) return turn.status;
  return awaitingOf(turn, state) ?? (state.status === 'suspended' ? 'suspended' : turn.status);
}

/** What kind of word of a person the turn waits for, if any. */
function awaitingOf(turn: Turn, state: SessionState): 'awaiting-input' | 'awaiting-approval' | undefined {
  const requests = requestsOf(turn, state);
  if (requests.length === 0) return undefined;
  return requests.some(({ kind }) => kind === 'input') ? 'awaiting-input' : 'awaiting-approval';
}

function requestsOf({ id }: Turn, { requests }: SessionState): PendingRequest[] {
  return waitingOf(requests).filter(({ turnId }) => turnId === id);
}

/** Those that nobody has decided, as people see them. */
export function waitingOf(requests: readonly OpenRequest[]): PendingRequest[] {
  return requests.flatMap(({ key: _, verdict, ...request }) => (verdict === undefined ? [request] : []));
}

export function turnView(turn: Turn, state: SessionState): TurnView {
  const requests = requestsOf(turn, state);
  const cost = costOf(turn.spent ?? {}, state.team.definition);
  return {
    id: turn.id,
    number: turn.number,
    messageId: turn.messageId,
    status: statusOf(turn, state),
    ...(turn.route === undefined ? {} : { route: turn.route }),
    ...(turn.routeReason === undefined ? {} : { routeReason: turn.routeReason }),
    reply: turn.reply,
    questions: [
      ...turn.questions,
      // What an agent asks in the middle of its work stands beside what the router asks.
      ...requests.flatMap(({ kind, question }) => (kind === 'input' && turn.questions.length === 0 ? [question] : [])),
    ],
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
    ...(cost === undefined ? {} : { cost }),
    ...(requests.length === 0 ? {} : { requests }),
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
  return turn ? { turnId: turn.id, number: turn.number, steps: turn.steps, version: state.version } : null;
}

export function totalUsage(state: SessionState): Usage {
  return Object.values(state.usage).reduce(addUsage, NO_USAGE);
}

export function analyticsOf({
  messageCount,
  createdAt,
  updatedAt,
  status,
  responses,
  ratings,
}: SessionState): Analytics {
  const isClosed = status === 'completed' || status === 'expired';
  const end = isClosed ? Date.parse(updatedAt) : Date.now();
  const mean = (sum: number, count: number) => (count === 0 ? null : sum / count);
  return {
    messageCount,
    sessionDurationMs: end - Date.parse(createdAt),
    agentResponseTimeMs: mean(responses.totalMs, responses.count),
    rating: mean(
      ratings.reduce((sum, { rating }) => sum + rating, 0),
      ratings.length,
    ),
    ratings,
  };
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
    phase: current
      ? (awaitingOf(current, state) ?? current.phase)
      : saved
        ? saved.phase
        : state.turnCount === 0
          ? 'init'
          : 'idle',
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
    cost: costOf(state.usage, state.team.definition) ?? null,
    pendingApprovals: waitingOf(state.requests),
    analytics: analyticsOf(state),
    lastWorker: state.lastWorker ?? null,
    notes: state.notes,
    runs: state.runs,
    historyLength: workflowInfo().historyLength,
  };
}
