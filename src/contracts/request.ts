/** What a session asks of people. A request is decided once, or expires with an outcome that it announces. */
import { z } from 'zod';
import type { RequestedForm } from './form.ts';
import type { ImageReference } from './image.ts';
import { frozen, type JsonObject } from './json.ts';
import type { ToolCategory } from './team.ts';

export const RequestKind = z.enum(['plan', 'before-step', 'after-step', 'tool', 'outcome', 'budget', 'input', 'form']);
export type RequestKind = z.infer<typeof RequestKind>;

/**
 * `plan`: approve, modify (with feedback), reject. `before-step`: approve, skip. `after-step`: continue, redo (with
 * feedback). `tool`: once (perhaps with other arguments), session (all tools of its category from now on, or what a rule
 * matches), deny. `outcome`, for a call whose outcome nobody knows: done (a text is its result),
 * not-done, try-again. `budget`: raise, stop. `input`: answer. `form`, which a tool asks for while its call runs: accept
 * (with the values of its fields), decline, cancel.
 */
export const Decision = z.enum([
  'approve',
  'modify',
  'reject',
  'skip',
  'continue',
  'redo',
  'once',
  'session',
  'deny',
  'done',
  'not-done',
  'try-again',
  'raise',
  'stop',
  'answer',
  'accept',
  'decline',
  'cancel',
]);
export type Decision = z.infer<typeof Decision>;

/** Decisions that let something happen. */
export const APPROVING: readonly Decision[] = frozen([
  'approve',
  'once',
  'session',
  'continue',
  'raise',
  'try-again',
  'accept',
]);

/** What happens if nobody decides in time. */
export interface Expiry {
  /** The decision that is taken then, or `fail`: the turn fails, and `continue` asks again. */
  readonly outcome: Decision | 'fail';
  /** The same in words. */
  readonly words: string;
}

/** The call of a tool that a request is about. */
export interface RequestedCall {
  readonly name: string;
  readonly category: ToolCategory;
  /** JSON text, as the model wrote it. */
  readonly arguments: string;
  /** What `session` covers. */
  readonly covers: Coverage;
}

/** What a person allows for the session. */
export interface Coverage {
  /** With `session` alone: all calls of these tools of the team, whatever their arguments. */
  readonly tools: readonly string[];
  /** With this as `rule`: this call, again and again. Absent if no rule can tell it from others. */
  readonly rule?: string;
}

/** A step that a request is about. */
export interface RequestedStep {
  readonly number: number;
  readonly agent: string;
  readonly task: string;
  readonly notes: string;
  /** What the step did, with `after-step`. */
  readonly summary: string;
}

/** A call with outside effects whose outcome nobody knows. */
export interface UnknownCall {
  /** Its idempotency key within the session. Another try has the same. */
  readonly key: string;
  /** How often it was begun, from 1. */
  readonly attempt: number;
  /** When this attempt was begun. */
  readonly startedAt: string;
  /** What happened, and what is unknown. */
  readonly problem: string;
}

/** A request that waits. */
export interface PendingRequest {
  /** Unique in the session, such as `req-3`. */
  readonly id: string;
  readonly kind: RequestKind;
  readonly turnId: string;
  readonly turn: number;
  readonly step: number | null;
  readonly agent: string | null;
  /** What is asked, for people. */
  readonly question: string;
  /** The call that waits, with `tool`. */
  readonly tool: RequestedCall | null;
  /** The form to fill, or the page to open, with `form`. */
  readonly form: RequestedForm | null;
  /** The steps that wait, with `plan`, `before-step` and `after-step`. */
  readonly steps: readonly RequestedStep[] | null;
  /** Whether `tool` or `steps` lack their end here. The `request` query gives all of it. */
  readonly isCut: boolean;
  /** sha-256 of what the request is about, all of it. A decision that names it counts only for exactly that. */
  readonly digest: string;
  /** What is unknown of the call, with `outcome`. */
  readonly unknown: UnknownCall | null;
  readonly options: readonly Decision[];
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly onExpiry: Expiry;
}

/** How a request ended. */
export interface Verdict {
  /** `withdrawn`: its turn ended before anyone decided. */
  readonly decision: Decision | 'expired' | 'withdrawn';
  /** Who decided; `the clock` if it expired. */
  readonly by: string;
  readonly at: string;
  /** Feedback, reason or answer. */
  readonly text?: string;
  /** Images that came with an answer. */
  readonly images?: readonly ImageReference[];
  /** New limit, with `raise`. */
  readonly limit?: number;
  /** JSON text of the arguments that the person gave the call instead of the model's, with `once`. */
  readonly arguments?: string;
  /** What is allowed instead of the whole category, with `session`. */
  readonly rule?: string;
  /** What the form was filled with, with `accept`. */
  readonly values?: JsonObject;
}

export type DecidedRequest = PendingRequest & { readonly verdict: Verdict };

/** A request in the session's state: `verdict` is there between the decision and the moment the turn takes it up. */
export interface OpenRequest extends PendingRequest {
  /** The same question of the same turn has the same key, even in the next run. */
  readonly key: string;
  expiresAt: string;
  steps: readonly RequestedStep[] | null;
  isCut: boolean;
  digest: string;
  verdict?: Verdict;
}

/** Calls that a person allowed for the rest of the session: of a category, or by a rule. */
export interface Grant {
  readonly category: ToolCategory;
  /** Only these calls of it. */
  readonly rule?: string;
  readonly by: string;
  readonly at: string;
}
