/** Runs one tool call in the session's workspace, and finds out how one ended whose worker was cut off. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { RunToolInput, RunToolResult } from '../contracts/activities.ts';
import { CopilotError } from '../contracts/errors.ts';
import { imagesField } from '../contracts/image.ts';
import { MAX_TOOL_TEXT } from '../contracts/limits.ts';
import type { ToolHeartbeat } from '../contracts/progress.ts';
import type { NetworkRules } from '../contracts/tool.ts';
import { readProgress } from '../tools/definition/progress.ts';
import type { ToolContext, ToolResult } from '../tools/definition/tool.ts';
import { splitName } from '../tools/mcp/names.ts';
import { OutcomeUnknown } from '../tools/outcome-unknown.ts';
import { runTool as runHere } from '../tools/registry.ts';
import { writeInside } from '../tools/workspace/content.ts';
import { isFileProblem } from '../tools/workspace/file-problems.ts';
import { announceEffect, type CallAttempt, markDone, type Settled, settleEffect } from '../tools/workspace/effects.ts';
import { personOf } from './ask-person.ts';
import { withTeam, type WorkerParts } from './agent-call.ts';
import type { RunningCalls } from './running-calls.ts';
import { CallRefused, followWith, requirePermission } from './permission.ts';
import { type ActivityScope, inScope } from './scope.ts';
import { makePrivateFolder } from '../storage/atomic-file.ts';
import { keepFiles } from './tool-files.ts';
import { keepImages } from './tool-images.ts';
import { beginningOf } from '../contracts/text-cut.ts';
import { traceCall } from '../tracing/activity-spans.ts';

export interface ToolParts extends WorkerParts {
  readonly network: NetworkRules;
  readonly calls: RunningCalls;
  readonly log: Logger;
}

/** A call whose worker stood still right before its effect. The session makes it again without telling the agent. */
class CallNotBegun extends Error {
  constructor(tool: string) {
    super(`this worker stood still for too long before ${tool} took effect`);
  }
}

/** How long another process may take to say whether it goes on with a call. */
const OWNER_GRACE_MS = 10_000;
const OWNER_POLL_MS = 500;

/** A failure that the agent can act on is a result with the status `failed`. Any other error is retried. */
export async function runTool(parts: ToolParts, input: RunToolInput): Promise<RunToolResult> {
  return await inScope(async (scope) => {
    requireTool(parts, input);
    const call = attemptOf(scope, input);
    if (!call) return await callTool(parts, scope, input);
    // The server may have given up a worker that was frozen or cut off. The call goes on, and `settleTool` finds it.
    const lasting = { ...scope, signal: scope.signalUnlessForgotten };
    return await parts.calls.run(call, () => callTool(parts, lasting, input, call));
  });
}

/** @throws CopilotError `ToolMissing`: nothing has begun, and another worker may have the tool */
function requireTool({ tools }: WorkerParts, { tool }: RunToolInput): void {
  if (!splitName(tool) && !tools.has(tool)) throw new CopilotError('ToolMissing', { tool });
}

/** Repeats nothing. Of an attempt that has not announced its effect it makes sure that it cannot any more. */
export async function settleTool(parts: ToolParts, input: RunToolInput): Promise<RunToolResult> {
  return await inScope(async (scope) => {
    const call = attemptOf(scope, input);
    const ended = call && (await parts.calls.find(call, scope.signal));
    if (ended) return ended;
    const result = (status: RunToolResult['status'], text: string, artifacts: readonly string[] = []) =>
      ({ status, text, artifacts, worker: parts.identity }) satisfies RunToolResult;
    const tool = parts.tools.get(input.tool);
    const unknown = result('unknown', 'its worker stopped while it ran');
    if (!call || !tool?.settle) return unknown;
    const workspace = await openWorkspace(parts, scope, input);
    const settled = await settleOnce({ workspace, tool: input.tool }, call, scope.signal);
    if (settled.state === 'revoked') return result('not-begun', '');
    if (settled.state === 'done') return result('ok', settled.result.text, settled.result.artifacts);
    const { effect, others, mayGoOn } = settled;
    const outcome = await tool.settle(effect.trace, { session: scope.sessionId, workspace, others });
    if (outcome === 'done') return result('ok', effect.result.text, effect.result.artifacts);
    if (outcome === 'not-done' && !mayGoOn) return result('not-begun', '');
    return mayGoOn ? result('unknown', `${unknown.text} and may still go on`) : unknown;
  });
}

/** Gives a process that may still be at the call some time to end it. */
async function settleOnce(
  place: { readonly workspace: string; readonly tool: string },
  call: CallAttempt,
  signal: AbortSignal,
): Promise<Settled> {
  const deadline = Date.now() + OWNER_GRACE_MS;
  for (;;) {
    const settled = await settleEffect(place, call);
    if (settled.state !== 'announced' || !settled.mayGoOn || Date.now() > deadline) return settled;
    await sleep(OWNER_POLL_MS, undefined, { signal });
  }
}

/** Undefined for a call without outside effects. */
function attemptOf({ sessionId }: ActivityScope, { key, attempt }: RunToolInput): CallAttempt | undefined {
  return attempt === undefined ? undefined : { session: sessionId, key, attempt };
}

async function openWorkspace(
  { workspaceRoot }: ToolParts,
  { sessionId }: ActivityScope,
  input: RunToolInput,
): Promise<string> {
  const workspace = input.workspace ?? join(workspaceRoot, sessionId);
  try {
    await makePrivateFolder(workspace);
  } catch (error) {
    // Many tools need no files. Those that do say that the workspace is missing.
    if (!isFileProblem(error)) throw error;
  }
  return workspace;
}

async function callTool(
  parts: ToolParts,
  scope: ActivityScope,
  input: RunToolInput,
  call?: CallAttempt,
): Promise<RunToolResult> {
  const { identity } = parts;
  const workspace = await openWorkspace(parts, scope, input);
  try {
    const {
      text,
      artifacts = [],
      images = [],
    } = await traceTool(input, () =>
      splitName(input.tool) ? callMcp(parts, scope, input, workspace) : callHere(parts, scope, input, workspace, call),
    );
    const kept = await keepImages({ workspace, tool: input.tool }, images);
    const limited = await limitOutput(workspace, input, text);
    return {
      status: 'ok',
      text: [limited.text, ...kept.lines].join('\n'),
      artifacts: [...artifacts, ...kept.artifacts, ...limited.artifacts],
      ...imagesField(kept.images),
      worker: identity,
    };
  } catch (error) {
    if (error instanceof CallNotBegun) return { status: 'not-begun', text: '', artifacts: [], worker: identity };
    if (error instanceof CallRefused)
      return { status: 'refused', text: error.message, artifacts: [], worker: identity };
    if (scope.signal.aborted || !(error instanceof CopilotError) || error.type !== 'ToolFailed') throw error;
    const status = error instanceof OutcomeUnknown ? 'unknown' : 'failed';
    const text = error instanceof OutcomeUnknown ? error.problem : error.message;
    return { status, text: beginningOf(text, MAX_TOOL_TEXT), artifacts: [], worker: identity };
  }
}

async function traceTool(
  { tool, key, arguments: given }: RunToolInput,
  work: () => Promise<ToolResult>,
): Promise<ToolResult> {
  const attributes = {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': tool,
    'gen_ai.tool.call.id': key,
    'gen_ai.tool.type': splitName(tool) ? 'extension' : 'function',
  };
  return await traceCall(
    () => ({ name: `execute_tool ${tool}`, attributes }),
    async (span) => {
      if (span?.withContent) span.set({ 'gen_ai.tool.call.arguments': given });
      const result = await work();
      if (span?.withContent) span.set({ 'gen_ai.tool.call.result': result.text });
      return result;
    },
  );
}

/** Calls an MCP tool on the connection of the session's team, which limits the time of the call. */
async function callMcp(
  parts: WorkerParts,
  scope: ActivityScope,
  input: RunToolInput,
  workspace: string,
): Promise<ToolResult> {
  const { tool, digest, arguments: text, key } = input;
  return await withTeam(parts, scope, digest, async ({ team }) => {
    const { ceilings, tools } = parts;
    const { definition } = team;
    await requirePermission(input, { ceilings, tools, session: scope.sessionId, workspace, definition });
    const result = await team.callMcp(tool, text, {
      idempotencyKey: `${scope.sessionId}/${key}`,
      signal: scope.signal,
      ask: personOf(scope, input),
      report: reporterOf(scope, input),
    });
    const kept = await keepFiles({ workspace, tool }, result.files);
    const { images } = result;
    return { text: [result.text, ...kept.lines].join('\n'), images, artifacts: kept.artifacts };
  });
}

async function callHere(
  { network, ceilings, tools, log }: ToolParts,
  scope: ActivityScope,
  input: RunToolInput,
  workspace: string,
  call: CallAttempt | undefined,
): Promise<ToolResult> {
  const { sessionId: session, signal, isStale } = scope;
  const { tool, arguments: text, key, turnId: turn, step } = input;
  const place = { ceilings, tools, session, workspace };
  await requirePermission(input, place);
  const attempt = call?.attempt ?? scope.attempt;
  const at = { turn, ...(step === undefined ? {} : { step }), attempt };
  let isAnnounced = false;
  let notBegun: CallNotBegun | undefined;
  let stale: Error | undefined;
  const context: ToolContext = {
    session,
    ...at,
    idempotencyKey: `${session}/${key}`,
    signal,
    workspace,
    report: reporterOf(scope, input),
    log: log.child({ session, ...at, tool }),
    network,
    announce: async (effect) => {
      if (!call) return;
      await announceEffect({ workspace, tool }, call, effect);
      if (isStale()) {
        notBegun = new CallNotBegun(tool);
        throw notBegun;
      }
      isAnnounced = true;
    },
    requireCurrent: () => {
      signal.throwIfAborted();
      // The server gives the call to a worker anew, which may be this one.
      if (isStale()) stale = new Error(`this worker stood still for too long while it ran ${tool}`);
      if (stale) throw stale;
    },
    mayFollow: followWith(input, place),
  };
  try {
    const result = await runHere(tools, tool, text, context);
    if (call && isAnnounced) await markDone({ workspace, tool }, call);
    return result;
  } catch (error) {
    throw notBegun ?? stale ?? error;
  }
}

/** Sends what a call says of its progress with the heartbeats. */
function reporterOf({ attach }: ActivityScope, { tool, step }: RunToolInput): ToolContext['report'] {
  const at = { tool, ...(step === undefined ? {} : { step }) };
  return (progress) => {
    const report = { ...at, progress: readProgress(progress) } satisfies ToolHeartbeat;
    attach(() => report);
  };
}

/** Cuts long output for the conversation and keeps the whole in the workspace. */
async function limitOutput(
  workspace: string,
  { tool, key }: RunToolInput,
  text: string,
): Promise<{ text: string; artifacts: string[] }> {
  if (text.length <= MAX_TOOL_TEXT) return { text, artifacts: [] };
  const path = `tool-output/${key.replaceAll('/', '-')}.txt`;
  const cut = (rest: string): string =>
    `${beginningOf(text, MAX_TOOL_TEXT)}\n\n[Cut after ${MAX_TOOL_TEXT} of ${text.length} characters. ${rest}]`;
  try {
    await writeInside({ workspace, tool }, path, text);
  } catch (error) {
    // The call was made, so its result counts even if the workspace cannot be written.
    if (!(error instanceof CopilotError) || error.type !== 'ToolFailed') throw error;
    return { text: cut('The rest was dropped, because the workspace cannot be written.'), artifacts: [] };
  }
  return { text: cut(`Full output: ${path}.`), artifacts: [path] };
}
