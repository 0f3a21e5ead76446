/** One call of a tool, in the session's workspace. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunToolInput, RunToolResult } from '../contracts/activities.ts';
import { CopilotError } from '../contracts/errors.ts';
import { MAX_TOOL_TEXT } from '../contracts/limits.ts';
import { findTool, runTool as callTool } from '../tools/registry.ts';
import { writeInside } from '../tools/workspace.ts';
import { inScope } from './scope.ts';

export interface ToolParts {
  readonly workspaceRoot: string;
  readonly identity: string;
}

/** What the agent can do something about is a result, `failed`; anything else is tried again. */
export async function runTool({ workspaceRoot, identity }: ToolParts, input: RunToolInput): Promise<RunToolResult> {
  return await inScope(async ({ sessionId, signal }) => {
    const workspace = input.workspace ?? join(workspaceRoot, sessionId);
    await mkdir(workspace, { recursive: true });
    const limit = AbortSignal.timeout(findTool(input.tool)?.timeoutMs ?? 0);
    try {
      const { text, artifacts = [] } = await callTool(input.tool, input.arguments, {
        workspace,
        idempotencyKey: `${sessionId}/${input.key}`,
        signal: AbortSignal.any([signal, limit]),
      });
      const capped = await cap(workspace, input, text);
      return { status: 'ok', text: capped.text, artifacts: [...artifacts, ...capped.artifacts], worker: identity };
    } catch (error) {
      if (signal.aborted) throw error;
      const known = limit.aborted
        ? new CopilotError('ToolFailed', { tool: input.tool, problem: 'its time is up' })
        : error;
      if (!(known instanceof CopilotError) || known.type !== 'ToolFailed') throw error;
      return { status: 'failed', text: known.message, artifacts: [], worker: identity };
    }
  });
}

/** Long output is cut for the conversation and kept whole in the workspace. */
async function cap(
  workspace: string,
  { tool, key }: RunToolInput,
  text: string,
): Promise<{ text: string; artifacts: string[] }> {
  if (text.length <= MAX_TOOL_TEXT) return { text, artifacts: [] };
  const path = `tool-output/${key.replaceAll('/', '-')}.txt`;
  await writeInside({ workspace, tool }, path, text);
  const remark = `\n\n[Cut after ${MAX_TOOL_TEXT} of ${text.length} characters. The whole is in ${path}.]`;
  return { text: text.slice(0, MAX_TOOL_TEXT) + remark, artifacts: [path] };
}
