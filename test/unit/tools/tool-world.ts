/** A workspace of its own for each test, and a way to call a tool in it as the engine does. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CopilotError } from '../../../src/contracts/errors.ts';
import type { ToolContext, ToolResult } from '../../../src/tools/definition/tool.ts';
import { builtInTools, runTool } from '../../../src/tools/registry.ts';

const silent = (): void => undefined;

/** What a call has from the engine, for tools that do not care. */
export const OUTSIDE = {
  session: 'ses_1',
  turn: 'turn-1',
  attempt: 1,
  idempotencyKey: 'ses_1/1/1/1',
  report: silent,
  log: { debug: silent, info: silent, warn: silent, error: silent },
  announce: () => Promise.resolve(),
};

export interface ToolWorld {
  /** Holds the workspace and what lies outside it. */
  readonly folder: string;
  readonly workspace: string;
  readonly context: ToolContext;
  call(tool: string, input: unknown): Promise<ToolResult>;
  /** The problem that the tool names as it refuses. */
  refused(tool: string, input: unknown): Promise<string>;
  remove(): Promise<void>;
}

/** @param base the folder that it is made in */
export async function createToolWorld(
  signal: AbortSignal = new AbortController().signal,
  base = tmpdir(),
): Promise<ToolWorld> {
  const folder = await mkdtemp(join(base, 'tool-world-'));
  const workspace = join(folder, 'workspace');
  await mkdir(workspace);
  const network = { allow: [], private: false };
  const context = { ...OUTSIDE, workspace, signal, network };
  const call = (tool: string, input: unknown): Promise<ToolResult> =>
    runTool(builtInTools, tool, JSON.stringify(input), context);
  return {
    folder,
    workspace,
    context,
    call,
    refused: async (tool, input) => problemOf(tool, call(tool, input)),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Asserts that it is refused in the way an agent is told of, and returns what it is told. */
export async function problemOf(tool: string, result: Promise<ToolResult>): Promise<string> {
  const error = await result.then(
    ({ text }) => assert.fail(`not refused: ${text}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof CopilotError)) throw error;
  assert.equal(error.type, 'ToolFailed');
  assert.equal(error.details['tool'], tool);
  return String(error.details['problem']);
}

/** Waits for something that happens soon. */
export async function eventually(
  isTrue: () => boolean | Promise<boolean>,
  withinMs: number,
  what: string,
): Promise<void> {
  const deadlineMs = Date.now() + withinMs;
  while (!(await isTrue())) {
    if (Date.now() > deadlineMs) assert.fail(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
