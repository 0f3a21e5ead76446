/** What a tool is, for the side that describes it and the side that runs it. */
import type { z } from 'zod';
import type { Json } from './json.ts';
import type { SubjectKind } from './rules.ts';
import type { ToolCategory } from './team.ts';

/**
 * `none`: running it again gives the same world, so it is retried freely.
 * `external`: never repeated blindly. If its worker died while it ran, and the tool cannot find out what became of it, a
 * person is asked.
 */
export type ToolEffects = 'none' | 'external';

/** What the turn engine needs to know of a tool; part of a team's definition. */
export interface ToolFacts {
  readonly name: string;
  readonly effects: ToolEffects;
  readonly category: ToolCategory;
  /** Longest run in milliseconds. */
  readonly timeoutMs: number;
}

/** Whether a list of tools has one of this name: itself, or as `server.*` with all tools of its MCP server. */
export function isOffered(tools: readonly string[], name: string): boolean {
  return tools.includes(name) || (name.includes('.') && tools.includes(`${name.slice(0, name.indexOf('.'))}.*`));
}

/** Where `fetch_url` may go. */
export interface NetworkRules {
  /** Host names, or `*.example.org` for every name below example.org; lower case. Empty: every public host. */
  readonly allow: readonly string[];
  /** Whether addresses that are not public (loopback, intranet, …) may be reached. */
  readonly private: boolean;
}

/**
 * What patterns of rules are compared with: a command line, a URL, paths of files, or with `tree` paths of folders with
 * all that is in them. `fields` are the arguments that hold it; optional ones may be absent.
 */
export interface ToolSubject {
  readonly kind: SubjectKind;
  readonly fields: readonly string[];
}

export interface ToolContext {
  /** Absolute path of the session's workspace; it exists. */
  readonly workspace: string;
  /** `session/turn/step/call`: the same for every attempt of the same call. */
  readonly idempotencyKey: string;
  /** Aborts when the turn is interrupted, the time is up, or the worker shuts down. */
  readonly signal: AbortSignal;
  readonly network: NetworkRules;
  /**
   * Called right before an effect that {@link Tool.settle} can find again.
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

/** What a tool is about to do, written down before it does it. */
export interface AnnouncedEffect {
  /** By what {@link Tool.settle} recognises the effect. */
  readonly trace: Json;
  /** The result if it takes effect. Such tools give no images. */
  readonly result: Pick<ToolResult, 'text' | 'artifacts'>;
}

export interface SettleContext extends Pick<ToolContext, 'workspace'> {
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

export interface Tool<Input extends z.ZodType = z.ZodType> extends ToolFacts {
  /** What the model reads to decide whether and how to call it. */
  readonly description: string;
  readonly input: Input;
  /** Absent if rules about this tool can have no pattern. */
  readonly subject?: ToolSubject;
  /**
   * Paths that are not a whole field, such as those in SQL. Rules compare them as they do those of `subject`.
   * @throws CopilotError if the tool would refuse the call
   */
  subjectPaths?(input: z.output<Input>, context: Pick<ToolContext, 'workspace'>): Promise<readonly string[]>;
  /**
   * Whether a person decides about this call although the policies allow it. An error counts as yes. What a person has
   * allowed for the session is not asked again.
   */
  needsApproval?(input: z.output<Input>, context: Pick<ToolContext, 'workspace'>): boolean | Promise<boolean>;
  /**
   * @throws CopilotError `ToolFailed` for whatever the agent can do something about: it is told the
   * message and goes on. Anything else thrown is a defect and is retried.
   */
  run(input: z.output<Input>, context: ToolContext): Promise<ToolResult>;
  /** Whether an announced effect took place, for a call whose worker died before it could say so. */
  settle?(trace: Json, context: SettleContext): Promise<'done' | 'not-done' | 'unknown'>;
}
