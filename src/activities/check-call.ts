/** Checks the arguments that a person wants to give a call, before the decision counts. */
import { join } from 'node:path';
import { z } from 'zod';
import type { CheckCallInput } from '../contracts/activities.ts';
import { CopilotError } from '../contracts/errors.ts';
import { parseJson } from '../contracts/json.ts';
import { judgeCall } from '../tools/approval/judge.ts';
import { parseArguments } from '../tools/definition/arguments.ts';
import { splitName } from '../tools/mcp/names.ts';
import type { Tools } from '../tools/registry.ts';
import { withTeam, type WorkerParts } from './agent-call.ts';
import { inScope } from './scope.ts';

export async function checkCall(parts: WorkerParts, input: CheckCallInput): Promise<string | null> {
  return await inScope(async (scope) => {
    const { tool, arguments: text, digest, policies } = input;
    const { ceilings, tools, workspaceRoot } = parts;
    const workspace = input.workspace ?? join(workspaceRoot, scope.sessionId);
    const judge = (definition: Parameters<typeof judgeCall>[1]['definition']) =>
      judgeCall(
        { name: tool, arguments: text },
        { definition, policies, ceilings, tools, session: scope.sessionId, workspace },
      );
    if (!splitName(tool))
      return (await checkArguments(tools, tool, text)) ?? (await judge({ agents: {} }))?.reason ?? null;
    return await withTeam(parts, scope, digest, async ({ team }) => {
      const schema = team.mcpSchema(tool);
      if (!schema) return 'its server lists no such tool';
      return checkBySchema(schema.parameters, text) ?? (await judge(team.definition))?.reason ?? null;
    });
  });
}

async function checkArguments(tools: Tools, name: string, text: string): Promise<string | undefined> {
  const tool = tools.get(name);
  if (!tool) throw new CopilotError('ToolMissing', { tool: name });
  try {
    await parseArguments(tool, text);
    return undefined;
  } catch (error) {
    // The advice is for a model.
    if (error instanceof CopilotError)
      return String(error.details['problem']).replace(/\. Call it again with [^.]*\.$/, '');
    throw error;
  }
}

/** A schema that cannot be read is left to the server. */
function checkBySchema(schema: Readonly<Record<string, unknown>>, text: string): string | undefined {
  let form: z.ZodType;
  try {
    form = z.fromJSONSchema(schema);
  } catch {
    return undefined;
  }
  const { error } = form.safeParse(parseJson(text));
  return error && z.prettifyError(error).replaceAll(/\s*\n\s*/g, ' ');
}
