/** The activities as the workflow calls them. Every timeout and retry policy of the program is here. */
import {
  ActivityCancellationType,
  type ActivityOptions,
  proxyActivities,
  proxyLocalActivities,
  type RetryPolicy,
} from '@temporalio/workflow';
import type { Activities, ServiceActivities } from '../contracts/activities.ts';
import type { ToolFacts } from '../contracts/tool.ts';
import type { AnnounceInput, DeliverInput } from '../contracts/webhooks.ts';

/**
 * No bound on attempts: the session waits for a provider that is down for an hour, and `interrupt` ends the wait. Errors
 * that no retry can mend are non-retryable. Activities make unexpected errors, and those of MCP servers that do not
 * start, non-retryable after five attempts.
 */
const PATIENT: RetryPolicy = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' };

/** A dead worker is noticed after this time. Running activities send a heartbeat every second. */
const HEARTBEAT_TIMEOUT = '5s';

/** A streamed call of a model. Its heartbeats carry the text so far. */
const MODEL_CALL: ActivityOptions = {
  startToCloseTimeout: '20m',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: PATIENT,
  // A stopped call can still return the text that it has.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
};

const model =
  proxyActivities<
    Pick<Activities, 'copilotRoute' | 'copilotPlan' | 'copilotReview' | 'copilotRunAgent' | 'copilotSummarise'>
  >(MODEL_CALL);

const tool = proxyActivities<Pick<Activities, 'copilotRunTool' | 'copilotSettleTool'>>({ startToCloseTimeout: '10m' });

/** People read reports later, so a turn does not wait long for a disk that is full. */
const REPORTS: ActivityOptions = { startToCloseTimeout: '30s', retry: { maximumAttempts: 3 } };

const reports = proxyActivities<Pick<Activities, 'copilotWriteReports'>>(REPORTS);

const files = proxyActivities<Pick<Activities, 'copilotResolveTeam' | 'copilotInspectTeam' | 'copilotCheckCall'>>({
  startToCloseTimeout: '30s',
  retry: { initialInterval: '200ms', maximumAttempts: 5 },
});

/** A local activity: history has the content of a file once, and no more than a part of it. */
const transfer = proxyLocalActivities<Pick<Activities, 'copilotFiles'>>({
  startToCloseTimeout: '1m',
  retry: { initialInterval: '200ms', maximumAttempts: 3 },
});

/** No bound on attempts: a session stays open until it is archived, and says what keeps it. */
const store = proxyActivities<Pick<Activities, 'copilotArchive'>>({
  startToCloseTimeout: '1m',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: PATIENT,
  summary: 'archive',
});

/** Four attempts within some 15 s. If no worker is there, they wait for one. */
const DELIVERY: ActivityOptions = {
  // A receiver has 15 s. If the worker was killed meanwhile, the next attempt comes after this time.
  startToCloseTimeout: '20s',
  retry: { initialInterval: '2s', backoffCoefficient: 2, maximumAttempts: 4 },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
};
/** Until the time of a delivery is up. */
const RETRIED_DELIVERY: RetryPolicy = { initialInterval: '30s', backoffCoefficient: 2, maximumInterval: '1h' };

const webhook =
  proxyActivities<Pick<Activities, 'copilotCheckWebhook' | 'copilotDeliverWebhook' | 'copilotAnnounceWebhooks'>>(
    DELIVERY,
  );

/** For workflows of a service, by workers that host sessions. They wait until one is there. */
export function serviceActivities(taskQueue: string): ServiceActivities {
  return proxyActivities<ServiceActivities>({ taskQueue, startToCloseTimeout: '30s', retry: PATIENT });
}

/** How the Web UI and followers recognise a call. */
export interface CallLabel {
  /** Unique in the run, such as `turn-4/step-2/1`. */
  readonly activityId: string;
  /** One line for people. */
  readonly summary: string;
}

export const activities = {
  route: (label: CallLabel, ...args: Parameters<Activities['copilotRoute']>) =>
    model.copilotRoute.executeWithOptions({ ...MODEL_CALL, ...label }, args),
  plan: (label: CallLabel, ...args: Parameters<Activities['copilotPlan']>) =>
    model.copilotPlan.executeWithOptions({ ...MODEL_CALL, ...label }, args),
  review: (label: CallLabel, ...args: Parameters<Activities['copilotReview']>) =>
    model.copilotReview.executeWithOptions({ ...MODEL_CALL, ...label }, args),
  runAgent: (label: CallLabel, ...args: Parameters<Activities['copilotRunAgent']>) =>
    model.copilotRunAgent.executeWithOptions({ ...MODEL_CALL, ...label }, args),
  runTool: (
    label: CallLabel,
    facts: Pick<ToolFacts, 'effects' | 'timeoutMs'>,
    ...args: Parameters<Activities['copilotRunTool']>
  ) => {
    const [input] = args;
    // The worker that could not begin the call must not get it again just because it has the session.
    const again = (input.attempt ?? 1) === 1 ? {} : { allowEagerDispatch: false };
    const options = { ...toolOptions(facts), ...askingTime(input), ...again, ...label };
    return tool.copilotRunTool.executeWithOptions(options, args);
  },
  settleTool: (
    label: CallLabel,
    facts: Pick<ToolFacts, 'timeoutMs'>,
    ...args: Parameters<Activities['copilotSettleTool']>
  ) =>
    // It may wait until the call ends. It has no effect itself, so it can be repeated.
    tool.copilotSettleTool.executeWithOptions(
      { ...toolOptions({ ...facts, effects: 'none' }), ...askingTime(args[0]), ...label },
      args,
    ),
  summarise: (label: CallLabel, ...args: Parameters<Activities['copilotSummarise']>) =>
    model.copilotSummarise.executeWithOptions({ ...MODEL_CALL, ...label }, args),
  writeReports: (label: CallLabel, ...args: Parameters<Activities['copilotWriteReports']>) =>
    reports.copilotWriteReports.executeWithOptions({ ...REPORTS, ...label }, args),
  resolveTeam: files.copilotResolveTeam,
  inspectTeam: files.copilotInspectTeam,
  checkCall: files.copilotCheckCall,
  files: transfer.copilotFiles,
  archive: store.copilotArchive,
  checkWebhook: webhook.copilotCheckWebhook,
  /** @param retry its first attempts, one for somebody who waits, or attempts for this many milliseconds */
  deliverWebhook: (input: DeliverInput, retry: 'first' | 'once' | number) =>
    webhook.copilotDeliverWebhook.executeWithOptions({ ...DELIVERY, ...deliveryTime(retry) }, [input]),
  /** Signals thousands of sessions if there are so many. Heartbeats tell that it lives. */
  announceWebhooks: (input: AnnounceInput) =>
    webhook.copilotAnnounceWebhooks.executeWithOptions(
      { startToCloseTimeout: '30m', heartbeatTimeout: HEARTBEAT_TIMEOUT, retry: { ...PATIENT, maximumAttempts: 10 } },
      [input],
    ),
};

function deliveryTime(retry: 'first' | 'once' | number): ActivityOptions {
  if (retry === 'first') return {};
  if (retry === 'once') return { retry: { maximumAttempts: 1 } };
  return { scheduleToCloseTimeout: retry, retry: RETRIED_DELIVERY };
}

/**
 * Servers of the Model Context Protocol may ask people while a call runs. The worker limits the time of such a call,
 * without that in which people think, and heartbeats tell that it lives.
 */
function askingTime({ tool: name }: Parameters<Activities['copilotRunTool']>[0]): ActivityOptions {
  return name.includes('.') ? { startToCloseTimeout: '24h' } : {};
}

function toolOptions({ effects, timeoutMs }: Pick<ToolFacts, 'effects' | 'timeoutMs'>): ActivityOptions {
  return {
    // The tool has a timeout of its own; this one is the net below it.
    startToCloseTimeout: timeoutMs + 30_000,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    // An external effect is never repeated blindly: first `settleTool` finds out whether it took place.
    retry: effects === 'external' ? { maximumAttempts: 1 } : { ...PATIENT, maximumAttempts: 10 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  };
}
