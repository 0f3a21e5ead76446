/** Has a person edit the arguments of a call, in their editor or as JSON on the command line. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CopilotError } from '../../contracts/errors.ts';
import { visibleJson } from '../../contracts/visible-text.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../contracts/json.ts';

/** @throws CopilotError `InvalidInput` if the text is not a JSON object */
export function parseEditedArguments(what: string, text: string): JsonObject {
  const value = parseJson(text) as Json | undefined; // what JSON.parse gives is JSON
  if (isJsonObject(value)) return value;
  const problem = 'it is not one JSON object; give all arguments of the call, such as {"command": "ls"}';
  throw new CopilotError('InvalidInput', { what, problem });
}

/**
 * Opens the arguments in the editor that VISUAL or EDITOR names, `vi` without either, and waits until it ends.
 * @param argumentsText JSON, whole
 * @throws CopilotError `InvalidInput` if the editor fails, or what it leaves is not a JSON object
 */
export async function editArguments(
  argumentsText: string,
  environment: Readonly<Record<string, string>>,
): Promise<JsonObject> {
  const editor = environment['VISUAL'] ?? environment['EDITOR'] ?? 'vi';
  const folder = await mkdtemp(join(tmpdir(), 'copilot-edit-'));
  const file = join(folder, 'arguments.json');
  try {
    const value = parseJson(argumentsText);
    const shown = value === undefined ? argumentsText : JSON.stringify(value, undefined, 2);
    await writeFile(file, `${visibleJson(shown)}\n`, { mode: 0o600 });
    // The variable may hold options, such as `code --wait`.
    const [program = 'vi', ...options] = editor.split(/\s+/);
    const child = spawn(program, [...options, file], { stdio: 'inherit' });
    const end = await once(child, 'exit').then(([code]: unknown[]) => code, String);
    if (end !== 0) {
      const problem = `it ended with ${String(end)}, so nothing was decided; set EDITOR to another program`;
      throw new CopilotError('InvalidInput', { what: `editor "${editor}"`, problem });
    }
    return parseEditedArguments('what the editor left', await readFile(file, 'utf8'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
