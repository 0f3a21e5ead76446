/** What activities take and give. Inputs do not grow with the conversation: see {@link TranscriptAddress}. */
import type { FileAnswer, FileRequest } from './files.ts';
import type { ImageReference } from './image.ts';
import type { Json, Usage } from './json.ts';
import type { Excerpt } from './progress.ts';
import type { Segment, SessionOptions, SessionResult, SessionStart } from './session.ts';
import type { Policies } from './policies.ts';
import type { Coverage } from './request.ts';
import type { AgentOverride, DefinedTool, ResolvedTeam, ToolPolicy } from './team.ts';
import type { ToolFacts } from './tool.ts';
import type { Message, ProviderData, ToolCall, TranscriptAddress } from './transcript.ts';
import type { TracedTurn } from './trace.ts';
import type { PlannedStep, RouteDecision, TurnView } from './turn.ts';
import type { WebhookActivities } from './webhooks.ts';

/** What every call of an agent names. The session's id is the id of the workflow that calls. */
export interface AgentCall extends TracedTurn {
  readonly digest: string;
  readonly agent: string;
  readonly override?: AgentOverride;
  /** The conversation before this turn. */
  readonly transcript: TranscriptAddress;
  /** Values of the context that the agent's instructions use. */
  readonly context: Readonly<Record<string, Json>>;
  /** Which of the agent's models the turn has come to, from 0. Absent: the first. */
  readonly model?: number;
  /** Folder of the session's files, if the session names one. */
  readonly workspace?: string;
}

/** That the first of an agent's models did not serve it. */
export interface Fallback {
  /** Place of the model that answered among the agent's models, from 0. */
  readonly index: number;
  readonly to: string;
  readonly problem: string;
}

/** Who answered: shown by `info`. */
export interface Answered {
  readonly usage: Usage;
  /** Name of the model as its server gives it. */
  readonly model: string;
  /** Id of the team instance on the worker. */
  readonly instance: string;
  readonly worker: string;
  /** Set if the worker sends traces. */
  readonly isTraced?: true;
  readonly fallback?: Fallback;
}

/** An answer whose reasoning can be followed. */
export interface Reasoned extends Answered {
  /** The end of what the model showed of its reasoning, for followers only. */
  readonly reasoning?: Excerpt;
}

export interface RouteInput extends AgentCall {
  readonly message: string;
  readonly images?: readonly ImageReference[];
}

export interface RouteResult extends Reasoned {
  readonly decision: RouteDecision;
  /** `repaired`: the model was told once what was wrong. `heuristic`: its second answer was not usable either. */
  readonly source: 'model' | 'repaired' | 'heuristic';
}

export interface PlanInput extends AgentCall {
  readonly task: string;
  readonly images?: readonly ImageReference[];
  /** Steps that somebody wants changed, and how. */
  readonly revise?: {
    readonly steps: readonly PlannedStep[];
    readonly feedback: string;
    readonly by: 'reviewer' | 'person';
  };
}

export interface PlanResult extends Reasoned {
  /** Empty if the planner gave no usable plan. */
  readonly steps: readonly PlannedStep[];
  /** Why there is no plan. */
  readonly problem?: string;
}

export interface ReviewInput extends AgentCall {
  readonly task: string;
  readonly steps: readonly PlannedStep[];
}

export interface ReviewResult extends Reasoned {
  readonly approved: boolean;
  readonly feedback: string;
  /** Why there is no usable review, if there is none. */
  readonly problem?: string;
}

export interface RunAgentInput extends AgentCall {
  readonly phase: 'one-shot' | 'step' | 'answer';
  /** Number of the step, if the call belongs to one. */
  readonly step?: number;
  /** The messages of this step or turn so far, without `tail`. */
  readonly thread: { readonly id: string; readonly address: TranscriptAddress };
  /** Messages that came since the last model round. */
  readonly tail: readonly Message[];
  /** Tools on offer in this round. */
  readonly tools: readonly string[];
  /** Whether the report of this step may bring the reply of the turn. */
  readonly mayAnswer?: boolean;
  readonly policies: Policies;
  /** Folder that the tools work in, if the session names one. */
  readonly workspace?: string;
}

/** What a worker says of a call. Facts of tools are its own, whatever the team's definition says. */
export interface Judgement extends Pick<ToolFacts, 'category' | 'effects' | 'timeoutMs'> {
  readonly policy: ToolPolicy;
  /** Why it is denied. */
  readonly reason?: string;
  /** What the worker never runs, if that is why. */
  readonly ceiling?: string;
  /** What `allow for this session` would cover, with `ask`. */
  readonly covers?: Coverage;
}

/** One round of a model: text, and the tools it wants called. */
export interface RunAgentResult extends Reasoned {
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  /** One for each of `toolCalls`; null for what only the session can judge. */
  readonly judgements: readonly (Judgement | null)[];
  /**
   * `interrupted`: the call was stopped, and `text` is what had come until then. `length`, `filtered`, `refused` and
   * `failed`: the model or its provider ended it before it was complete.
   */
  readonly finish: 'stop' | 'tool_calls' | 'length' | 'filtered' | 'refused' | 'failed' | 'interrupted';
  readonly providerData?: ProviderData;
  /** What is wrong with the agent's answer or reported result, if that must have a schema. */
  readonly problem?: string;
  /** Tools that the agent has to do without, and why. */
  readonly warnings?: readonly string[];
}

export interface RunToolInput extends TracedTurn {
  readonly tool: string;
  /** JSON text as the model wrote it. */
  readonly arguments: string;
  /** `turn/step/call`: the same for every attempt. */
  readonly key: string;
  /** Number of the step, if the call belongs to one. */
  readonly step?: number;
  /** With outside effects: how often the call was begun, from 1. */
  readonly attempt?: number;
  /** Of the team, for tools of its MCP servers. */
  readonly digest: string;
  /** Folder to work in, if the session names one. */
  readonly workspace?: string;
  readonly policies: Policies;
  /** Whether a person approved this call with these arguments. */
  readonly isApproved: boolean;
}

export interface RunToolResult {
  /**
   * `failed`: the agent is told why and can do something about it. `refused`: this worker does not run such a call.
   * `unknown`: it may have taken effect. `not-begun`: it has no effect, and never will.
   */
  readonly status: 'ok' | 'failed' | 'refused' | 'unknown' | 'not-begun';
  /** Capped for the conversation. */
  readonly text: string;
  readonly artifacts: readonly string[];
  readonly images?: readonly ImageReference[];
  readonly worker: string;
}

/** Arguments that a person wants to give a call. */
export type CheckCallInput = Pick<RunToolInput, 'tool' | 'arguments' | 'digest' | 'workspace' | 'policies'>;

/** Older messages to be summarised: those before index `upTo` of the conversation. */
export interface SummariseInput extends AgentCall {
  readonly upTo: number;
}

export interface SummariseResult extends Answered {
  readonly summary: string;
  readonly segment: Segment;
}

/** What the engine writes into the workspace when a planned turn has ended. */
export interface ReportInput {
  readonly folder: string;
  readonly workspace?: string;
  readonly files: Readonly<Record<string, Json>>;
}

/** What a worker says of a team's definition that somebody else wrote. */
export interface TeamInspection {
  /** Whether the worker's own team of this name is the same, word for word. */
  readonly isOwn: boolean;
  /** The worker's facts of the tools that it knows. */
  readonly facts: Readonly<Record<string, DefinedTool>>;
  /** Servers of the definition that it would not open. */
  readonly untrusted: readonly string[];
}

/** A session that a workflow may start. */
export interface PreparedSession {
  readonly id: string;
  readonly start: SessionStart;
}

/** What is left of a session that has ended. */
export interface ClosedSession {
  /** As the session or the server has it, such as `completed` or `terminated`. */
  readonly status: string;
  /** Null if something other than the session has ended it. */
  readonly result: SessionResult | null;
  /** The turn of the message that was asked for, if the session still knows it. */
  readonly turn: TurnView | null;
}

/** What workflows of a service have a worker do, because they cannot do it themselves. */
export interface ServiceActivities {
  /** Checks the settings of a session, and gives what it starts with. */
  copilotPrepareSession(options: SessionOptions): Promise<PreparedSession>;
  /** Reads a session that has ended. */
  copilotReadClosed(question: { readonly sessionId: string; readonly messageId?: string }): Promise<ClosedSession>;
}

/**
 * Everything a session does outside its own memory. With the prefix, a service may have a `plan` of its own on the same
 * worker.
 */
export interface Activities extends WebhookActivities {
  copilotResolveTeam(team: string): Promise<ResolvedTeam>;
  /** Looks at a definition that somebody else wrote, before a session is pinned to it. */
  copilotInspectTeam(team: ResolvedTeam): Promise<TeamInspection>;
  copilotRoute(input: RouteInput): Promise<RouteResult>;
  copilotPlan(input: PlanInput): Promise<PlanResult>;
  copilotReview(input: ReviewInput): Promise<ReviewResult>;
  copilotRunAgent(input: RunAgentInput): Promise<RunAgentResult>;
  copilotRunTool(input: RunToolInput): Promise<RunToolResult>;
  /** Finds out how a call ended whose worker was cut off. It repeats nothing. */
  copilotSettleTool(input: RunToolInput): Promise<RunToolResult>;
  /** What is wrong with the arguments, by the tool's schema and the policies; null if the call may be made with them. */
  copilotCheckCall(input: CheckCallInput): Promise<string | null>;
  /** Summarises older messages and keeps their originals in the archive. */
  copilotSummarise(input: SummariseInput): Promise<SummariseResult>;
  /** Writes reports into the workspace. @returns their paths there */
  copilotWriteReports(input: ReportInput): Promise<readonly string[]>;
  /** Reads or writes files of a session for a client. */
  copilotFiles(request: FileRequest, content?: Uint8Array): Promise<FileAnswer>;
  /** Writes the export of the session that calls to the archive. */
  copilotArchive(): Promise<void>;
}

/** Name of the tool by which an agent ends its step; the engine answers it itself. */
export const REPORT_STEP = 'report_step';

/** Name of the tool by which an agent asks the person; the engine answers it itself. */
export const ASK_USER = 'ask_user';
/** Name of the tool by which an agent writes to the session's context; the engine answers it itself. */
export const REMEMBER = 'remember';
/** Name of the tool by which an agent that may route makes a plan of its message; the engine answers it itself. */
export const MAKE_PLAN = 'make_plan';
/** Tools of this prefix hand the work over to the agent whose id follows. */
export const HANDOFF_PREFIX = 'transfer_to_';

/** What the agent gives to {@link REPORT_STEP}. */
export interface StepReport {
  readonly status: 'done' | 'failed';
  readonly summary: string;
  /** The reply of the turn, from the last step of its plan. */
  readonly answer?: string;
}
