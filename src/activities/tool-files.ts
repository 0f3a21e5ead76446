/** Keeps what a tool gave beside text and images, such as audio or a PDF, in the workspace. */
import { CopilotError } from '../contracts/errors.ts';
import { digestOfBytes } from '../contracts/digest.ts';
import type { GivenFile } from '../tools/mcp/reading/result.ts';
import { writeInside } from '../tools/workspace/content.ts';
import type { Scope } from '../tools/workspace/paths.ts';

const MAX_FILES = 20;
const DIGEST_CHARACTERS = 16;

export interface KeptFiles {
  /** Paths in the workspace. */
  readonly artifacts: readonly string[];
  /** What the agent is told about them. */
  readonly lines: readonly string[];
}

/** Never throws because of a file: the call has taken effect, and the rest of its result counts. */
export async function keepFiles(scope: Scope, given: readonly GivenFile[]): Promise<KeptFiles> {
  const artifacts: string[] = [];
  const lines: string[] = [];
  for (const { name, bytes } of given.slice(0, MAX_FILES)) {
    // Named by its content first: an equal result is seen to be equal, and a server names no other file.
    const path = `tool-output/${digestOfBytes(bytes).slice(0, DIGEST_CHARACTERS)}-${name}`;
    try {
      await writeInside(scope, path, bytes);
      artifacts.push(path);
      lines.push(`[File: ${path}, ${bytes.length} bytes.]`);
    } catch (error) {
      if (!(error instanceof CopilotError) || error.type !== 'ToolFailed') throw error;
      lines.push(`[A file is left out: ${String(error.details['problem'])}]`);
    }
  }
  const rest = given.length - MAX_FILES;
  if (rest > 0) lines.push(`[${rest} more ${rest === 1 ? 'file is' : 'files are'} left out.]`);
  return { artifacts, lines };
}
