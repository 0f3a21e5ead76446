/** Asks the process that reads tables. It gets open files of the workspace, and no other access. */
import { mkdtemp, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { runNode } from '../tools/separate-process.ts';
import { refusal } from '../tools/refusal.ts';
import { openInside } from '../tools/workspace/content.ts';
import type { Scope } from '../tools/workspace/paths.ts';
import type { ChartRequest } from './chart/request.ts';
import type { Choices } from './engine/column-types.ts';
import type { EngineAnswer, EngineFile, EngineRequest } from './request.ts';

const MAX_TABLE_BYTES = 512 * 1024 * 1024;
const TIME_LIMIT_MS = 30_000;
/** Memory of DuckDB. The process around it takes some 150 MiB. */
const DATABASE_MIB = 320;
const HEAP_MIB = 512;
/** Standard input, output and error, and the channel to this process. */
const FIRST_DESCRIPTOR = 4;

const ENGINE = join(import.meta.dirname, 'engine', `main${extname(import.meta.filename)}`);

export interface TableQuestion {
  /** Tables by their path, and the names that SQL may call them by. */
  readonly files: readonly { readonly path: string; readonly names: readonly string[] }[];
  readonly choices: Choices;
  readonly ask:
    | { readonly kind: 'profile' }
    | { readonly kind: 'query'; readonly sql: string; readonly maxRows: number }
    | { readonly kind: 'chart'; readonly chart: ChartRequest };
  readonly signal: AbortSignal;
}

/**
 * @returns JSON as text, since its numbers may have more digits than a double
 * @throws CopilotError `ToolFailed` if a file is no table, or the question does not fit
 */
export async function askEngine(scope: Scope, { files, choices, ask, signal }: TableQuestion): Promise<string> {
  if (!isInstalled('@duckdb/node-api')) {
    throw refusal(
      scope,
      'this worker has no DuckDB, because it was installed without optional packages. Go on with read_file, and tell the person that the worker needs `npm install --include=optional`.',
    );
  }
  const handles: FileHandle[] = [];
  const scratch = await mkdtemp(join(tmpdir(), 'copilot-tables-'));
  try {
    const sources: EngineFile[] = [];
    const stems = files.map(({ path }) => stem(path));
    for (const { path, names } of files) {
      const { handle, relative } = await openInside(scope, path, MAX_TABLE_BYTES);
      handles.push(handle);
      // The open file, not its name, which could be another file by now.
      sources.push({
        file: relative,
        path: `/dev/fd/${FIRST_DESCRIPTOR + sources.length}`,
        // A short name that two files share names neither.
        names: [relative, ...names, ...(stems.filter((name) => name === stem(path)).length === 1 ? [stem(path)] : [])],
      });
    }
    const request: EngineRequest = { files: sources, choices, scratch, memoryMiB: DATABASE_MIB, ...ask };
    const outcome = await runNode<EngineAnswer>([ENGINE], request, {
      timeoutMs: TIME_LIMIT_MS,
      memoryMiB: HEAP_MIB,
      signal,
      descriptors: handles.map(({ fd }) => fd),
    });
    if (!('stopped' in outcome)) {
      if ('value' in outcome) return outcome.value;
      if ('refused' in outcome) throw refusal(scope, outcome.refused);
      throw new Error(`The table engine failed: ${outcome.failed}`);
    }
    const limit = outcome.stopped === 'time' ? `${TIME_LIMIT_MS / 1_000} s` : `${DATABASE_MIB} MiB of memory`;
    throw refusal(scope, `this needs more than ${limit}. Ask for less: fewer columns or rows, or figures by group.`);
  } finally {
    for (const handle of handles) await handle.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

function isInstalled(name: string): boolean {
  try {
    return import.meta.resolve(name) !== '';
  } catch {
    return false;
  }
}

function stem(path: string): string {
  return basename(path, extname(path));
}
