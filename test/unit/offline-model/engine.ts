/** Plays the turn engine against a model: routing, planning, review, steps with the real tools, and the answer. */
import assert from 'node:assert/strict';
import type { PlannedStep, RouteDecision } from '../../../src/contracts/turn.ts';
import { PlanProposal, PlanReview, RouteDecision as RouteSchema } from '../../../src/contracts/turn.ts';
import type { Message } from '../../../src/contracts/transcript.ts';
import { openModel, type ModelReply, type ToolSchema } from '../../../src/models/openai.ts';
import { findTool, modelSchema, runTool } from '../../../src/tools/registry.ts';

const AGENTS = {
  engineer:
    'Profiles and computes data, runs code, changes files. For tables and CSV files, statistics, calculations, sums and averages.',
  researcher:
    'Finds and reads facts in files. For questions about what documents and notes say, for searching and listing files.',
  writer:
    'Writes reports, summaries and answers. For texts, documentation, Markdown files and tables made from results.',
};
export const TOOLS = ['list_files', 'read_file', 'write_file', 'search_files', 'csv_profile', 'calculate', 'run_code'];
const MAX_ROUNDS = 12;

const REPORT_STEP: ToolSchema = {
  name: 'report_step',
  description: 'Ends the step.',
  parameters: {
    type: 'object',
    properties: { status: { enum: ['done', 'failed'] }, summary: { type: 'string' } },
    required: ['status', 'summary'],
  },
};

export interface PlayedStep extends PlannedStep {
  readonly status: string;
  readonly summary: string;
  /** Names of the tools that were called. */
  readonly called: readonly string[];
}

export interface PlayedTurn {
  readonly decision: RouteDecision;
  readonly steps: readonly PlayedStep[];
  readonly reply: string;
  readonly called: readonly string[];
}

export interface Engine {
  /** One turn; the conversation goes on from turn to turn. */
  send(text: string): Promise<PlayedTurn>;
  route(text: string): Promise<RouteDecision>;
  plan(task: string, ...revisions: { steps: readonly PlannedStep[]; feedback: string }[]): Promise<PlannedStep[]>;
  review(task: string, steps: readonly PlannedStep[]): Promise<PlanReview>;
  close(): Promise<void>;
}

export function startEngine(options: { baseUrl: string; workspace: string; tools?: readonly string[] }): Engine {
  const model = openModel({ baseUrl: options.baseUrl });
  const tools = options.tools ?? TOOLS;
  const conversation: Message[] = [];
  const signal = AbortSignal.timeout(60_000);
  const systemFor = (phase: string): string =>
    `You are part of a team.\n\nAgents of this team:\n${Object.entries(AGENTS)
      .map(([id, text]) => `- ${id}: ${text}`)
      .join('\n')}\n\nDo your work.\n\nPhase: ${phase}`;
  const ask = async (phase: string, name: string, messages: Message[]): Promise<unknown> => {
    const reply = await model.reply({
      model: 'any',
      system: systemFor(phase),
      messages,
      output: { name, schema: { type: 'object' } },
      signal,
    });
    return JSON.parse(reply.text);
  };
  const route = async (text: string): Promise<RouteDecision> =>
    RouteSchema.parse(await ask('routing', 'route', [...conversation, { role: 'user', text }]));
  const plan: Engine['plan'] = async (task, ...revisions) => {
    const messages: Message[] = revisions.flatMap(({ steps, feedback }) => [
      { role: 'assistant', text: JSON.stringify({ steps }) },
      {
        role: 'user',
        text: `The reviewer did not approve this plan: ${feedback}\n\nWrite the whole plan again, revised.`,
      },
    ]);
    const { steps } = PlanProposal.parse(
      await ask('planning', 'plan', [...conversation, { role: 'user', text: task }, ...messages]),
    );
    for (const { agent } of steps) assert.ok(agent in AGENTS, `unknown agent ${agent}`);
    return steps;
  };
  const review: Engine['review'] = async (task, steps) => {
    const list = steps
      .map(({ agent, task: what, notes }, index) => `${index + 1}. (${agent}) ${what}${notes && ` [${notes}]`}`)
      .join('\n');
    return PlanReview.parse(
      await ask('review', 'review', [{ role: 'user', text: `# Task\n${task}\n\n# Plan\n${list}` }]),
    );
  };

  const work = async (
    phase: string,
    first: string,
    offered: readonly string[],
  ): Promise<{ reply: ModelReply; called: string[] }> => {
    const thread: Message[] = [...(phase === 'one-shot' ? conversation : []), { role: 'user', text: first }];
    const called: string[] = [];
    const schemas = offered.flatMap((name) => findTool(name) ?? []).map(modelSchema);
    for (let round = 1; round <= MAX_ROUNDS; round++) {
      const reply = await model.reply({
        model: 'any',
        system: systemFor(phase),
        messages: thread,
        tools: phase === 'step' ? [...schemas, REPORT_STEP] : schemas,
        signal,
      });
      if (reply.toolCalls.length === 0 || reply.toolCalls.some(({ name }) => name === 'report_step'))
        return { reply, called };
      thread.push({ role: 'assistant', text: reply.text, toolCalls: reply.toolCalls });
      for (const call of reply.toolCalls) {
        called.push(call.name);
        assert.ok(offered.includes(call.name), `${call.name} is not offered`);
        const network = { allow: [], private: false };
        const context = { workspace: options.workspace, idempotencyKey: `k/${round}`, signal, network };
        const text = await runTool(call.name, call.arguments, context).then(
          (result) => result.text,
          (error: Error) => error.message,
        );
        thread.push({ role: 'tool', toolCallId: call.id, text });
      }
    }
    throw new Error(`not done after ${MAX_ROUNDS} rounds`);
  };

  const runPlan = async (task: string, planned: readonly PlannedStep[]): Promise<PlayedStep[]> => {
    const done: PlayedStep[] = [];
    for (const step of planned) {
      const before = done.map(({ agent, summary }, index) => {
        const text = index >= done.length - 3 ? summary : summary.replace(/\s+/g, ' ').slice(0, 400);
        return `## Step ${index + 1} (${agent})\n${text}`;
      });
      const lines = planned.map((one, index) => `${index + 1}. [pending] ${one.task} (${one.agent})`).join('\n');
      const brief = `# Task\n${task}\n\n# Plan\n${lines}\n\n# Done so far\n${before.join('\n\n') || 'Nothing yet.'}\n\n# Your step\n${step.task}${step.notes && `\n\nNotes: ${step.notes}`}`;
      const { reply, called } = await work('step', brief, tools);
      const [report] = reply.toolCalls;
      assert.equal(report?.name, 'report_step', 'the step ended without a report');
      done.push({ ...step, ...(JSON.parse(report.arguments) as { status: string; summary: string }), called });
      if (done.at(-1)?.status !== 'done') break;
    }
    return done;
  };

  const send: Engine['send'] = async (text) => {
    const decision = await route(text);
    let steps: PlayedStep[] = [];
    let reply = decision.questions.join('\n');
    let called: string[] = [];
    if (decision.route === 'one-shot') {
      const outcome = await work('one-shot', text, tools);
      ({ called } = outcome);
      reply = outcome.reply.text;
    } else if (decision.route === 'planned') {
      const task = decision.refinedTask;
      let planned = await plan(task);
      const judged = await review(task, planned);
      if (!judged.approved) planned = await plan(task, { steps: planned, feedback: judged.feedback });
      steps = await runPlan(task, planned);
      const sections = steps.map(
        ({ task: what, status, summary }, index) =>
          `## ${index + 1}. ${what} [${status === 'done' ? 'completed' : 'failed'}]\n${summary}`,
      );
      const outcome = await work(
        'answer',
        `# Task\n${task}\n\n# Steps\n${sections.join('\n\n')}\n\n# Files written\nNone.`,
        [],
      );
      reply = outcome.reply.text;
      called = steps.flatMap((step) => step.called);
    }
    conversation.push({ role: 'user', text }, { role: 'assistant', text: reply });
    return { decision, steps, reply, called };
  };
  return { send, route, plan, review, close: () => model.close() };
}
