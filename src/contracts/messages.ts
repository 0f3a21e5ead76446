/**
 * Signals, updates and queries of a session, with their payloads. Names and forms are the public contract:
 * they work from the client library, the CLI, the Web UI and the plain `temporal` CLI alike.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import { z } from 'zod';
import type { Usage } from './json.ts';
import type { ProgressPage } from './progress.ts';
import { type ContextState, MessageText, QueuedMessage, type SessionInfo, SessionStatus } from './session.ts';
import type { ResolvedTeam } from './team.ts';
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

export const InterruptPayload = z.strictObject({ reason: Reason.optional() });
export type InterruptPayload = z.infer<typeof InterruptPayload>;

export const ChangeStatusPayload = z.strictObject({ status: SessionStatus, reason: Reason.optional() });
export type ChangeStatusPayload = z.infer<typeof ChangeStatusPayload>;

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
}

/** Suspends the session: what runs is finished and kept, nothing new starts. */
export const suspend = defineSignal<[SuspendPayload?]>('suspend');
/** Takes up a suspended session, or the failed step of its last turn; may bring a message. */
export const continueSession = defineSignal<[ContinuePayload?]>('continue');

export const send = defineUpdate<TurnView, [SendPayload]>('send');
export const awaitTurn = defineUpdate<TurnView, [AwaitTurnPayload]>('awaitTurn');
export const interrupt = defineUpdate<StatusChange, [InterruptPayload]>('interrupt');
export const changeStatus = defineUpdate<StatusChange, [ChangeStatusPayload]>('changeStatus');

export const info = defineQuery<SessionInfo>('info');
/** Messages from index `from` (default 0) of the conversation, or of the running thread `thread`. */
export const transcript = defineQuery<TranscriptPage, [number?, string?]>('transcript');
/** The newest turns with a number of at least `from`, and those that wait. */
export const turns = defineQuery<readonly TurnView[], [number?]>('turns');
/** The plan of the latest turn that has one. */
export const plan = defineQuery<PlanView | null>('plan');
export const context = defineQuery<ContextState>('context');
export const usage = defineQuery<{ total: Usage; byAgent: Readonly<Record<string, Usage>> }>('usage');
export const team = defineQuery<ResolvedTeam>('team');
/** What happened since event `from`; for followers. */
export const progress = defineQuery<ProgressPage, [number]>('progress');
