/**
 * Signals, updates and queries of a session. Names and forms are the public contract: they work from the client
 * library, the CLI, the Web UI and the plain `temporal` CLI alike.
 */
import { defineQuery, defineSignal, defineUpdate } from './define-message.ts';
import type {
  Change,
  ContextDiff,
  ContextPoint,
  ContextSize,
  ContextValues,
  ContextView,
  Snapshot,
  SnapshotInfo,
  SnapshotRef,
} from './context.ts';
import type { SessionExport } from './export.ts';
import type { Json, Usage } from './json.ts';
import type {
  AskFormPayload,
  AskPayload,
  AwaitTurnPayload,
  ChangeStatusPayload,
  ConfigurePayload,
  ContinuePayload,
  DecidePayload,
  EditContextPayload,
  EditPlanPayload,
  InterruptPayload,
  LoadContextPayload,
  RatePayload,
  RestoreContextPayload,
  SavePayload,
  SendPayload,
  SuspendPayload,
  TakeSnapshotPayload,
  UnqueuePayload,
  WithdrawFormPayload,
} from './payloads.ts';
import type { ProgressPage } from './progress.ts';
import type { DecidedRequest, PendingRequest, Verdict } from './request.ts';
import type { Analytics, Segment, SessionConfig, SessionInfo, SessionStatus } from './session.ts';
import type { ResolvedTeam } from './team.ts';
import type { Message, TranscriptAddress } from './transcript.ts';
import type { Step, TurnView } from './turn.ts';

/** The workflow type of a session. */
export const SESSION_WORKFLOW = 'copilotSession';
/** The workflow type that keeps the webhooks of one owner of sessions, or those for all sessions, and delivers to them. */
export const WEBHOOKS_WORKFLOW = 'copilotWebhooks';
/** The workflow type that reads a team's files on a worker, before a session is pinned to them. */
export const RESOLVE_TEAM_WORKFLOW = 'copilotResolveTeam';
/** The workflow type that has a worker look at the team of an imported session. */
export const INSPECT_TEAM_WORKFLOW = 'copilotInspectTeam';
/** The workflow type that has a worker read or write files of a session. */
export const FILES_WORKFLOW = 'copilotFiles';
/** All workflow types of this program. A service may have others on the same worker. */
export const WORKFLOW_TYPES: readonly string[] = [
  SESSION_WORKFLOW,
  RESOLVE_TEAM_WORKFLOW,
  INSPECT_TEAM_WORKFLOW,
  FILES_WORKFLOW,
  WEBHOOKS_WORKFLOW,
];

/** Answer of `save` and of the changes of the context: what holds now. */
export interface ChangeReport {
  readonly changed: boolean;
  /** Of the session. */
  readonly version: number;
  readonly contextVersion: number;
  readonly updatedAt: string;
  /** Keys that kept another value than the one given. */
  readonly skipped: readonly string[];
}

/** Answer of `takeSnapshot`. */
export interface SnapshotReport extends ChangeReport {
  readonly snapshot: SnapshotInfo;
}

/** Answer of the `load` query. */
export interface LoadedSession {
  readonly sessionId: string;
  readonly mode: string;
  readonly conversation: readonly Message[];
  readonly context: ContextValues;
  readonly phase: string | null;
  readonly step: number | string | null;
  readonly plan: Json | null;
  readonly status: SessionStatus;
  readonly config: SessionConfig;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly version: number;
}

/** Answer of `changeStatus` and `interrupt`: whether anything changed, and what holds now. */
export interface StatusChange {
  readonly changed: boolean;
  readonly status: SessionStatus;
}

/** Answer of the `transcript` query. */
export interface TranscriptPage {
  readonly address: TranscriptAddress;
  /** Index of the first message given. */
  readonly from: number;
  readonly messages: readonly Message[];
}

export interface PlanView {
  readonly turnId: string;
  readonly number: number;
  readonly steps: readonly Step[];
  /** Version of the session, for `editPlan`. */
  readonly version: number;
}

/** Suspends the session: what runs is finished and kept, nothing new starts. */
export const suspend = defineSignal<[SuspendPayload?]>('suspend');
/** Takes up a suspended session, or the failed step of its last turn; may bring a message. */
export const continueSession = defineSignal<[ContinuePayload?]>('continue');
/** Has the session go on in a new run as soon as it can; with a worker deployment, on the current version. */
export const move = defineSignal('move');

/** A question of another workflow, which gets a `SessionAnswer`. */
export const ask = defineSignal<[AskPayload]>('ask');

export const send = defineUpdate<TurnView, [SendPayload]>('send');
export const awaitTurn = defineUpdate<TurnView, [AwaitTurnPayload]>('awaitTurn');
export const interrupt = defineUpdate<StatusChange, [InterruptPayload]>('interrupt');
export const unqueue = defineUpdate<StatusChange, [UnqueuePayload]>('unqueue');
export const decide = defineUpdate<DecidedRequest, [DecidePayload]>('decide');
/** Asks a person for what a tool needs while its call runs; for activities. @returns the id of the request */
export const askForm = defineUpdate<string, [AskFormPayload]>('askForm');
/** Takes back what {@link askForm} asked, if nobody has decided; for activities. */
export const withdrawForm = defineUpdate<void, [WithdrawFormPayload]>('withdrawForm');
export const configure = defineUpdate<ChangeReport, [ConfigurePayload]>('configure');
export const editPlan = defineUpdate<PlanView, [EditPlanPayload]>('editPlan');
export const rate = defineUpdate<Analytics, [RatePayload]>('rate');
export const changeStatus = defineUpdate<StatusChange, [ChangeStatusPayload]>('changeStatus');

export const save = defineUpdate<ChangeReport, [SavePayload]>('save');
export const editContext = defineUpdate<ChangeReport, [EditContextPayload]>('editContext');
/** Goes to the values of a saved context; its snapshots and its log come back beside the present ones. */
export const loadContext = defineUpdate<ChangeReport, [LoadContextPayload]>('loadContext');
export const takeSnapshot = defineUpdate<SnapshotReport, [TakeSnapshotPayload]>('takeSnapshot');
export const restoreContext = defineUpdate<ChangeReport, [RestoreContextPayload]>('restoreContext');

export const info = defineQuery<SessionInfo>('info');
/** Messages from index `from` (default 0) of the conversation, or of the running thread `thread`. */
export const transcript = defineQuery<TranscriptPage, [number?, string?]>('transcript');
/** The newest turns with a number of at least `from`, and those that wait. */
export const turns = defineQuery<readonly TurnView[], [number?]>('turns');
/** The plan of the latest turn that has one. */
export const plan = defineQuery<PlanView | null>('plan');
export const context = defineQuery<ContextView>('context');
/** Snapshots of the context, oldest first, without their data. */
export const snapshots = defineQuery<readonly SnapshotInfo[]>('snapshots');
/** One snapshot with its data. */
export const snapshot = defineQuery<Snapshot, [SnapshotRef]>('snapshot');
/** The newest changes of the context, oldest first. */
export const changes = defineQuery<readonly Change[]>('changes');
export const contextSize = defineQuery<ContextSize>('contextSize');
/** What differs between two snapshots, by id or version, or from the `present` context. */
export const contextDiff = defineQuery<ContextDiff, [ContextPoint, ContextPoint]>('contextDiff');
/** What `save` replaces, all of it. */
export const load = defineQuery<LoadedSession>('load');
/** The whole session as one value. */
export const exportSession = defineQuery<SessionExport>('export');
export const usage = defineQuery<{ total: Usage; byAgent: Readonly<Record<string, Usage>> }>('usage');
export const team = defineQuery<ResolvedTeam>('team');
/** A request that waits, with all of its arguments or steps; or the record of one that was decided. */
export const request = defineQuery<PendingRequest | DecidedRequest | null, [string]>('request');
/** How a person decided what {@link askForm} asked; null while nobody has. `withdrawn` if the session does not know it. */
export const formVerdict = defineQuery<Verdict | null, [string]>('formVerdict');
/** The newest decided requests, oldest first: who decided what, and when. */
export const decisions = defineQuery<readonly DecidedRequest[]>('decisions');
/** Names of the archived originals of messages that were summarised, oldest first. */
export const segments = defineQuery<readonly Segment[]>('segments');
/** What happened since event `from`; for followers. Those that get text by heartbeat say so. */
export const progress = defineQuery<ProgressPage, [from: number, readsHeartbeats?: boolean]>('progress');
/** Whether a follower that gets text by heartbeat knows of this running call; for activities. */
export const isReadByHeartbeat = defineQuery<boolean, [activityId: string]>('isReadByHeartbeat');
