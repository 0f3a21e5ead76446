/** One call of a tool, in the session's workspace. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunToolInput, RunToolResult } from '../contracts/activities.ts';
import { CopilotError } from '../contracts/errors.ts';
import { MAX_TOOL_TEXT } from '../contracts/limits.ts';
import type { NetworkRules, ToolResult } from '../contracts/tool.ts';
import { splitName } from '../tools/mcp/names.ts';
import { findTool, runTool as callBuiltIn } from '../tools/registry.ts';
import { writeInside } from '../tools/workspace/content.ts';
import { withTeam, type WorkerParts } from './conversation.ts';
import { type ActivityScope, inScope } from './scope.ts';

export interface ToolParts extends WorkerParts {
  readonly workspaceRoot: string;
  readonly network: NetworkRules;
}

/** What the agent can do something about is a result, `failed`; anything else is tried again. */
export async function runTool(parts: ToolParts, input: RunToolInput): Promise<RunToolResult> {
  return await inScope(async (scope) => {
    const { sessionId, signal } = scope;
    const { identity } = parts;
    const workspace = input.workspace ?? join(parts.workspaceRoot, sessionId);
    await mkdir(workspace, { recursive: true });
    try {
      const { text, artifacts = [] } = splitName(input.tool)
        ? await callMcp(parts, scope, input)
        : await callWithin(parts, scope, input, workspace);
      const capped = await cap(workspace, input, text);
      return { status: 'ok', text: capped.text, artifacts: [...artifacts, ...capped.artifacts], worker: identity };
    } catch (error) {
      if (signal.aborted || !(error instanceof CopilotError) || error.type !== 'ToolFailed') throw error;
      return { status: 'failed', text: error.message, artifacts: [], worker: identity };
    }
  });
}

/** On the connection of the session's team, which keeps the time of the call. */
async function callMcp(
  parts: WorkerParts,
  scope: ActivityScope,
  { tool, digest, arguments: text, key }: RunToolInput,
): Promise<ToolResult> {
  if (digest === undefined) throw new CopilotError('ToolFailed', { tool, problem: 'the session names no team for it' });
  return await withTeam(parts, scope, digest, ({ team }) =>
    team.callMcp(tool, text, { idempotencyKey: `${scope.sessionId}/${key}`, signal: scope.signal }),
  );
}

async function callWithin(
  { network }: ToolParts,
  { sessionId, signal }: ActivityScope,
  { tool, arguments: text, key }: RunToolInput,
  workspace: string,
): Promise<ToolResult> {
  const limit = AbortSignal.timeout(findTool(tool)?.timeoutMs ?? 0);
  try {
    return await callBuiltIn(tool, text, {
      workspace,
      idempotencyKey: `${sessionId}/${key}`,
      signal: AbortSignal.any([signal, limit]),
      network,
    });
  } catch (error) {
    throw limit.aborted ? new CopilotError('ToolFailed', { tool, problem: 'its time is up' }) : error;
  }
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
