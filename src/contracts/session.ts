/** A session: how it starts, what it shows of itself, what it carries from run to run. */
import { z } from 'zod';
import { type ContextInput, ContextValues } from './context.ts';
import { Json, type Usage, utf8Bytes } from './json.ts';
import { MAX_MESSAGE_BYTES } from './limits.ts';
import { AgentOverride, Name, ResolvedTeam } from './team.ts';
import { Message, TranscriptAddress } from './transcript.ts';
import type { NextStep, Phase, Route, Step, TurnError, TurnStatus } from './turn.ts';

/** Ids that a caller may choose: they become workflow ids, folder names and parts of keys. */
export const SessionId = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/,
    'use letters, digits, "_" and "-", 100 at most, starting with a letter or digit',
  );

/** `expired`: nobody sent anything for its `idleTimeoutMs`. Completed and expired sessions are closed. */
export const SessionStatus = z.enum(['active', 'suspended', 'completed', 'expired']);
export type SessionStatus = z.infer<typeof SessionStatus>;

/** Settings of one session; unknown keys are errors. */
export const SessionConfig = z.strictObject({
  /** Lets agents run code on the worker's machine. Default false. */
  allowCode: z.boolean().optional(),
  /** Absolute path of an existing folder, on the workers, to work in. Default: a folder of the session's own. */
  workspace: z.string().startsWith('/', 'use an absolute path').max(4_096).optional(),
  /** Events of a run before the session continues as new. Default {@link DEFAULT_HISTORY_LIMIT}. */
  historyLimit: z.int().min(40).max(10_000).optional(),
  /** Milliseconds without a message after which an active session expires; null: never. Default 24 hours. */
  idleTimeoutMs: z
    .int()
    .min(1_000)
    .max(10 * 365 * 86_400_000)
    .nullable()
    .optional(),
  /** Changes to single agents for this session only. */
  agents: z.record(Name, AgentOverride).optional(),
});
export type SessionConfig = z.infer<typeof SessionConfig>;

/** Text of a person: not blank, no NUL, whole characters only, 256 KiB at most. */
export const MessageText = z
  .string()
  .refine((text) => text.length <= MAX_MESSAGE_BYTES && utf8Bytes(text) <= MAX_MESSAGE_BYTES, {
    error: `it is longer than ${MAX_MESSAGE_BYTES / 1024} KiB; attach a file instead`,
  })
  .refine((text) => text.trim() !== '', { error: 'it is empty' })
  .refine((text) => !text.includes('\u0000'), { error: 'it contains a NUL character' })
  .refine((text) => !hasLoneSurrogate(text), { error: 'it contains half of a surrogate pair' });

function hasLoneSurrogate(text: string): boolean {
  return /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
}

/** Names and users are shown in lists and used in visibility filters. */
export const Label = z
  .string()
  .min(1, 'it is empty')
  .max(200, 'it is longer than 200 characters')
  .refine((text) => !/\p{Cc}/u.test(text) && !hasLoneSurrogate(text), {
    error: 'it contains control characters or half of a surrogate pair',
  });

/** A message of a person on its way in. */
export const QueuedMessage = z.strictObject({
  /** Chosen by the sender; the same id is the same message, however often it is sent. */
  messageId: z.string().min(1).max(200),
  text: MessageText,
});
export type QueuedMessage = z.infer<typeof QueuedMessage>;

/** A remark on something that was ignored, such as a signal with a payload that made no sense. */
export const Note = z.object({ at: z.string(), text: z.string() });
export type Note = z.infer<typeof Note>;

/** Messages of one step or one-shot turn while it runs: gone with its end. */
export const Thread = z.object({ id: z.string(), address: TranscriptAddress, messages: z.array(Message) });
export type Thread = z.infer<typeof Thread>;

/** A turn inside the workflow. */
export interface Turn {
  readonly id: string;
  readonly messageId: string;
  readonly text: string;
  number: number;
  status: TurnStatus;
  phase: Phase;
  next: NextStep;
  route?: Route;
  routeReason?: string;
  /** The agent that answers, or leads the plan. */
  agent?: string;
  /** The task in full words, as the router or the planner's input has it. */
  task: string;
  steps: Step[];
  thread?: Thread;
  reply: string;
  questions: string[];
  artifacts: string[];
  usage: Usage;
  error?: z.infer<typeof TurnError>;
  /** Where `continue` takes up a failed turn. */
  resumeAt?: NextStep;
  /** Whether its message stands in the transcript already, since it failed and was taken up again. */
  isInTranscript?: boolean;
  /** Whether somebody asked for it to end. */
  isInterrupted?: boolean;
  startedAt?: string;
  endedAt?: string;
}

/** Phase and step as a caller of `save` left them; a running turn has its own. */
export const SavedPosition = z.strictObject({
  phase: z.string().min(1).max(100).nullable(),
  step: z.union([z.int().min(0), z.string().min(1).max(200)]).nullable(),
  /** Any plan of the caller's own. */
  plan: Json.optional(),
});
export type SavedPosition = z.infer<typeof SavedPosition>;

/** What a session is started with. */
export const SessionStart = z.object({
  mode: Name,
  name: Label,
  user: Label.optional(),
  team: ResolvedTeam,
  config: SessionConfig,
  context: ContextValues,
  message: QueuedMessage.optional(),
  /** A `SessionExport` to begin with, as `import` and `fork` give it; `context` then updates its context. */
  from: z.unknown().optional(),
});
export type SessionStart = z.infer<typeof SessionStart>;

/**
 * Everything a session carries through continue-as-new; plain JSON.
 *
 * Schema versions:
 * - 1: the first.
 */
export interface SessionState {
  readonly schemaVersion: 1;
  readonly name: string;
  readonly user?: string;
  readonly mode: string;
  readonly team: ResolvedTeam;
  readonly config: SessionConfig;
  readonly createdAt: string;
  status: SessionStatus;
  suspendReason?: string;
  /** As the last `save` left it; gone with the next turn. */
  saved?: SavedPosition;
  /** Goes up with every change that a reader can see. */
  version: number;
  updatedAt: string;
  lastActiveAt: string;
  /** Number of the latest started turn. */
  turnCount: number;
  /** Number of messages ever accepted; names the next turn. */
  messageCount: number;
  queue: Turn[];
  /** The turn that runs, or that may be taken up again after it failed. */
  current?: Turn;
  recent: Turn[];
  /** Pairs of message id and turn id, oldest first. */
  remembered: [string, string][];
  /** The live conversation; `bytes` is the size of its text. */
  transcript: { address: TranscriptAddress; messages: Message[]; bytes: number };
  context: ContextInput;
  usage: Record<string, Usage>;
  notes: Note[];
  /** Number of the next progress event. */
  progressSeq: number;
  /** Who did the last activity. */
  lastWorker?: { identity: string; instance: string };
  runs: number;
}

/** Input of the workflow: a new session, or the state of the run before. */
export type SessionInput = { readonly start: SessionStart } | { readonly carried: SessionState };

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
  readonly pendingApprovals: readonly never[];
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
}
