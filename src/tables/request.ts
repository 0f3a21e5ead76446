/** What a tool asks of the process that reads tables, and what comes back. */
import type { ChartRequest } from './chart/request.ts';
import type { Choices } from './engine/column-types.ts';

export interface EngineFile {
  /** Path relative to the workspace. */
  readonly file: string;
  /** Where the process can read it. */
  readonly path: string;
  /** Names by which SQL may call the table. */
  readonly names: readonly string[];
}

interface Common {
  readonly files: readonly EngineFile[];
  readonly choices: Choices;
  /** An empty folder that is removed afterwards. */
  readonly scratch: string;
  /** Memory that DuckDB may use. */
  readonly memoryMiB: number;
}

export type EngineRequest = Common &
  (
    | { readonly kind: 'profile' }
    | { readonly kind: 'query'; readonly sql: string; readonly maxRows: number }
    | { readonly kind: 'chart'; readonly chart: ChartRequest }
  );

export type EngineAnswer =
  /** JSON; numbers in it may have more digits than a double. */
  | { readonly value: string }
  /** What is wrong and what the agent can do. */
  | { readonly refused: string }
  | { readonly stopped: 'memory' }
  /** A defect. */
  | { readonly failed: string };
