/** The activities of sessions, over what the worker has open. */
import { Context, type Info } from '@temporalio/activity';
import type { Logger } from 'pino';
import { archive } from '../../activities/archive.ts';
import type { WorkerParts } from '../../activities/agent-call.ts';
import { checkCall } from '../../activities/check-call.ts';
import { removeIfForgotten } from '../../activities/forgotten-question.ts';
import { inspectTeam } from '../../activities/inspect-team.ts';
import { plan, review } from '../../activities/plan.ts';
import { writeReports } from '../../activities/reports.ts';
import { route } from '../../activities/route.ts';
import { runAgent } from '../../activities/run-agent.ts';
import { runTool, settleTool, type ToolParts } from '../../activities/run-tool.ts';
import { RunningCalls } from '../../activities/running-calls.ts';
import { inScope } from '../../activities/scope.ts';
import { prepareSession, readClosed } from '../../activities/service-sessions.ts';
import { answerFiles } from '../../activities/session-files.ts';
import { summarise } from '../../activities/summarise.ts';
import { announceWebhooks, checkWebhook, WebhookSender } from '../../activities/webhooks.ts';
import { loadTeam } from '../../agents/files/load-team.ts';
import type { Config } from '../../config.ts';
import type {
  Activities,
  Answered,
  RunToolInput,
  RunToolResult,
  ServiceActivities,
} from '../../contracts/activities.ts';
import type { ResolvedTeam } from '../../contracts/team.ts';
import type { ObjectStore } from '../../storage/stores/object-store.ts';
import type { TeamTrust } from '../../tools/mcp/trust.ts';
import type { TracedTurn } from '../../contracts/trace.ts';
import { traceActivity } from '../../tracing/activity-spans.ts';
import { parentOf } from '../../tracing/traces.ts';
import type { CallMetrics } from '../call-metrics.ts';

/** What the activities of one worker share. */
export interface HostParts extends WorkerParts {
  readonly trust: TeamTrust;
  readonly archive: ObjectStore;
  readonly metrics: CallMetrics;
  readonly log: Logger;
}

/** @param opened settles when the worker has opened everything; no activity runs before. */
export function createActivities(config: Config, opened: Promise<HostParts>): Activities & ServiceActivities {
  const calls = new RunningCalls();
  const sender = new WebhookSender(config.webhooksMayBePrivate);
  const load = async (team: string) => loadTeam(config.agentsDir, team, (await opened).tools);
  const called =
    <Input extends TracedTurn & { readonly step?: number }, Result>(
      run: (parts: HostParts, input: Input) => Promise<Result>,
      count: (metrics: CallMetrics, result: Result, input: Input) => void,
    ) =>
    async (input: Input): Promise<Result> => {
      const parts = await opened;
      const { info } = Context.current();
      const result = await parts.metrics.measure(
        info.activityType,
        () => traceActivity(parts.traces, info, input, () => run(parts, input)),
        (ended) => parts.log.debug({ ...describeAttempt(info, input, parts), ...ended }, 'call ended'),
      );
      count(parts.metrics, result, input);
      return result;
    };
  const asked = <Input extends TracedTurn, Result extends Answered>(
    run: (parts: HostParts, input: Input) => Promise<Result>,
  ) => called(run, (metrics, result) => metrics.countAnswer(result));
  const tool = (run: (parts: ToolParts, input: RunToolInput) => Promise<RunToolResult>) =>
    called(
      (parts, input: RunToolInput) => run({ ...parts, calls, network: config.network }, input),
      (metrics, result, input) => metrics.countTool(input.tool, result),
    );
  const resolveTeam = async (team: string): Promise<ResolvedTeam> => {
    const { agents, trust } = await opened;
    const resolved = await load(team);
    await trust.remember(resolved.definition);
    agents.prime(resolved);
    return resolved;
  };
  return {
    copilotPrepareSession: (options) => prepareSession({ config, resolveTeam }, options),
    copilotReadClosed: (question) => readClosed(question),
    copilotResolveTeam: (team) => inScope(() => resolveTeam(team)),
    copilotInspectTeam: (team) => inScope(async () => inspectTeam({ ...(await opened), load }, team)),
    copilotRoute: asked(route),
    copilotPlan: asked(plan),
    copilotReview: asked(review),
    copilotRunAgent: asked(runAgent),
    copilotRunTool: tool(runTool),
    copilotSettleTool: tool(settleTool),
    copilotCheckCall: async (input) => checkCall(await opened, input),
    copilotSummarise: asked((parts, input) => summarise(parts, parts.archive, input)),
    copilotWriteReports: (input) => writeReports(config.workspaceRoot, input),
    copilotFiles: async (request, content) => {
      removeIfForgotten();
      return await answerFiles({ ...config, ...(await opened) }, request, content);
    },
    copilotCheckWebhook: (url) => checkWebhook(config.webhooksMayBePrivate, url),
    copilotDeliverWebhook: (input) => sender.deliver(input),
    copilotAnnounceWebhooks: (input) => announceWebhooks(input),
    copilotArchive: async () => archive((await opened).agents, (await opened).archive),
  };
}

/** What log lines have in common with spans. */
function describeAttempt(
  { activityType: activity, activityId, attempt, workflowExecution }: Info,
  { step, ...turn }: TracedTurn & { readonly step?: number },
  { traces }: Pick<HostParts, 'traces'>,
): Readonly<Record<string, string | number>> {
  const session = workflowExecution?.workflowId ?? '';
  return {
    session,
    turn: turn.turnId,
    ...(step === undefined ? {} : { step }),
    activity,
    activityId,
    attempt,
    ...(traces ? { trace_id: parentOf(session, turn).traceId } : {}),
  };
}
