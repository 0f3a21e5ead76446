/** What calls of agents share: they lease the team, read the conversation, and report usage. */
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import type { AgentCall, Answered, Reasoned } from '../contracts/activities.ts';
import { MAX_REASONING_TEXT } from '../contracts/limits.ts';
import { endOf } from '../contracts/progress.ts';
import * as queries from '../contracts/messages.ts';
import type { Message, TranscriptAddress } from '../contracts/transcript.ts';
import type { AgentCache } from '../agents/cache/agent-cache.ts';
import type { Lease } from '../agents/cache/options.ts';
import type { OpenAgent, Team } from '../agents/team.ts';
import type { TranscriptCache } from '../agents/transcripts.ts';
import { addUsage, NO_USAGE } from '../contracts/json.ts';
import type { AgentReply } from '../agents/ask-model.ts';
import type { TextServer } from '../direct-text/text-server.ts';
import type { Ceilings } from '../tools/approval/ceilings.ts';
import type { Tools } from '../tools/registry.ts';
import type { Traces } from '../tracing/traces.ts';
import type { ActivityScope } from './scope.ts';

/** What the activities of one worker share. */
export interface WorkerParts {
  readonly agents: AgentCache;
  readonly transcripts: TranscriptCache;
  /** The worker's identity at the Temporal server. */
  readonly identity: string;
  /** What this worker never runs. */
  readonly ceilings: Ceilings;
  readonly tools: Tools;
  /** Where followers get the text of running calls. Without it they read heartbeats. */
  readonly texts: TextServer | undefined;
  /** Folder of the workspaces of sessions that name none of their own. */
  readonly workspaceRoot: string;
  /** Undefined if nobody has asked for traces. */
  readonly traces: Traces | undefined;
}

/** Leases the session's team and runs `work` with it. @param turnId the turn, if an agent is called */
export async function withTeam<T>(
  { agents }: WorkerParts,
  scope: ActivityScope,
  digest: string,
  work: (lease: Lease) => Promise<T>,
  turnId?: string,
): Promise<T> {
  return await agents.withTeam(scope.sessionId, digest, () => sessionOf(scope).query(queries.team), work, turnId);
}

/** Leases the session's team and runs `work` with the agent of this call. */
export async function withAgent<T>(
  parts: WorkerParts,
  scope: ActivityScope,
  call: AgentCall,
  work: (open: OpenAgent) => Promise<T>,
): Promise<T> {
  const callAgent = async ({ team, agent: choose }: Lease): Promise<T> => {
    const agent = choose(call.agent, call.override);
    const workspace = call.workspace ?? join(parts.workspaceRoot, scope.sessionId);
    return await work({ agent, team, instructions: agent.system(call.context), workspace });
  };
  return await withTeam(parts, scope, call.digest, callAgent, call.turnId);
}

/** The conversation before this turn, from this worker's copy or from the session. */
export async function readTranscript(
  parts: WorkerParts,
  scope: ActivityScope,
  address: TranscriptAddress,
): Promise<readonly Message[]> {
  return await parts.transcripts.read(scope.sessionId, address, (from) =>
    sessionOf(scope).query(queries.transcript, from),
  );
}

/** The messages of a running step or turn. */
export async function readThread(
  parts: WorkerParts,
  scope: ActivityScope,
  thread: { readonly id: string; readonly address: TranscriptAddress },
): Promise<readonly Message[]> {
  return await parts.transcripts.read(threadKey(scope, thread.id), thread.address, (from) =>
    sessionOf(scope).query(queries.transcript, from, thread.id),
  );
}

export function threadKey({ sessionId }: ActivityScope, threadId: string): string {
  return `${sessionId}/${threadId}`;
}

/** Asks the session whether somebody gets the text of this call by heartbeat. */
export function heartbeatReaders(): () => Promise<boolean> {
  const { client, info } = Context.current();
  const { workflowId = '', runId = '' } = info.workflowExecution ?? {};
  const session = client.workflow.getHandle(workflowId, runId);
  return async () => await session.query(queries.isReadByHeartbeat, info.activityId);
}

/** The usage of a call, and who served it. */
export function describeCall(parts: WorkerParts, team: Team, replies: readonly AgentReply[]): Answered {
  const last = replies.at(-1);
  return {
    usage: replies.reduce(
      (sum, { usage: { isEstimate, ...tokens } }) =>
        addUsage(sum, { ...tokens, modelCalls: 1, estimatedCalls: Number(isEstimate) }),
      NO_USAGE,
    ),
    model: last?.model ?? '',
    ...(last?.fallback === undefined ? {} : { fallback: last.fallback }),
    instance: team.id,
    worker: parts.identity,
    ...(parts.traces ? { isTraced: true } : {}),
  };
}

/** The end of what models showed of their reasoning, for followers. */
export function reasoningField(replies: readonly Pick<AgentReply, 'reasoning'>[]): Pick<Reasoned, 'reasoning'> {
  const reasoning = replies.map((reply) => reply.reasoning).join('');
  return reasoning === '' ? {} : { reasoning: endOf(reasoning, MAX_REASONING_TEXT) };
}

/** A handle of the session that this activity works for. Queries add nothing to its history. */
function sessionOf({ sessionId, runId }: ActivityScope) {
  return Context.current().client.workflow.getHandle(sessionId, runId);
}
