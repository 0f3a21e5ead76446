/** What a tool is: how its author defines it, what its call is given, and what it gives. */
import type { Logger } from 'pino';
import type { z } from 'zod';
import type { Json } from '../../contracts/json.ts';
import type { SubjectKind } from '../../contracts/rules.ts';
import type { ToolProgress } from '../../contracts/progress.ts';
import type { ToolCategory } from '../../contracts/team.ts';
import type { NetworkRules, ToolEffects, ToolFacts } from '../../contracts/tool.ts';

/**
 * What patterns of rules are compared with: a command line, a URL, paths of files, or with `tree` paths of folders with
 * all that is in them. `fields` are the arguments that hold it; optional ones may be absent.
 */
export interface ToolSubject {
  readonly kind: SubjectKind;
  readonly fields: readonly string[];
}

/** Where a call belongs, for what is asked before it runs. */
export interface ApprovalContext {
  /** Id of the session. */
  readonly session: string;
  /** Absolute path of the session's workspace. */
  readonly workspace: string;
}

export interface ToolContext {
  /** Id of the session. */
  readonly session: string;
  /** Id of the turn. */
  readonly turn: string;
  /** Number of the plan's step, from 1. Absent outside of plans. */
  readonly step?: number;
  /** The same for every attempt of the same call, on any worker, and different for any other call. */
  readonly idempotencyKey: string;
  /** How often the call was begun, from 1. */
  readonly attempt: number;
  /** Aborts when the turn is interrupted, the time is up, or the worker shuts down. */
  readonly signal: AbortSignal;
  /** Absolute path of the session's workspace; it exists. */
  readonly workspace: string;
  /** Shows followers how far the call has come. Only the latest report is kept. */
  readonly report: (progress: string | ToolProgress) => void;
  /** Writes to the worker's log, with session, turn, step and tool. */
  readonly log: ToolLog;
  /** Hosts that the operator lets tools reach (`COPILOT_FETCH_ALLOW`). The tool itself has to keep to it. */
  readonly network: NetworkRules;
  /**
   * Called right before an effect that {@link ToolDefinition.settle} can find again.
   * @throws CopilotError `ToolFailed` if the call may not take effect any more
   */
  readonly announce: (effect: AnnouncedEffect) => Promise<void>;
  /**
   * Called right before a file is replaced. Throws if the call was stopped, or another worker may have taken it over: what
   * it wrote since then would be lost.
   */
  readonly requireCurrent?: () => void;
  /** Whether a request that was allowed to go to `from` may go on to `to`. Default: yes. */
  readonly mayFollow?: (from: URL, to: URL) => Promise<boolean>;
}

export type ToolLog = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** What a tool is about to do, written down before it does it. */
export interface AnnouncedEffect {
  /** By what {@link ToolDefinition.settle} recognises the effect. */
  readonly trace: Json;
  /** The result if it takes effect. Such tools give no images. */
  readonly result: Pick<ToolResult, 'text' | 'artifacts'>;
}

export interface SettleContext extends ApprovalContext {
  /** What other calls in this workspace announced, in this session and in others. */
  readonly others: readonly Json[];
}

export interface ToolResult {
  /** What the agent reads. The engine caps it at 25,000 characters and keeps the whole as a file. */
  readonly text: string;
  /** Files written, relative to the workspace. */
  readonly artifacts?: readonly string[];
  /** Images that the model sees, PNG, JPEG, WebP or GIF: files of the workspace by their paths, or bytes, which become files. */
  readonly images?: readonly (string | Uint8Array)[];
}

/** A schema of Zod 4: of any copy that a project has, whose types differ from version to version, or of `zod/mini`. */
export interface ParameterSchema {
  readonly _zod: { readonly output: unknown };
}

/** What {@link defineTool} takes. */
export interface ToolDefinition<Parameters extends ParameterSchema> {
  /** 1 to 64 letters, digits, `_` and `-`, the first a letter. Teams list it in `tools:`. */
  readonly name: string;
  /** What the model reads to decide whether and how to call it. */
  readonly description: string;
  /** An object schema of Zod 4 that JSON Schema can express. Descriptions of its fields reach the model. */
  readonly parameters: Parameters;
  /** What approval policies go by. */
  readonly category: ToolCategory;
  /**
   * `none`: running it again gives the same world, so it is retried freely. `external`: never repeated blindly. If its
   * worker dies while it runs, or its time is up, a person is asked what became of it.
   */
  readonly effects: ToolEffects;
  /** Longest run in milliseconds. Default 60,000. */
  readonly timeoutMs?: number;
  /** What it refuses or cuts, in a few words for people. */
  readonly limits?: string;
  /** Absent if rules about this tool can have no pattern. */
  readonly subject?: ToolSubject;
  /**
   * Paths that are not a whole field, such as those in SQL. Rules compare them as they do those of `subject`.
   * @throws CopilotError if the tool would refuse the call
   */
  subjectPaths?(args: Parameters['_zod']['output'], context: ApprovalContext): Promise<readonly string[]>;
  /**
   * Whether a person decides about this call although the policies allow it. Only `false` means no: an error, or more
   * than 5 seconds, count as yes. What a person has allowed for the session is not asked again.
   */
  needsApproval?(args: Parameters['_zod']['output'], context: ApprovalContext): boolean | Promise<boolean>;
  /**
   * Gives a text, a {@link ToolResult}, or any other JSON value, which the agent reads as JSON. The agent is told the
   * message of an error, and goes on. A tool that cannot know whether its call took effect throws {@link OutcomeUnknown}.
   */
  run(args: Parameters['_zod']['output'], context: ToolContext): unknown;
  /** Whether an announced effect took place, for a call whose worker died before it could say so. */
  settle?(trace: Json, context: SettleContext): Promise<'done' | 'not-done' | 'unknown'>;
}

/** Marks what {@link defineTool} made. Registered, because a config file may load another copy of this package. */
export const TOOL = Symbol.for('durable-copilot.tool');

/** A tool as the engine uses it. Only {@link defineTool} makes one. */
export interface Tool extends ToolFacts {
  readonly [TOOL]: true;
  readonly description: string;
  readonly parameters: z.ZodType;
  /** JSON schema of the arguments. */
  readonly schema: z.core.JSONSchema.BaseSchema;
  readonly limits?: string;
  /** File and line of its definition. */
  readonly definedAt: string;
  readonly subject?: ToolSubject;
  // Arguments are those that `parameters` gave.
  readonly subjectPaths?: (args: unknown, context: ApprovalContext) => Promise<readonly string[]>;
  readonly needsApproval?: (args: unknown, context: ApprovalContext) => unknown;
  readonly run: (args: unknown, context: ToolContext) => Promise<ToolResult>;
  readonly settle?: (trace: Json, context: SettleContext) => Promise<'done' | 'not-done' | 'unknown'>;
}
