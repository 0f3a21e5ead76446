/** The activities as the workflow calls them: every time-out and retry policy of the program is here. */
import {
  ActivityCancellationType,
  type ActivityOptions,
  proxyActivities,
  type RetryPolicy,
} from '@temporalio/workflow';
import type { Activities } from '../contracts/activities.ts';
import type { ToolFacts } from '../contracts/tool.ts';

/**
 * Without a bound on attempts: a provider that is down for an hour is waited for, and `interrupt` ends
 * the wait. Errors that no retry mends say so themselves; after five attempts unexpected ones do, too, and those of
 * MCP servers that do not start.
 */
const PATIENT: RetryPolicy = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' };

/** How soon a dead worker is noticed. Running activities report every second. */
const HEARTBEAT_TIMEOUT = '5s';

/** A call of a model, streamed; its text so far is in its heartbeats. */
const MODEL_CALL: ActivityOptions = {
  startToCloseTimeout: '20m',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: PATIENT,
  // So that a stopped call can still hand over the text that it has.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
};

const model = proxyActivities<Pick<Activities, 'route' | 'plan' | 'review' | 'runAgent' | 'summarise'>>(MODEL_CALL);

const tool = proxyActivities<Pick<Activities, 'runTool'>>({ startToCloseTimeout: '10m' });

/** Reports are for people to read later: a turn does not wait long for a disk that is full. */
const REPORTS: ActivityOptions = { startToCloseTimeout: '30s', retry: { maximumAttempts: 3 } };

const reports = proxyActivities<Pick<Activities, 'writeReports'>>(REPORTS);

const files = proxyActivities<Pick<Activities, 'resolveTeam'>>({
  startToCloseTimeout: '30s',
  retry: { initialInterval: '200ms', maximumAttempts: 5 },
});

/** Long enough for a worker that restarts; a session that cannot be archived closes all the same. */
const store = proxyActivities<Pick<Activities, 'archive'>>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '2m',
  summary: 'archive',
});

/** What makes a call recognisable in the Web UI and to followers. */
export interface CallLabel {
  /** Unique in the run, such as `turn-4/step-2/1`. */
  readonly activityId: string;
  /** One line for people. */
  readonly summary: string;
}

export const activities = {
  route: (label: CallLabel, ...args: Parameters<Activities['route']>) =>
    model.route.executeWithOptions({ ...MODEL_CALL, ...label }, args),
  plan: (label: CallLabel, ...args: Parameters<Activities['plan']>) =>
    model.plan.executeWithOptions({ ...MODEL_CALL, ...label }, args),
  review: (label: CallLabel, ...args: Parameters<Activities['review']>) =>
    model.review.executeWithOptions({ ...MODEL_CALL, ...label }, args),
  runAgent: (label: CallLabel, ...args: Parameters<Activities['runAgent']>) =>
    model.runAgent.executeWithOptions({ ...MODEL_CALL, ...label }, args),
  runTool: (
    label: CallLabel,
    facts: Pick<ToolFacts, 'effects' | 'timeoutMs'>,
    ...args: Parameters<Activities['runTool']>
  ) => tool.runTool.executeWithOptions({ ...toolOptions(facts), ...label }, args),
  summarise: (label: CallLabel, ...args: Parameters<Activities['summarise']>) =>
    model.summarise.executeWithOptions({ ...MODEL_CALL, ...label }, args),
  writeReports: (label: CallLabel, ...args: Parameters<Activities['writeReports']>) =>
    reports.writeReports.executeWithOptions({ ...REPORTS, ...label }, args),
  resolveTeam: files.resolveTeam,
  archive: store.archive,
};

function toolOptions({ effects, timeoutMs }: Pick<ToolFacts, 'effects' | 'timeoutMs'>): ActivityOptions {
  return {
    // The tool keeps its own time; this is the net below it.
    startToCloseTimeout: timeoutMs + 30_000,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    // An external effect is never repeated blindly: the agent hears that the outcome is unknown.
    retry: effects === 'external' ? { maximumAttempts: 1 } : { ...PATIENT, maximumAttempts: 10 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  };
}
