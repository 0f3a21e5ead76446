/** What the calls of a session take and give. */
import type { JsonObject } from '../../contracts/json.ts';
import type * as payloads from '../../contracts/payloads.ts';
import type { ListedStatus } from '../reading/session-queries.ts';

/** How a message is sent. */
export interface SendOptions {
  /** Id of the message. A message id is delivered once, however often it is sent. Default a new one. */
  readonly messageId?: string | undefined;
  /** Aborts the wait, not the turn. */
  readonly signal?: AbortSignal | undefined;
  /** Wait for the turn to settle; if false, only until the session has stored the message. Default true. */
  readonly wait?: boolean | undefined;
  /**
   * Paths of files on this machine, of 64 MiB at most, that a worker gets for the workspace. Images among them (PNG, JPEG,
   * WebP, GIF, of 10 MiB at most) are part of the message, and models that take images see them.
   */
  readonly attach?: readonly string[] | undefined;
  /**
   * Paths of files in the workspace that the message is about, such as those of `files.put`. Images among them are part of
   * the message, and for each other file it gets a line. With files the text may be empty.
   */
  readonly files?: readonly string[] | undefined;
  /**
   * How long to retry while server or worker do not answer, in ms. Default: as set when the client connected. If the
   * server knows of no worker at all, the call ends with `NoWorker` after about 15 s. It is safe to send the same
   * `messageId` again.
   */
  readonly retryForMs?: number | undefined;
}

/** A change of a plan. Step numbers are those before the change. */
export type PlanEdit = payloads.EditPlanPayload['edits'][number];

/** What a change of status did. */
export interface StatusReport {
  /** Whether this call changed anything. */
  readonly changed: boolean;
  /** Status after the call. */
  readonly status: ListedStatus;
  /** After `complete`: why the session's export is not in the archive yet. It is tried again until it is there. */
  readonly archiveProblem?: string;
}

/** What goes with a decision. */
export interface DecideOptions {
  /** Name of the person who decides, for the record. Default `unknown`. */
  readonly by?: string | undefined;
  /** `digest` of the request that the person was shown. The decision is refused if the request is about anything else. */
  readonly digest?: string | undefined;
  /** The feedback for `modify` and `redo`, and the answer for `answer`; these need it. For others, a reason. */
  readonly text?: string | undefined;
  /** With `raise`: the new limit of the budget, in the unit of the old one. Default twice the old one. */
  readonly limit?: number | undefined;
  /** With `once`: the arguments that the call is made with instead. The worker checks them by the tool's schema first. */
  readonly arguments?: JsonObject | undefined;
  /** With `session`: allow only calls that this rule matches, such as `shell: git status*`, and not the whole category. */
  readonly rule?: string | undefined;
  /** With `accept`: what the form is filled with, by the names of its fields. Fields that are left out have their defaults. */
  readonly values?: JsonObject | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What goes with a rating. */
export interface RateOptions {
  /** Turn that is rated. Default the whole session. */
  readonly turnId?: string | undefined;
  readonly comment?: string | undefined;
  /** Name of the person who rates, for the record. */
  readonly by?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How a turn is interrupted. */
export interface InterruptOptions {
  /** The turn to stop. If it is not the running one, nothing is stopped. Default the running one. */
  readonly turnId?: string | undefined;
  /** Shown with the interrupted turn. */
  readonly reason?: string | undefined;
  /** A message that is run next, before the queued ones. */
  readonly message?: string | undefined;
  /** Id of that message. Default a new one. */
  readonly messageId?: string | undefined;
  /** Files of that message, as with `send`. */
  readonly files?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}
