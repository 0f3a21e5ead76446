/** Runs one tool call in the session's workspace. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunToolInput, RunToolResult } from '../contracts/activities.ts';
import { CopilotError } from '../contracts/errors.ts';
import { MAX_TOOL_TEXT } from '../contracts/limits.ts';
import type { NetworkRules, ToolResult } from '../contracts/tool.ts';
import { splitName } from '../tools/mcp/names.ts';
import { findTool, runTool as runBuiltIn } from '../tools/registry.ts';
import { writeInside } from '../tools/workspace/content.ts';
import { withTeam, type WorkerParts } from './agent-call.ts';
import { type ActivityScope, inScope } from './scope.ts';

export interface ToolParts extends WorkerParts {
  readonly workspaceRoot: string;
  readonly network: NetworkRules;
}

/** A failure that the agent can act on is a result with the status `failed`. Any other error is retried. */
export async function runTool(parts: ToolParts, input: RunToolInput): Promise<RunToolResult> {
  return await inScope(async (scope) => {
    const { sessionId, signal } = scope;
    const { identity } = parts;
    const workspace = input.workspace ?? join(parts.workspaceRoot, sessionId);
    await mkdir(workspace, { recursive: true });
    try {
      const { text, artifacts = [] } = splitName(input.tool)
        ? await callMcp(parts, scope, input)
        : await callBuiltIn(parts, scope, input, workspace);
      const limited = await limitOutput(workspace, input, text);
      return { status: 'ok', text: limited.text, artifacts: [...artifacts, ...limited.artifacts], worker: identity };
    } catch (error) {
      if (signal.aborted || !(error instanceof CopilotError) || error.type !== 'ToolFailed') throw error;
      return { status: 'failed', text: error.message, artifacts: [], worker: identity };
    }
  });
}

/** Calls an MCP tool on the connection of the session's team, which limits the time of the call. */
async function callMcp(
  parts: WorkerParts,
  scope: ActivityScope,
  { tool, digest, arguments: text, key }: RunToolInput,
): Promise<ToolResult> {
  return await withTeam(parts, scope, digest, ({ team }) =>
    team.callMcp(tool, text, { idempotencyKey: `${scope.sessionId}/${key}`, signal: scope.signal }),
  );
}

async function callBuiltIn(
  { network }: ToolParts,
  { sessionId, signal }: ActivityScope,
  { tool, arguments: text, key }: RunToolInput,
  workspace: string,
): Promise<ToolResult> {
  const limit = AbortSignal.timeout(findTool(tool)?.timeoutMs ?? 0);
  try {
    return await runBuiltIn(tool, text, {
      workspace,
      idempotencyKey: `${sessionId}/${key}`,
      signal: AbortSignal.any([signal, limit]),
      network,
    });
  } catch (error) {
    throw limit.aborted ? new CopilotError('ToolFailed', { tool, problem: 'it timed out' }) : error;
  }
}

/** Cuts long output for the conversation and keeps the whole in the workspace. */
async function limitOutput(
  workspace: string,
  { tool, key }: RunToolInput,
  text: string,
): Promise<{ text: string; artifacts: string[] }> {
  if (text.length <= MAX_TOOL_TEXT) return { text, artifacts: [] };
  const path = `tool-output/${key.replaceAll('/', '-')}.txt`;
  await writeInside({ workspace, tool }, path, text);
  const note = `\n\n[Cut after ${MAX_TOOL_TEXT} of ${text.length} characters. Full output: ${path}.]`;
  return { text: text.slice(0, MAX_TOOL_TEXT) + note, artifacts: [path] };
}
