/** What the engine adds to an agent's instructions: the system message of each phase, and the engine's tools. */
import { ASK_USER, HANDOFF_PREFIX, MAKE_PLAN, REPORT_STEP } from '../contracts/activities.ts';
import type { TeamDefinition } from '../contracts/team.ts';
import type { ToolSchema } from '../models/model.ts';

export type PromptPhase = 'routing' | 'planning' | 'review' | 'inline' | 'one-shot' | 'step' | 'answer' | 'summary';

/** Ends the system message of each phase. */
export const TASKS: Record<PromptPhase, string> = {
  routing: 'Decide how to handle the last message. Answer with the requested JSON object and nothing else.',
  planning:
    'Write the plan as the requested JSON object: the fewest steps that do the task, each for one agent, in the order in which they run. A step sees the task, the plan and the summaries of earlier steps, but not the conversation.',
  review:
    'Review the plan: does it do the whole task, in an order that works, with the right agents? Answer with the requested JSON object.',
  'one-shot': 'Answer the last message. Use tools if they make the answer exact. The person reads your last text.',
  inline: `Answer the last message; the person reads your last text. Use tools where they make the answer exact. If it takes several pieces of work that build on each other, call ${MAKE_PLAN} at once. Call ${ASK_USER} only if any work would be a guess.`,
  step: `Do only your step. Use tools; compute instead of guessing. When the step is done or cannot be done, call ${REPORT_STEP} once. Later steps and the final answer see only its summary, so name results, numbers and files in it.`,
  answer:
    'Write the final answer for the person from the summaries of the steps: what was found, with the figures that matter, and which files were written. Add nothing that the summaries do not say.',
  summary:
    'Summarise the conversation in at most 600 words so that you can continue without its text: what the person wants, what was decided, results with their figures, names of files, open questions. Leave out how the work was done.',
};

/** Phases that choose among the agents and need the list of them. */
const CHOOSING: readonly PromptPhase[] = ['routing', 'planning', 'review', 'inline'];

/** The system message: the agent's instructions, the agents of the team if the phase needs them, and the phase's task. */
export function systemPrompt(instructions: string, phase: PromptPhase, definition: TeamDefinition): string {
  const { routing, planning } = definition;
  const organisers = [routing.agent, planning.agent, planning.reviewer];
  const workers = Object.values(definition.agents).filter(({ id }) => !organisers.includes(id));
  return [
    instructions.trim(),
    ...(CHOOSING.includes(phase)
      ? [`Agents of this team:\n${workers.map(({ id, description }) => `- ${id}: ${description.trim()}`).join('\n')}`]
      : []),
    TASKS[phase],
  ].join('\n\n');
}

const ANSWER =
  'Your step is the last. Give the whole answer to the task here, as the person reads it: what was found in all steps, the figures that matter, the files that were written. Leave it out if the step failed.';

/**
 * The tool that ends an agent's step. The engine handles it.
 * @param result schema of the reported result, if the agent has one
 * @param mayAnswer whether the report may bring the reply of the turn
 */
export function reportSchema(result?: Readonly<Record<string, unknown>>, mayAnswer = false): ToolSchema {
  return {
    name: REPORT_STEP,
    description: 'Ends your step. Say whether it is done, and summarise what you found or made.',
    parameters: {
      type: 'object',
      properties: {
        status: { type: 'string', enum: ['done', 'failed'] },
        summary: { type: 'string', description: 'Results, numbers and file names; or why it cannot be done.' },
        ...(mayAnswer ? { answer: { type: 'string', description: ANSWER } } : {}),
        ...(result === undefined ? {} : { result }),
      },
      // A failed step has no result.
      required: ['status', 'summary'],
      additionalProperties: false,
    },
  };
}

/** The tool that makes a plan of a message. The engine handles it. */
export function planSchema({ agents, planning, routing }: TeamDefinition): ToolSchema {
  const organisers = [routing.agent, planning.agent, planning.reviewer];
  const workers = Object.keys(agents).filter((id) => !organisers.includes(id));
  const step = {
    type: 'object',
    properties: {
      agent: { type: 'string', enum: workers },
      task: { type: 'string', description: 'Understandable alone; names files, figures and conditions.' },
      alongside: { type: 'boolean', description: 'May run at the same time as the step before it.' },
    },
    required: ['agent', 'task'],
    additionalProperties: false,
  };
  return {
    name: MAKE_PLAN,
    description:
      'Has the agents do the work in steps. A step sees the task and the summaries of earlier steps, not the conversation. The final answer is no step.',
    parameters: {
      type: 'object',
      properties: { steps: { type: 'array', items: step, minItems: 1, maxItems: planning.maxSteps } },
      required: ['steps'],
      additionalProperties: false,
    },
  };
}

/**
 * The tools that hand an agent's work over. The engine handles them.
 * @param phase in which the agent works: some list the agents in the system message already
 */
export function handoffSchemas(names: readonly string[], phase: PromptPhase, { agents }: TeamDefinition): ToolSchema[] {
  return names
    .filter((name) => name.startsWith(HANDOFF_PREFIX))
    .map((name) => ({
      name,
      description: [
        'Hands this work over to another agent, who goes on in your place',
        ...(CHOOSING.includes(phase) ? [] : [agents[name.slice(HANDOFF_PREFIX.length)]?.description.trim() ?? '']),
      ].join(': '),
      parameters: {
        type: 'object',
        properties: { reason: { type: 'string', description: 'What is left to do.' } },
        required: ['reason'],
        additionalProperties: false,
      },
    }));
}
