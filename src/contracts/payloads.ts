/** What signals and updates of a session bring, and what of it is accepted. */
import { z } from 'zod';
import { ContextKey, ContextValues, jsonProblem, MAX_CONTEXT_DEPTH, MergeStrategy } from './context.ts';
import { RequestedForm } from './form.ts';
import { Images } from './image.ts';
import type { Json, JsonObject } from './json.ts';
import { MAX_REASON } from './message-text.ts';
import { MAX_EDITED_ARGUMENTS, MAX_MESSAGE_BYTES, MAX_PAYLOAD_BYTES } from './limits.ts';
import { Decision } from './request.ts';
import { Rule } from './rules.ts';
import { Label, MessageText, QueuedMessage, SavedPosition, SessionConfig, SessionStatus } from './session.ts';
import { AgentOverride, Approvals, Budget, Name, ResolvedTeam } from './team.ts';

const Reason = z.string().max(MAX_REASON);
/** Of any workflow: Temporal takes 1,000 bytes. */
const WorkflowId = z.string().min(1).max(1_000);

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

/** What another workflow wants. It can send signals only, so it gets the answer as a signal, too. */
export const AskPayload = z.discriminatedUnion('kind', [
  /** A message; the answer is its turn when that has ended. The same `messageId` is the same message. */
  z.strictObject({ kind: z.literal('message'), from: WorkflowId, message: QueuedMessage }),
  /** The session's result when it ends; with `complete` it ends now. */
  z.strictObject({ kind: z.literal('result'), from: WorkflowId, complete: z.boolean() }),
]);
export type AskPayload = z.infer<typeof AskPayload>;

const TurnId = z.string().min(1).max(200);

export const AwaitTurnPayload = z.strictObject({ turnId: TurnId });
export type AwaitTurnPayload = z.infer<typeof AwaitTurnPayload>;

export const InterruptPayload = z.strictObject({
  reason: Reason.optional(),
  /** Stops only this turn: if it is not the running one, nothing is stopped. Default the running one. */
  turnId: TurnId.optional(),
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

const EditedArguments = z.custom<JsonObject>().superRefine((given: unknown, check) => {
  const problem = jsonProblem(given, { maxSize: MAX_EDITED_ARGUMENTS });
  if (problem !== undefined) check.addIssue(problem);
  else if (typeof given !== 'object' || given === null || Array.isArray(given))
    check.addIssue('it is not a JSON object');
});

export const DecidePayload = z.strictObject({
  requestId: z.string().min(1).max(100),
  decision: Decision,
  /** Digest of the request that was shown. The decision is refused if the request is about anything else. */
  digest: z.stringFormat('digest', /^[0-9a-f]{64}$/, 'use all of its 64 digits, as the request shows them').optional(),
  /** Who decides. Default `unknown`. */
  by: Label.optional(),
  /** Feedback with `modify` and `redo`, the answer with `answer`, a reason with the others. */
  text: MessageText.optional(),
  /** Images with `answer`: files of the workspace. */
  images: Images.optional(),
  /** New limit with `raise`. Default: twice the old one. */
  limit: z.number().positive().optional(),
  /** With `once`: the arguments of the call instead of those that the model gave. */
  arguments: EditedArguments.optional(),
  /** With `session`: allow only calls that this rule matches, such as `shell: git status*`, and not the whole category. */
  rule: Rule.optional(),
  /** With `accept`: the values of the form's fields, by their names. A field that is left out has its default. */
  values: EditedArguments.optional(),
});
export type DecidePayload = z.infer<typeof DecidePayload>;

/** What a tool asks while its call runs. */
export const AskFormPayload = z.strictObject({
  /** Key of the call. */
  call: z.string().min(1).max(400),
  /** Tells the questions of a call apart. The same question of another attempt has the same key. */
  key: z.string().min(1).max(400),
  question: z.string().min(1).max(4_000),
  form: RequestedForm,
});
export type AskFormPayload = z.infer<typeof AskFormPayload>;

/** Takes back what a tool asked. */
export const WithdrawFormPayload = AskFormPayload.pick({ key: true });
export type WithdrawFormPayload = z.infer<typeof WithdrawFormPayload>;

const ExpectedVersion = z.int().min(0).optional();

/** Settings to change; null takes a setting back to its default. They apply from the next call on. */
export const ConfigurePayload = z.strictObject({
  /** Model of every agent that has none of its own in `agents`. */
  model: SessionConfig.shape.model.unwrap().nullable().optional(),
  /** The agent that answers. */
  agent: Name.nullable().optional(),
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
        /** Runs this step and all after it again, even if they had ended. */
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

const SavedText = z.string().max(MAX_MESSAGE_BYTES);

/** Replaces what a session knows; without `plan` the old one stays. Not while a turn runs or messages wait. */
export const SavePayload = SavedPosition.extend({
  conversation: z.array(
    z.discriminatedUnion('role', [
      z.strictObject({ role: z.literal('user'), text: SavedText, images: Images.optional() }),
      z.strictObject({ role: z.literal('assistant'), text: SavedText }),
    ]),
  ),
  context: ContextValues,
  /** Version of the session that the caller has seen; another one is a `VersionConflict`. */
  expectedVersion: ExpectedVersion,
});
export type SavePayload = z.infer<typeof SavePayload>;

/** Bounds of a saved context: a patch of a snapshot takes up to three levels for one of a value. */
const SAVED_CONTEXT = { maxDepth: 4 * MAX_CONTEXT_DEPTH, maxSize: MAX_PAYLOAD_BYTES };

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
    /** Forgets all ephemeral values. */
    z.strictObject({ op: z.literal('clear') }),
  ]),
  expectedVersion: ExpectedVersion,
});
export type EditContextPayload = z.infer<typeof EditContextPayload>;

export const TakeSnapshotPayload = z.strictObject({
  reason: z.string().min(1, 'it is empty').max(200),
  /** 4 KiB at most as JSON. The session itself adds `turn`. */
  metadata: ContextValues.refine((metadata) => !Object.hasOwn(metadata, 'turn'), {
    path: ['turn'],
    error: 'the session itself writes the number of the turn there; use another key',
  }).optional(),
  expectedVersion: ExpectedVersion,
});
export type TakeSnapshotPayload = z.infer<typeof TakeSnapshotPayload>;

export const LoadContextPayload = z.strictObject({
  /** A `ContextState`. The session checks all of it. */
  context: z.custom<Json>((value) => jsonProblem(value, SAVED_CONTEXT) === undefined),
  expectedVersion: ExpectedVersion,
});
export type LoadContextPayload = z.infer<typeof LoadContextPayload>;

/** `snapshot`: its id, the version that it shows, or `latest`. */
export const RestoreContextPayload = z.strictObject({
  snapshot: z.union([z.string().min(1).max(100), z.int().min(0)]),
  expectedVersion: ExpectedVersion,
});
export type RestoreContextPayload = z.infer<typeof RestoreContextPayload>;
