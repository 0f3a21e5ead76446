/** Where the code of agents runs. `run_code` and `shell` know nothing else of it. */

/** What is run. A file is given by its path in the workspace. */
export type Code =
  | { readonly language: 'node' | 'python'; readonly file: string }
  | { readonly language: 'shell'; readonly command: string };

export interface CodeRequest {
  /** The tool that asks, for messages. */
  readonly tool: string;
  readonly code: Code;
  /** Absolute path of the session's workspace: working directory and home of the code. */
  readonly workspace: string;
  readonly stdin: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A limit that ended a run. */
export type LimitHit = 'time' | 'memory' | 'processes';

export interface CodeOutcome {
  readonly exitCode: number;
  readonly limitHit: LimitHit | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** Bytes of output that were dropped. */
  readonly droppedBytes: number;
  readonly durationMs: number;
}

export interface CodeRunner {
  /** For people, such as `child processes` or `docker, node:24`. */
  readonly name: string;
  /** MiB that the code may have. */
  readonly memoryMiB: number;
  /**
   * Runs code to its end or to a limit. Every process of it is gone when this settles.
   * @throws CopilotError `ToolFailed` if it could not begin, with what to do; the signal's reason if it aborts
   */
  run(request: CodeRequest): Promise<CodeOutcome>;
  /** Called when a worker starts: removes what dead workers left. */
  prepare?(): Promise<void>;
  /** What keeps it from working on this machine; undefined if nothing does. */
  check?(): Promise<string | undefined>;
}
