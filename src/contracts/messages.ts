/**
 * Signals, updates and queries of a session, with their payloads. Names and forms are the public contract:
 * they work from the client library, the CLI, the Web UI and the plain `temporal` CLI alike.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import { z } from 'zod';
import {
  type Change,
  ContextKey,
  type ContextDiff,
  type ContextPoint,
  type ContextSize,
  ContextValues,
  type ContextView,
  jsonProblem,
  MergeStrategy,
  type SnapshotInfo,
} from './context.ts';
import type { SessionExport } from './export.ts';
import type { Json, Usage } from './json.ts';
import { MAX_MESSAGE_BYTES } from './limits.ts';
import type { ProgressPage } from './progress.ts';
import {
  MessageText,
  QueuedMessage,
  type Analytics,
  Label,
  SavedPosition,
  type Segment,
  SessionConfig,
  type SessionInfo,
  SessionStatus,
} from './session.ts';
import { Decision, type DecidedRequest } from './request.ts';
import { AgentOverride, Approvals, Budget, Name, ResolvedTeam } from './team.ts';
import type { Message, TranscriptAddress } from './transcript.ts';
import type { Step, TurnView } from './turn.ts';

/** The workflow type of a session. */
export const SESSION_WORKFLOW = 'copilotSession';
/** The workflow type that reads a team's files on a worker, before a session is pinned to them. */
export const RESOLVE_TEAM_WORKFLOW = 'copilotResolveTeam';

const Reason = z.string().max(1_000);

export const SuspendPayload = z
  .strictObject({
    reason: Reason.optional(),
    /** Stops the running activity too, instead of letting it end. Default false. */
    now: z.boolean().optional(),
  })
  .optional();
export type SuspendPayload = z.infer<typeof SuspendPayload>;

export const ContinuePayload = z.strictObject({ message: MessageText.optional() }).optional();
export type ContinuePayload = z.infer<typeof ContinuePayload>;

/** Without a `messageId` the id of the update is the id of the message. */
export const SendPayload = QueuedMessage.partial({ messageId: true });
export type SendPayload = z.infer<typeof SendPayload>;

export const AwaitTurnPayload = z.strictObject({ turnId: z.string().min(1).max(200) });
export type AwaitTurnPayload = z.infer<typeof AwaitTurnPayload>;

export const InterruptPayload = z.strictObject({
  reason: Reason.optional(),
  /** Goes on with this instead, before whatever waits. */
  message: QueuedMessage.partial({ messageId: true }).optional(),
});
export type InterruptPayload = z.infer<typeof InterruptPayload>;

export const ChangeStatusPayload = z.strictObject({
  status: SessionStatus,
  reason: Reason.optional(),
  /** With `suspended`: stops the running activity too, instead of letting it end. Default false. */
  now: z.boolean().optional(),
});
export type ChangeStatusPayload = z.infer<typeof ChangeStatusPayload>;

/** Takes back a message that waits. */
export const UnqueuePayload = z.strictObject({ messageId: z.string().min(1).max(200) });
export type UnqueuePayload = z.infer<typeof UnqueuePayload>;

export const DecidePayload = z.strictObject({
  requestId: z.string().min(1).max(100),
  decision: Decision,
  /** Who decides. Default `unknown`. */
  by: Label.optional(),
  /** Feedback with `modify` and `redo`, the answer with `answer`, a reason with the others. */
  text: MessageText.optional(),
  /** New limit with `raise`. Default: twice the old one. */
  limit: z.number().positive().optional(),
});
export type DecidePayload = z.infer<typeof DecidePayload>;

const ExpectedVersion = z.int().min(0).optional();

/** Settings to change; null takes a setting back to its default. They apply from the next call on. */
export const ConfigurePayload = z.strictObject({
  agents: z.record(Name, AgentOverride.nullable()).optional(),
  approvals: Approvals.nullable().optional(),
  budget: Budget.nullable().optional(),
  allowCode: z.boolean().nullable().optional(),
  idleTimeoutMs: SessionConfig.shape.idleTimeoutMs,
  mode: Name.optional(),
  /** A newer definition of the same team; a running turn ends with the old one. */
  team: ResolvedTeam.optional(),
  expectedVersion: ExpectedVersion,
});
export type ConfigurePayload = z.infer<typeof ConfigurePayload>;

const StepNumber = z.int().min(1).max(100);

/** Changes of steps that have not run, in this order; numbers are those before this change, each. */
export const EditPlanPayload = z.strictObject({
  edits: z
    .array(
      z.discriminatedUnion('op', [
        /** Before the step that has this number now; one more than the last appends. */
        z.strictObject({
          op: z.literal('add'),
          at: StepNumber,
          agent: Name,
          task: z.string().min(1).max(10_000),
          notes: z.string().max(10_000).optional(),
        }),
        z.strictObject({ op: z.literal('remove'), step: StepNumber }),
        z.strictObject({ op: z.literal('move'), step: StepNumber, to: StepNumber }),
        z.strictObject({
          op: z.literal('change'),
          step: StepNumber,
          agent: Name.optional(),
          task: z.string().min(1).max(10_000).optional(),
          notes: z.string().max(10_000).optional(),
        }),
        /** Runs this step and all after it again, also where they had ended. */
        z.strictObject({ op: z.literal('restart'), step: StepNumber }),
      ]),
    )
    .min(1)
    .max(50),
  expectedVersion: ExpectedVersion,
});
export type EditPlanPayload = z.infer<typeof EditPlanPayload>;

export const RatePayload = z.strictObject({
  rating: z.int().min(1).max(5),
  /** Default: the whole session. */
  turnId: z.string().min(1).max(200).optional(),
  comment: z.string().max(2_000).optional(),
  by: Label.optional(),
});
export type RatePayload = z.infer<typeof RatePayload>;

/** Replaces what a session knows; `plan` stays where it is not given. Not while a turn runs or messages wait. */
export const SavePayload = SavedPosition.extend({
  conversation: z.array(
    z.strictObject({ role: z.enum(['user', 'assistant']), text: z.string().max(MAX_MESSAGE_BYTES) }),
  ),
  context: ContextValues,
  /** Version of the session that the caller has seen; another one is a `VersionConflict`. */
  expectedVersion: ExpectedVersion,
});
export type SavePayload = z.infer<typeof SavePayload>;

/** One change of the context. */
export const EditContextPayload = z.strictObject({
  edit: z.discriminatedUnion('op', [
    z.strictObject({
      op: z.literal('set'),
      key: ContextKey,
      value: z.custom<Json>((value) => jsonProblem(value) === undefined),
      protect: z.boolean().optional(),
      ephemeral: z.boolean().optional(),
    }),
    z.strictObject({ op: z.literal('delete'), key: ContextKey }),
    z.strictObject({ op: z.literal('update'), values: ContextValues }),
    z.strictObject({
      op: z.literal('merge'),
      values: ContextValues,
      strategy: MergeStrategy.optional(),
      prefix: z.string().min(1).max(100).optional(),
    }),
    z.strictObject({ op: z.literal('snapshot'), reason: z.string().min(1).max(200) }),
  ]),
  expectedVersion: ExpectedVersion,
});
export type EditContextPayload = z.infer<typeof EditContextPayload>;

/** `snapshot`: its id, the version that it shows, or `latest`. */
export const RestoreContextPayload = z.strictObject({
  snapshot: z.union([z.string().min(1).max(100), z.int().min(0)]),
  expectedVersion: ExpectedVersion,
});
export type RestoreContextPayload = z.infer<typeof RestoreContextPayload>;

/** Answer of `save`, `editContext` and `restoreContext`: what holds now. */
export interface ChangeReport {
  readonly changed: boolean;
  /** Of the session. */
  readonly version: number;
  readonly contextVersion: number;
  readonly updatedAt: string;
  /** Keys that kept another value than the one given. */
  readonly skipped: readonly string[];
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

export const send = defineUpdate<TurnView, [SendPayload]>('send');
export const awaitTurn = defineUpdate<TurnView, [AwaitTurnPayload]>('awaitTurn');
export const interrupt = defineUpdate<StatusChange, [InterruptPayload]>('interrupt');
export const unqueue = defineUpdate<StatusChange, [UnqueuePayload]>('unqueue');
export const decide = defineUpdate<DecidedRequest, [DecidePayload]>('decide');
export const configure = defineUpdate<ChangeReport, [ConfigurePayload]>('configure');
export const editPlan = defineUpdate<PlanView, [EditPlanPayload]>('editPlan');
export const rate = defineUpdate<Analytics, [RatePayload]>('rate');
export const changeStatus = defineUpdate<StatusChange, [ChangeStatusPayload]>('changeStatus');

export const save = defineUpdate<ChangeReport, [SavePayload]>('save');
export const editContext = defineUpdate<ChangeReport, [EditContextPayload]>('editContext');
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
/** The newest decided requests, oldest first: who decided what, and when. */
export const decisions = defineQuery<readonly DecidedRequest[]>('decisions');
/** Names of the archived originals of messages that were summarised, oldest first. */
export const segments = defineQuery<readonly Segment[]>('segments');
/** What happened since event `from`; for followers. */
export const progress = defineQuery<ProgressPage, [number]>('progress');
