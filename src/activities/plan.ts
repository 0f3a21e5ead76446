/** Asks the planner for steps, and the reviewer to review them. */
import type { PlanInput, PlanResult, ReviewInput, ReviewResult } from '../contracts/activities.ts';
import { section } from '../contracts/briefs.ts';
import { imagesField } from '../contracts/image.ts';
import type { Message } from '../contracts/transcript.ts';
import { checkPlan, type PlannedStep, PlanProposal, PlanReview } from '../contracts/turn.ts';
import { describeCall, readTranscript, reasoningField, withAgent, type WorkerParts } from './agent-call.ts';
import { systemPrompt } from '../agents/prompt.ts';
import { inModelCall } from './model-call.ts';
import { askForObject } from '../agents/structured-call.ts';

/** If the second plan is invalid too, the result says why: what it cost counts all the same. */
export async function plan(parts: WorkerParts, input: PlanInput): Promise<PlanResult> {
  return await inModelCall(parts, (scope, written) =>
    withAgent(parts, scope, input, async (open) => {
      const { definition } = open.team;
      const before = await readTranscript(parts, scope, input.transcript);
      const { value, problem, replies } = await askForObject(open, {
        name: 'plan',
        schema: PlanProposal,
        system: systemPrompt(open.instructions, 'planning', definition),
        messages: [
          ...before,
          { role: 'user', text: input.task, ...imagesField(input.images) },
          ...revisionRequest(input),
        ],
        signal: scope.signal,
        ask: { from: input.model, attempt: scope.attempt },
        onReasoning: (delta) => written.addReasoning(delta),
        check: ({ steps }) => checkPlan(steps, definition),
      });
      return {
        ...(value ?? { steps: [], problem }),
        ...describeCall(parts, open.team, replies),
        ...reasoningField(replies),
      };
    }),
  );
}

/** An invalid review approves and says so, because it must not keep a person from an answer. */
export async function review(parts: WorkerParts, input: ReviewInput): Promise<ReviewResult> {
  return await inModelCall(parts, (scope, written) =>
    withAgent(parts, scope, input, async (open) => {
      const { value, problem, replies } = await askForObject(open, {
        name: 'review',
        schema: PlanReview,
        system: systemPrompt(open.instructions, 'review', open.team.definition),
        messages: [
          { role: 'user', text: `${section('task', input.task)}\n\n${section('plan', listSteps(input.steps))}` },
        ],
        signal: scope.signal,
        ask: { from: input.model, attempt: scope.attempt },
        onReasoning: (delta) => written.addReasoning(delta),
      });
      const judged = value ?? { approved: true, feedback: '', problem };
      return { ...judged, ...describeCall(parts, open.team, replies), ...reasoningField(replies) };
    }),
  );
}

function revisionRequest({ revise }: PlanInput): Message[] {
  if (!revise) return [];
  return [
    { role: 'assistant', text: JSON.stringify({ steps: revise.steps }) },
    {
      role: 'user',
      text: `${revise.by === 'person' ? 'The person wants changes to this plan' : 'The reviewer did not approve this plan'}: ${revise.feedback}\n\nWrite the whole revised plan.`,
    },
  ];
}

function listSteps(steps: readonly PlannedStep[]): string {
  return steps
    .map(({ agent, task, notes }, index) => `${index + 1}. (${agent}) ${task}${notes && ` [${notes}]`}`)
    .join('\n');
}
