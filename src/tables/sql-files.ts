/** Finds the files that SQL names. */
import { refusal } from '../tools/refusal.ts';
import { resolveInside, type Scope } from '../tools/workspace/paths.ts';

const MAX_FILES = 8;
const TABLE_FILE = /\.(?:csv|tsv|tab|txt|json|jsonl|ndjson|parquet)$/i;

/**
 * Quoted texts with the ending of a table file that exist in the workspace.
 * @throws CopilotError `ToolFailed` if a file in FROM or JOIN does not exist or lies outside the workspace
 */
export async function filesNamedIn(scope: Scope, sql: string): Promise<{ path: string; names: string[] }[]> {
  const found = new Map<string, { path: string; names: string[] }>();
  for (const match of sql.matchAll(/(\b(?:from|join)\s+|,\s*)?(?:'((?:[^']|'')+)'|"((?:[^"]|"")+)")/gi)) {
    const [, before, single, double] = match;
    const path = single?.replaceAll("''", "'") ?? double?.replaceAll('""', '"') ?? '';
    if (!TABLE_FILE.test(path) || found.has(path)) continue;
    const isTable = /^(?:from|join)/i.test(before ?? '');
    try {
      await resolveInside(scope, path);
    } catch (error) {
      // Any other text may look like a file's name.
      if (isTable) throw error;
      continue;
    }
    found.set(path, { path, names: [path.normalize('NFC')] });
  }
  if (found.size > MAX_FILES)
    throw refusal(scope, `the SQL names ${found.size} files, and the limit is ${MAX_FILES}. Query fewer at once.`);
  return [...found.values()];
}
