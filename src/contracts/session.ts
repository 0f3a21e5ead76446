/** A session: how it starts and what it shows of itself. `session-state.ts` has what it carries from run to run. */
import { z } from 'zod';
import { ContextValues, jsonProblem } from './context.ts';
import { Images } from './image.ts';
import type { Json, Usage } from './json.ts';
import { MAX_SAVED_PLAN_BYTES, MAX_WAIT_MS } from './limits.ts';
import { FOUND_ID, FOUND_ID_HINT, MAX_MESSAGE_ID, messageProblem } from './message-text.ts';
import { hasLoneSurrogate } from './utf8.ts';
import type { PendingRequest } from './request.ts';
import { AgentOverride, Approvals, Budget, Name, ResolvedTeam } from './team.ts';
import type { Phase } from './turn.ts';
import { beginningOf } from './text-cut.ts';
import { Traceparent } from './trace.ts';

/** Ids that a caller may choose: they become workflow ids, folder names and parts of keys. */
export const SessionId = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/,
    'use letters, digits, "_" and "-", 100 at most, starting with a letter or digit',
  );

/** Ids of sessions that others have started, such as schedules, which add a time to the id. */
export const FoundId = z.string().regex(FOUND_ID, FOUND_ID_HINT);

/** `expired`: nobody sent anything for its `idleTimeoutMs`. Completed and expired sessions are closed. */
export const SessionStatus = z.enum(['active', 'suspended', 'completed', 'expired']);
export type SessionStatus = z.infer<typeof SessionStatus>;

/** Settings of one session; unknown keys are errors. */
export const SessionConfig = z.strictObject({
  /** Whether agents may run code on the worker's machine without asking. Default: as `approvals` say; false: never. */
  allowCode: z.boolean().optional(),
  /** Absolute path of an existing folder, on the workers, to work in. Default: a folder of the session's own. */
  workspace: z.string().startsWith('/', 'use an absolute path').max(4_096).optional(),
  /** Events of a run before the session continues as new. Default {@link DEFAULT_HISTORY_LIMIT}. */
  historyLimit: z.int().min(40).max(10_000).optional(),
  /** Milliseconds without a message after which an active session expires; null: never. Default 24 hours. */
  idleTimeoutMs: z.int().min(1_000).max(MAX_WAIT_MS).nullable().optional(),
  /** Model of every agent, unless `agents` names another one for it. Default: as the team says. */
  model: AgentOverride.shape.model,
  /** Agent that answers the messages, unless they need a plan. Default: as the team and its router say. */
  agent: Name.optional(),
  /** Changes to single agents for this session only. */
  agents: z.record(Name, AgentOverride).optional(),
  /** What waits for a person; stands above what mode and team say. */
  approvals: Approvals.optional(),
  /** What one turn may use; stands above what mode and team say. */
  budget: Budget.optional(),
});
export type SessionConfig = z.infer<typeof SessionConfig>;

/** Text of a person, as `messageProblem` says. */
export const MessageText = z.string().superRefine((text, check) => {
  const problem = messageProblem(text);
  if (problem !== undefined) check.addIssue(problem);
});

/** Names and users are shown in lists and used in visibility filters. */
export const Label = z
  .string()
  .min(1, 'it is empty')
  .max(200, 'it is longer than 200 characters')
  .refine((text) => !/\p{Cc}/u.test(text) && !hasLoneSurrogate(text), {
    error: 'it contains control characters or half of a surrogate pair',
  });

/** Longest title that a message gives, in UTF-16 units. */
const MAX_TITLE = 60;

/** The first words of a message, as the title of its session. Undefined if there are none. */
export function titleOf(message: string): string | undefined {
  const line = message.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  if (line === '') return undefined;
  if (line.length <= MAX_TITLE) return line;
  const words = line.lastIndexOf(' ', MAX_TITLE - 1);
  // A long first word, or a language without blanks: cut between characters.
  const whole = words >= MAX_TITLE / 2 ? line.slice(0, words) : beginningOf(line, MAX_TITLE - 1);
  return `${whole.trimEnd()}…`;
}

/** A message of a person on its way in. */
export const QueuedMessage = z.strictObject({
  /** Chosen by the sender; the same id is the same message, however often it is sent. */
  messageId: z.string().min(1).max(MAX_MESSAGE_ID),
  text: MessageText,
  /** Files of the workspace that its models see. */
  images: Images.optional(),
  /** The sender's span, under which those of the turn hang. */
  trace: Traceparent.optional(),
});
export type QueuedMessage = z.infer<typeof QueuedMessage>;

/** A remark on something that was ignored, such as a signal with an invalid payload. */
export const Note = z.object({ at: z.string(), text: z.string() });
export type Note = z.infer<typeof Note>;

const PlanOfCaller = z.custom<Json>().superRefine((plan: unknown, check) => {
  const problem = jsonProblem(plan, { maxSize: MAX_SAVED_PLAN_BYTES });
  if (problem !== undefined) check.addIssue(problem);
});

/** Phase and step as a caller of `save` left them; a running turn has its own. */
export const SavedPosition = z.strictObject({
  phase: Label.max(100).nullable(),
  step: z.union([z.int().min(0), Label]).nullable(),
  /** Any plan of the caller's own, of 256 KiB and 64 levels at most. */
  plan: PlanOfCaller.optional(),
});
export type SavedPosition = z.infer<typeof SavedPosition>;

/** Settings of a new session; all are optional. */
export const SessionOptions = z.strictObject({
  /** Mode of the turns: a built-in one or one of the team. Default `copilot`. */
  mode: Name.optional(),
  /** Name of the team in the workers' agents folder. Default `default`. */
  team: Name.optional(),
  /** Owner of the session, for lists. Default none. */
  user: Label.optional(),
  /**
   * Title. Default the first words of the first message, and until there is one `<mode>_YYYYMMDD_HHMMSS` in UTC. With
   * encryption it stays that, because titles are not encrypted.
   */
  name: Label.optional(),
  /** Default `ses_` and a ULID, so that ids sort by time. */
  id: SessionId.optional(),
  /** Settings that differ from those of mode and team. */
  config: SessionConfig.optional(),
  /** Values that the context starts with. The names of the session's own values are reserved. */
  context: ContextValues.optional(),
  /**
   * With `use`, an existing session of this id is returned: its settings and files stay, and a message is sent to it.
   * Default `error`.
   */
  ifExists: z.enum(['error', 'use']).optional(),
});
export type SessionOptions = z.input<typeof SessionOptions>;

/** What a session is started with. Everything but the team may be left out. */
export const SessionStart = z.object({
  mode: Name.default('copilot'),
  /** Empty: the session's id. */
  name: Label.default(''),
  /** Whether `name` is what somebody chose. Otherwise the first message gives it. */
  isNamed: z.boolean().default(true),
  user: Label.optional(),
  team: ResolvedTeam,
  config: SessionConfig.default({}),
  context: ContextValues.default({}),
  message: QueuedMessage.optional(),
  /** Files of the workspace that the first message brings along. */
  images: Images.optional(),
  /** Whether there are webhooks for sessions of its user, and for all sessions. Absent: the session finds out. */
  listeners: z.strictObject({ own: z.boolean(), all: z.boolean() }).optional(),
  /** A `SessionExport` to begin with, as `import` and `fork` give it; `context` then updates its context. */
  from: z.unknown().optional(),
});
export type SessionStart = z.infer<typeof SessionStart>;

/** A file of the archive with messages that a summary replaced. */
export const Segment = z.object({
  /** sha-256 of the file's content, in hex. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  messages: z.int(),
  bytes: z.int(),
});
export type Segment = z.infer<typeof Segment>;

/** What a person thinks of a turn or of the session. */
export const Rating = z.object({
  /** 1 to 5. */
  rating: z.int().min(1).max(5),
  turnId: z.string().nullable(),
  comment: z.string().nullable(),
  by: z.string().nullable(),
  at: z.string(),
});
export type Rating = z.infer<typeof Rating>;

/** How a session is used. */
export interface Analytics {
  /** Messages of people. */
  readonly messageCount: number;
  /** Milliseconds since the session was created, until now or its end. */
  readonly sessionDurationMs: number;
  /** Mean milliseconds from a turn's begin to its end, without those spent waiting for people; null before the first. */
  readonly agentResponseTimeMs: number | null;
  /** Mean of the ratings, null without any. */
  readonly rating: number | null;
  readonly ratings: readonly Rating[];
}

/** A session as `info`, `show` and the workflow's result give it. */
export interface SessionInfo {
  readonly id: string;
  readonly name: string;
  readonly user: string | null;
  readonly mode: string;
  readonly team: string;
  readonly digest: string;
  readonly status: SessionStatus;
  readonly suspendReason: string | null;
  /** What the running turn does; between turns what the last `save` said, else `idle`, or `init` before the first. */
  readonly phase: Phase | (string & {}) | null;
  /** Number of the step that runs, what the last `save` said, or null. */
  readonly step: number | string | null;
  readonly version: number;
  readonly createdAt: string;
  readonly lastActiveAt: string;
  readonly updatedAt: string;
  readonly config: SessionConfig;
  readonly turns: number;
  readonly queueLength: number;
  readonly contextVersion: number;
  readonly usage: Usage;
  /** By `agent/model`. */
  readonly usageByAgent: Readonly<Record<string, Usage>>;
  /** US dollars, if the team has prices for its models. */
  readonly cost: number | null;
  /** What waits for a person. */
  readonly pendingApprovals: readonly PendingRequest[];
  readonly analytics: Analytics;
  readonly lastWorker: { readonly identity: string; readonly instance: string } | null;
  readonly notes: readonly Note[];
  /** Runs of the workflow so far, and events in the present one. */
  readonly runs: number;
  readonly historyLength: number;
}

/** What a closed session leaves as its workflow's result: readable without a worker. */
export interface SessionResult {
  readonly info: SessionInfo;
  readonly context: Readonly<Record<string, Json>>;
  /** Why its export is not in the archive; null if it is. */
  readonly archiveProblem: string | null;
}
