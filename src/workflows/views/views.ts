/** What callers see of the state. */
import { workflowInfo } from '@temporalio/workflow';
import { addUsage, NO_USAGE, type Usage } from '../../contracts/json.ts';
import type { PlanView } from '../../contracts/messages.ts';
import type { DecidedRequest, PendingRequest } from '../../contracts/request.ts';
import { type RequestSubject, subjectDigest } from '../../contracts/request-subject.ts';
import type { Analytics, SessionInfo } from '../../contracts/session.ts';
import type { RunningTurn, SessionView } from '../../contracts/session-state.ts';
import { imagesField } from '../../contracts/image.ts';
import type { TurnStatus, TurnView } from '../../contracts/turn.ts';
import type { RequestView } from '../session/state/requests.ts';
import { requestedStep } from '../session/turn/plan-steps.ts';
import { costOf } from './cost.ts';

/**
 * An open turn that asks people something waits for them. Otherwise it is suspended if its session is. Callers that
 * follow a turn need not wait for it any longer in both cases.
 */
export function statusOf(turn: RunningTurn, state: SessionView): TurnStatus {
  const { status } = turn.state;
  if (status !== 'queued' && status !== 'running') return status;
  return awaitingOf(turn, state) ?? (state.status === 'suspended' ? 'suspended' : status);
}

/** What the turn waits for, if it waits for a person. */
function awaitingOf(turn: RunningTurn, state: SessionView): 'awaiting-input' | 'awaiting-approval' | undefined {
  const requests = requestsOf(turn, state);
  if (requests.length === 0) return undefined;
  return requests.some(({ kind }) => kind === 'input') ? 'awaiting-input' : 'awaiting-approval';
}

function requestsOf({ id }: RunningTurn, { requests }: SessionView): PendingRequest[] {
  return waitingOf(requests).filter(({ turnId }) => turnId === id);
}

/** The requests that nobody has decided, as people see them. */
function waitingOf(requests: readonly RequestView[]): PendingRequest[] {
  return requests.flatMap(({ key: _, verdict, ...request }) => (verdict === undefined ? [request] : []));
}

/** A request that waits, with all of its arguments or steps: the state has them where the turn takes them from. */
export function wholeRequest(id: string, state: SessionView): PendingRequest | DecidedRequest | null {
  const { current, decisions, requests } = state;
  const request = waitingOf(requests).find((other) => other.id === id);
  if (!request) return decisions.find((decided) => decided.id === id) ?? null;
  if (!request.isCut || !current) return request;
  const { question, tool, step, digest } = request;
  const steps = current.steps.filter(({ number }) => step === null || step === number).map(requestedStep);
  const subjects: RequestSubject[] =
    tool === null
      ? [{ question, tool, steps, form: null }]
      : current.works.flatMap(({ calls }) =>
          calls.map((call) => ({
            question,
            tool: { ...tool, name: call.name, arguments: call.arguments },
            steps: null,
            form: null,
          })),
        );
  const whole = subjects.find((subject) => subjectDigest(subject) === digest);
  return whole ? { ...request, ...whole, isCut: false } : request;
}

export function turnView(turn: RunningTurn, state: SessionView): TurnView {
  const requests = requestsOf(turn, state);
  const cost = costOf(turn.spent, state.team.definition);
  const asked = routerQuestions(turn);
  return {
    id: turn.id,
    number: turn.number,
    messageId: turn.messageId,
    status: statusOf(turn, state),
    ...(turn.route === null ? {} : { route: turn.route.kind, routeReason: turn.route.reason }),
    reply: turn.reply,
    questions: [
      ...asked,
      // The router's questions are a request, too; an agent's question is only that.
      ...requests.flatMap(({ kind, question }) => (kind === 'input' && asked.length === 0 ? [question] : [])),
    ],
    steps: turn.steps.map(({ number, agent, task, status, attempts, summary }) => ({
      number,
      agent,
      task,
      status,
      attempts,
      summary,
    })),
    ...imagesField([...(turn.images ?? []), ...turn.answers.flatMap(({ images = [] }) => images)]),
    artifacts: [...turn.artifacts],
    usage: turn.usage,
    ...(cost === undefined ? {} : { cost }),
    ...(requests.length === 0 ? {} : { requests }),
    ...(turn.state.status === 'failed' ? { error: turn.state.error } : {}),
    ...(turn.startedAt === null ? {} : { startedAt: turn.startedAt }),
    ...(turn.endedAt === null ? {} : { endedAt: turn.endedAt }),
  };
}

/** A turn that ended so long ago that at most its reply is left, in the live transcript. */
export function forgottenTurn({ transcript }: SessionView, id: string, messageId: string): TurnView {
  const said = transcript.messages.find((message) => message.role === 'assistant' && message.turnId === id);
  return {
    id,
    number: 0,
    messageId,
    status: 'completed',
    reply: said?.text ?? '',
    questions: [],
    steps: [],
    artifacts: [],
    usage: NO_USAGE,
  };
}

/** What the router asks, as long as it is not answered. */
export function routerQuestions({ state }: RunningTurn): readonly string[] {
  const step = state.status === 'running' ? state.next : state.status === 'failed' ? state.resumeAt : null;
  return step?.kind === 'clarify' ? step.questions : [];
}

/** Recent, running and waiting turns, oldest first. */
export function allTurns(state: SessionView): RunningTurn[] {
  return [...state.recent, ...(state.current ? [state.current] : []), ...state.queue];
}

export function planView(state: SessionView): PlanView | null {
  const turn = allTurns(state).findLast(({ steps }) => steps.length > 0);
  if (!turn) return null;
  const steps = turn.steps.map((step) => ({ ...step, artifacts: [...step.artifacts] }));
  return { turnId: turn.id, number: turn.number, steps, version: state.version };
}

export function totalUsage(state: SessionView): Usage {
  return Object.values(state.usage).reduce(addUsage, NO_USAGE);
}

export function analyticsOf({
  messageCount,
  createdAt,
  updatedAt,
  status,
  responses,
  ratings,
}: SessionView): Analytics {
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

export function phaseOf(state: SessionView): SessionInfo['phase'] {
  const { current, saved, turnCount } = state;
  if (current) return awaitingOf(current, state) ?? current.phase;
  if (saved) return saved.phase;
  return turnCount === 0 ? 'init' : 'idle';
}

export function stepOf({ current, saved }: SessionView): SessionInfo['step'] {
  if (!current) return saved?.step ?? null;
  return current.steps.find(({ status }) => status === 'in-progress')?.number ?? null;
}

export function sessionInfo(state: SessionView, contextVersion: number): SessionInfo {
  return {
    id: workflowInfo().workflowId,
    name: state.name,
    user: state.user,
    mode: state.mode,
    team: state.team.definition.name,
    digest: state.team.digest,
    status: state.status,
    suspendReason: state.status === 'suspended' ? (state.suspension?.reason ?? null) : null,
    phase: phaseOf(state),
    step: stepOf(state),
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
    lastWorker: state.lastWorker,
    notes: state.notes,
    runs: state.runs,
    historyLength: workflowInfo().historyLength,
  };
}
