/** Everything that a session carries from run to run, as plain JSON. Only `workflows/session/` changes it. */
import type { Judgement } from './activities.ts';
import type { ContextState } from './context.ts';
import type { ImageReference } from './image.ts';
import type { Json, JsonObject, Usage } from './json.ts';
import type { DecidedRequest, Grant, OpenRequest, UnknownCall } from './request.ts';
import type { Refusal } from './session-answer.ts';
import type { Note, Rating, SavedPosition, Segment, SessionConfig, SessionStart, SessionStatus } from './session.ts';
import type { Budget, ResolvedTeam } from './team.ts';
import type { Message, ProviderData, ToolCall, TranscriptAddress } from './transcript.ts';
import type { Traceparent } from './trace.ts';
import type { Phase, PlannedStep, Route, Step, TurnError } from './turn.ts';
import type { Listeners } from './webhooks.ts';

/** Input of the workflow: a new session, or the state of the run before. */
export type SessionInput = { readonly start: SessionStart } | { readonly carried: SessionState };

/** What the running turn does next. Only `workflows/session/loop.ts` switches on it. */
export type NextStep =
  | { readonly kind: 'route' }
  | { readonly kind: 'one-shot'; readonly agent: string }
  | { readonly kind: 'clarify'; readonly questions: readonly string[] }
  /** `proposed`: the answering agent's own plan. Without it the planner is asked. */
  | { readonly kind: 'plan'; readonly proposed?: readonly PlannedStep[] }
  /** `changes`: how often the person has had the plan changed. */
  | { readonly kind: 'approve-plan'; readonly changes: number }
  | { readonly kind: 'step'; readonly number: number }
  /** `reply`: of the turn, as the last step gave it. Without it the answering agent writes one. */
  | { readonly kind: 'review-step'; readonly number: number; readonly reply?: string }
  | { readonly kind: 'answer'; readonly reply?: string }
  /** `editPlan` wants this step and all after it to run again. */
  | { readonly kind: 'restart'; readonly number: number }
  /** A model could not take the conversation: it is shortened before the turn goes on. */
  | { readonly kind: 'shorten'; readonly before: NextStep }
  | { readonly kind: 'end'; readonly outcome: TurnOutcome };

/** How a turn ends. */
export type TurnOutcome =
  | { readonly status: 'completed'; readonly reply: string; readonly providerData?: ProviderData }
  | FailedTurn
  /** Its reply is what it had written by then. */
  | { readonly status: 'interrupted' };

export interface FailedTurn {
  readonly status: 'failed';
  readonly error: TurnError;
  /** Where `continue` takes it up; null if a person refused it. */
  readonly resumeAt: NextStep | null;
}

/** Where a turn stands. What callers see as its status is computed from this, the session's status and its requests. */
export type TurnState =
  | { readonly status: 'queued' }
  | { readonly status: 'running'; readonly next: NextStep }
  | { readonly status: 'completed' }
  | FailedTurn
  | { readonly status: 'interrupted' };

/** One message of a person, and what the session does about it. */
export interface Turn {
  readonly id: string;
  readonly messageId: string;
  readonly text: string;
  readonly images?: readonly ImageReference[];
  /** The sender's span. */
  readonly trace?: Traceparent;
  /** Position in the conversation, from 1; 0 while it is queued. */
  number: number;
  state: TurnState;
  phase: Phase;
  /** What was decided about the message, and why. */
  route: { readonly kind: Route; readonly reason: string } | null;
  /** The agent that answers, or leads the plan. */
  agent: string | null;
  /** The task in full words, as the router or the planner's input has it. */
  task: string;
  steps: Step[];
  /** What its agents are doing: one, or one for each of the steps that run side by side. */
  works: Work[];
  /** Questions of the turn and the person's answers. */
  answers: {
    readonly questions: readonly string[];
    readonly answer: string;
    readonly images?: readonly ImageReference[];
  }[];
  usage: Usage;
  /** By `agent/model`. */
  spent: Record<string, Usage>;
  /** Limits as people raised them. */
  raised: Budget;
  /** By agent: which of its models it has come to. The next turn begins with the first again. */
  models: Record<string, number>;
  /** Milliseconds spent waiting for people, and since when it waits now. */
  waitedMs: number;
  waitingSince: string | null;
  /** Whether the conversation was shortened for this turn. That happens once. */
  isShortened: boolean;
  reply: string;
  artifacts: string[];
  /** Calls with outside effects that took effect, the newest last, for agents that begin the same work again. */
  effects: { readonly part: string; readonly what: string }[];
  /** Calls whose outcome nobody has told yet. */
  unknownCalls: UnsettledCall[];
  /** How often it was taken up again after it had ended. */
  takenUp: number;
  /** Set if the worker that answered last sends no traces. */
  isUntraced?: true;
  /** How many of its message and `answers` stand in the transcript, from an earlier end. */
  transcribed: number;
  startedAt: string | null;
  endedAt: string | null;
}

/** What an agent is doing: one step, direct answer or final answer. It is removed when that ends. */
export interface Work {
  /** Names its calls: `one-shot`, `step-2`, `step-2.3` for its third attempt, `answer`. */
  readonly part: string;
  readonly phase: 'one-shot' | 'step' | 'answer';
  readonly step?: number;
  /** Whether its agent decides about the message: it may make a plan of it, or ask back. */
  readonly routes?: boolean;
  /** Changes with a hand-off. */
  agent: string;
  handoffs: number;
  /** Rounds of the model that have ended. */
  rounds: number;
  /** The messages so far, without `tail`. */
  readonly thread: Thread;
  /** Messages since the last round. */
  tail: Message[];
  /** Calls of the last round that are not answered yet. */
  calls: ToolCall[];
  /** How `calls` ended, while people are asked about the outcome of some of them. */
  ends?: CallEnd[];
  /** What the worker says of each of `calls`. */
  judgements: (Judgement | null)[];
  /** What is wrong with the result that one of `calls` reports. */
  problem?: string;
  /** The beginning of an answer whose rest the agent was asked for. */
  begun?: string;
  /** The last round of calls with its results, as a checksum, and how often it was made in a row. */
  repeated?: { readonly check: number; readonly times: number };
  /** What its agents want remembered. The context takes it when the work has ended well. */
  remembered: Record<string, Json>;
}

/** An {@link UnknownCall} with what was called. */
export interface UnsettledCall extends UnknownCall {
  readonly tool: string;
  /** JSON text with which it was called. */
  readonly arguments: string;
  /** Who gave it these arguments, if not the model. */
  readonly editedBy?: string;
}

/** How a call of a round ended: with an answer for the agent, or in a way that nobody knows. */
export type CallEnd = { readonly answer: Message } | { readonly unsettled: UnsettledCall };

/** Messages of a {@link Work}, addressed like the conversation. */
export interface Thread {
  readonly id: string;
  address: TranscriptAddress;
  readonly messages: Message[];
  /** Size of the messages in UTF-16 units, with calls and what providers need back. */
  units: number;
}

/** A workflow that waits for an answer of the session. */
export interface Asker {
  /** Id of the workflow. */
  readonly from: string;
  /** What it asked about; null: the session's result. */
  readonly message:
    | { readonly id: string; readonly turnId: string }
    | { readonly id: string; readonly refusal: Refusal }
    | null;
}

export interface SessionState {
  readonly schemaVersion: 1;
  name: string;
  /** Whether somebody chose the name. Otherwise the first message gives it. */
  isNamed: boolean;
  readonly user: string | null;
  mode: string;
  team: ResolvedTeam;
  config: SessionConfig;
  /** What `configure` brought in the middle of a turn, for the next. */
  nextTeam: ResolvedTeam | null;
  readonly createdAt: string;
  status: SessionStatus;
  /** The last suspension, until the session is continued. */
  suspension: { readonly at: string; readonly reason: string | null } | null;
  /** As the last `save` left it; the next turn removes it. */
  saved: SavedPosition | null;
  /** Goes up with every change that a reader can see. */
  version: number;
  updatedAt: string;
  lastActiveAt: string;
  /** Number of the latest started turn. */
  turnCount: number;
  /** Number of messages ever accepted; names the next turn. */
  messageCount: number;
  queue: Turn[];
  /** Images that were attached when the session began, until its first message. */
  attached?: ImageReference[];
  /** The turn that runs. */
  current: Turn | null;
  /** The newest ended turns, oldest first. */
  recent: Turn[];
  /** Workflows that wait for an answer, in the order in which they asked. */
  askers: Asker[];
  listeners: Listeners;
  /** Pairs of message id and turn id, oldest first. */
  remembered: [string, string][];
  /** The live conversation; `bytes` is the size of its text. */
  transcript: { address: TranscriptAddress; messages: Message[]; bytes: number };
  context: ContextState;
  /** Ephemeral values of the context, which no export has. */
  ephemeral: JsonObject;
  usage: Record<string, Usage>;
  notes: Note[];
  /** Requests that wait, or whose verdict the turn has not taken up yet. */
  requests: OpenRequest[];
  /** Requests ever made; names the next. */
  requestCount: number;
  /** The newest decided requests, oldest first. */
  decisions: DecidedRequest[];
  grants: Grant[];
  /** Originals of messages that were summarised, oldest first. */
  segments: Segment[];
  ratings: Rating[];
  /** Ended turns and the time that they took, without waiting for people. */
  responses: { count: number; totalMs: number };
  /** Number of the next progress event. */
  progressSeq: number;
  /** Who did the last activity. */
  lastWorker: { readonly identity: string; readonly instance: string } | null;
  runs: number;
}

/** Values that nobody changes in place: another one takes their place as a whole. */
type Whole = Message | NextStep | TurnState | ResolvedTeam;

/** The same value for readers: the compiler refuses to change anything in it. */
export type DeepReadonly<T> = [Json] extends [T]
  ? T
  : T extends Whole
    ? T
    : { readonly [Key in keyof T]: DeepReadonly<T[Key]> };

// What everybody but the owners in `workflows/session/` sees.

export type SessionView = DeepReadonly<SessionState>;
export type RunningTurn = DeepReadonly<Turn>;
export type RunningWork = DeepReadonly<Work>;
