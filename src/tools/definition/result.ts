/** What a tool gave, in the one form that the engine knows. */
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { refusal } from '../refusal.ts';
import type { ToolResult } from './tool.ts';

const Result = z.strictObject({
  text: z.string(),
  artifacts: z.array(z.string()).readonly().optional(),
  images: z
    .array(z.union([z.string(), z.instanceof(Uint8Array)]))
    .readonly()
    .optional(),
});

/**
 * A text is itself, an object of the form of {@link ToolResult} too, and any other value becomes JSON.
 * Paths become relative to the workspace, since another worker may have it elsewhere.
 * @throws CopilotError `ToolFailed` if it cannot: the agent must learn that the call itself was made
 */
export function readResult(given: unknown, tool: string, workspace: string): ToolResult {
  if (typeof given === 'string') return { text: given };
  if (given === undefined || given === null) return { text: 'Done.' };
  const result = Result.safeParse(given);
  if (result.success) {
    const { text, artifacts = [], images } = result.data;
    const paths = artifacts.map((path) => pathIn(workspace, path));
    const outside = artifacts.filter((_, index) => isOutside(paths[index] ?? ''));
    return {
      text: [
        text,
        ...outside.map((path) => `[${path} is no file of the session: it is outside of the workspace.]`),
      ].join('\n'),
      ...(artifacts.length > 0 && { artifacts: paths.filter((path) => !isOutside(path)) }),
      ...(images && { images: images.map((image) => (typeof image === 'string' ? pathIn(workspace, image) : image)) }),
    };
  }
  try {
    const text = JSON.stringify(given);
    if (text === undefined || (text === '{}' && !isPlain(given))) throw new TypeError(`it is a ${kindOf(given)}`);
    return { text };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw refusal({ tool }, `the call was made, but its result is no JSON (${reason}). Do not repeat it blindly`);
  }
}

const pathIn = (workspace: string, path: string): string => relative(workspace, resolve(workspace, path));

const isOutside = (path: string): boolean => path === '' || path.split(sep)[0] === '..' || isAbsolute(path);

/** A map, a response and the like are `{}` in JSON, which would tell the agent nothing. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function kindOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? value.constructor.name : typeof value;
}
