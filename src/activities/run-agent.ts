/** Runs one round of an agent: the model's text, streamed to followers, and the tool calls that it asks for. */
import { join } from 'node:path';
import { z } from 'zod';
import { checkText, type OutputForm } from '../agents/files/output-form.ts';
import {
  ASK_USER,
  type Judgement,
  MAKE_PLAN,
  REPORT_STEP,
  type RunAgentInput,
  type RunAgentResult,
} from '../contracts/activities.ts';
import { parseJson } from '../contracts/json.ts';
import { MAX_REPLY_TEXT, MAX_RESULT } from '../contracts/limits.ts';
import { isOffered } from '../contracts/tool.ts';
import { assistantMessage, type Message } from '../contracts/transcript.ts';
import { askModel, type AgentReply } from '../agents/ask-model.ts';
import type { Agent, OpenAgent } from '../agents/team.ts';
import { estimateUsage } from '../models/estimate.ts';
import type { ModelReply, ToolSchema } from '../models/model.ts';
import { findCeiling } from '../tools/approval/ceilings.ts';
import { judgeCall } from '../tools/approval/judge.ts';
import { factsOf } from '../tools/facts.ts';
import { modelSchema } from '../tools/registry.ts';
import {
  describeCall,
  readThread,
  reasoningField,
  readTranscript,
  threadKey,
  withAgent,
  type WorkerParts,
} from './agent-call.ts';
import type { WrittenText } from '../direct-text/written-text.ts';
import { handoffSchemas, planSchema, reportSchema, systemPrompt } from '../agents/prompt.ts';
import { inModelCall } from './model-call.ts';
import type { ActivityScope } from './scope.ts';
import { beginningOf } from '../contracts/text-cut.ts';

/** A server may list a hundred tools that cannot be used. */
const MAX_WARNINGS = 20;

export async function runAgent(parts: WorkerParts, input: RunAgentInput): Promise<RunAgentResult> {
  return await inModelCall(parts, (scope, written) =>
    withAgent(parts, scope, input, async (open) => {
      // A step sees only its brief. A direct answer and the final answer see the conversation.
      const before = input.phase === 'step' ? [] : await readTranscript(parts, scope, input.transcript);
      const thread = [...(await readThread(parts, scope, input.thread)), ...input.tail];
      const { reply, isWhole } = await callModel(open, scope, input, {
        parts,
        written,
        messages: [...before, ...thread],
      });
      const text = beginningOf(reply.text, MAX_REPLY_TEXT);
      const warnings = warningsOf(open, reply);
      const problem = isWhole ? checkAnswer(open.agent.output, input.phase, { ...reply, text }) : undefined;
      const continues = reply.toolCalls.length > 0 || problem !== undefined;
      if (isWhole) keep(parts, scope, input, thread, { ...reply, text, continues });
      return {
        text,
        toolCalls: isWhole ? reply.toolCalls : [],
        judgements: isWhole ? await judgeCalls(parts, scope, input, open, reply.toolCalls) : [],
        ...(isWhole && reply.providerData !== undefined ? { providerData: reply.providerData } : {}),
        ...reasoningField([reply]),
        ...(problem === undefined ? {} : { problem }),
        ...(warnings.length === 0 ? {} : { warnings }),
        finish: isWhole ? reply.finish : 'interrupted',
        ...describeCall(parts, open.team, [reply]),
      };
    }),
  );
}

/** For people. The log of the worker has the same. */
function warningsOf({ agent, team }: OpenAgent, { toolsLeftOut = [], model }: ModelReply): string[] {
  const refused = toolsLeftOut.map((tool) => `Tool ${tool} is left out: the server of model ${model} refuses it.`);
  const lacks = team.lacks(agent.definition.id).map(({ what, problem }) => `${what}: ${problem}.`);
  return [...lacks, ...refused].slice(0, MAX_WARNINGS);
}

/** What this worker says of each call that the model asks for. */
async function judgeCalls(
  { ceilings, tools, workspaceRoot }: WorkerParts,
  { sessionId: session }: ActivityScope,
  { policies, workspace = join(workspaceRoot, session) }: RunAgentInput,
  { team: { definition } }: OpenAgent,
  calls: RunAgentResult['toolCalls'],
): Promise<(Judgement | null)[]> {
  const options = { definition, policies, ceilings, tools, session, workspace };
  return await Promise.all(calls.map((call) => judgeCall(call, options)));
}

/** Calls the model. A call that a person stopped gives the partial text; one that was cut off otherwise throws. */
async function callModel(
  open: OpenAgent,
  scope: ActivityScope,
  input: RunAgentInput,
  {
    parts,
    written,
    messages,
  }: { readonly parts: WorkerParts; readonly written: WrittenText; readonly messages: readonly Message[] },
): Promise<{ reply: AgentReply; isWhole: boolean }> {
  const { agent, team } = open;
  const { attempt, signal } = scope;
  const withheld = withheldFrom(open, parts);
  const routes = input.tools.includes(MAKE_PLAN);
  const promptPhase = routes ? 'inline' : input.phase;
  const tools = [
    ...agent.toolSchemas.filter(({ name }) => isOffered(input.tools, name) && !withheld.includes(name)),
    ...handoffSchemas(input.tools, promptPhase, team.definition),
    ...(input.phase === 'step' ? [reportSchema(agent.output?.schema, input.mayAnswer)] : []),
    ...(routes ? [planSchema(team.definition), ...askSchema(agent, parts)] : []),
  ];
  try {
    const reply = await askModel(
      open,
      {
        system: systemPrompt(withLacks(open, withheld), promptPhase, team.definition),
        messages,
        ...(tools.length === 0 ? {} : { tools }),
        ...(agent.output === undefined || input.phase === 'step'
          ? {}
          : { output: { name: 'answer', schema: agent.output.schema } }),
        cacheKey: scope.sessionId,
        signal,
        onText: (delta) => written.addText(delta),
        onReasoning: (delta) => written.addReasoning(delta),
      },
      { from: input.model, attempt },
    );
    return { reply, isWhole: true };
  } catch (error) {
    if (!signal.aborted || !scope.wasStopped()) throw error;
    const { text, reasoning } = written;
    const usage = estimateUsage({ system: '', messages: [], signal }, reasoning + text);
    return {
      reply: { text, reasoning, toolCalls: [], finish: 'stop', usage, model: agent.modelNames[input.model ?? 0] ?? '' },
      isWhole: false,
    };
  }
}

/** The agent's tools that this worker never runs. */
function withheldFrom({ agent, team }: OpenAgent, { ceilings, tools }: WorkerParts): string[] {
  return agent.toolSchemas
    .map(({ name }) => name)
    .filter((name) => {
      const facts = factsOf(name, team.definition, tools);
      return facts !== undefined && findCeiling(ceilings, facts) !== undefined;
    });
}

/** The agent's instructions with what it would otherwise look for, or say that it cannot do at all. */
function withLacks({ agent, team, instructions }: OpenAgent, withheld: readonly string[]): string {
  const lacks = team.lacks(agent.definition.id).slice(0, MAX_WARNINGS);
  const lines = [
    ...(withheld.length === 0 ? [] : [`The operator of this worker denies these tools: ${withheld.join(', ')}.`]),
    ...lacks.map(({ what }) => `${what}.`),
  ];
  if (lines.length === 0) return instructions;
  return `${instructions.trim()}\n\n${lines.join('\n')} Do without them, or say what cannot be done.`;
}

/** The tool to ask the person, for an agent that has it only because it routes. */
function askSchema({ toolSchemas }: Agent, { tools }: WorkerParts): ToolSchema[] {
  const tool = toolSchemas.some(({ name }) => name === ASK_USER) ? undefined : tools.get(ASK_USER);
  return tool ? [modelSchema(tool)] : [];
}

/** Checks what ends the work: a text, or the report of a step. Other tool calls come before the end. */
function checkAnswer(
  form: OutputForm | undefined,
  phase: RunAgentInput['phase'],
  { text, toolCalls }: ModelReply,
): string | undefined {
  const report = toolCalls.find(({ name }) => name === REPORT_STEP);
  if (!form || (!report && toolCalls.length > 0)) return undefined;
  if (report) return checkReport(form, report.arguments);
  if (text.trim() === '') return undefined;
  return checkText(form, text) ?? (phase === 'step' ? checkLength(text) : undefined);
}

/** The JSON becomes part of the step's summary and must not be cut. */
function checkLength(json: string): string | undefined {
  return json.length > MAX_RESULT
    ? `it has ${json.length} characters as JSON, and the limit is ${MAX_RESULT}; write long parts to a file and name the file`
    : undefined;
}

/** Checks the result in a report; only a step that is done has one. The engine rejects arguments that are not a report. */
function checkReport(form: OutputForm, argumentsText: string): string | undefined {
  const { data } = Report.safeParse(parseJson(argumentsText));
  if (data?.status !== 'done') return undefined;
  const problem =
    data.result === undefined ? 'it is missing' : (form.check(data.result) ?? checkLength(JSON.stringify(data.result)));
  return problem && `the result is invalid: ${problem}`;
}

const Report = z.object({ status: z.string(), result: z.unknown().optional() });

/** Keeps what the session is about to append, so that the next call hits the cache. */
function keep(
  { transcripts }: WorkerParts,
  scope: ActivityScope,
  input: RunAgentInput,
  thread: readonly Message[],
  { continues, ...reply }: ModelReply & { readonly continues: boolean },
): void {
  const said = assistantMessage(reply);
  const key = threadKey(scope, input.thread.id);
  if (continues) {
    transcripts.append(key, input.thread.address, [...input.tail, said]);
    return;
  }
  const question = thread[0];
  if (input.phase === 'one-shot' && question) transcripts.append(scope.sessionId, input.transcript, [question, said]);
}
