/** What the engine adds to an agent's own instructions. */
import { HANDOFF_PREFIX, REPORT_STEP } from '../contracts/activities.ts';
import type { TeamDefinition } from '../contracts/team.ts';
import type { ToolSchema } from '../models/openai.ts';

export type PromptPhase = 'routing' | 'planning' | 'review' | 'one-shot' | 'step' | 'answer' | 'summary';

const TASKS: Record<PromptPhase, string> = {
  routing: 'Decide how the last message is handled. Answer with the JSON object that is asked for, and nothing else.',
  planning:
    'Write the plan as the JSON object that is asked for: the fewest steps that do the task, each for one agent, in the order in which they run. A step sees the task, the plan and the summaries of the steps before it, not the conversation.',
  review:
    'Judge the plan: does it do the whole task, in an order that works, with the right agents? Answer with the JSON object that is asked for.',
  'one-shot':
    'Answer the last message. Use tools where they make the answer exact. Your last text is what the person reads.',
  step: `Do your step, and no other. Use tools; compute, do not guess. When the step is done, or cannot be done, call ${REPORT_STEP} once: its summary is all that later steps and the final answer know of your work, so it names results, numbers and files.`,
  answer:
    'Write the final answer for the person from the summaries of the steps: what was found, with the figures that matter, and which files were written. Do not invent anything that the summaries do not say.',
  summary:
    'Sum up the conversation for yourself, in at most 600 words, so that you can go on with it without its text: what the person wants, what was decided, results with their figures, names of files, open questions. Leave out how the work was done.',
};

/** Phases that choose among the agents and so must know them. */
const CHOOSING: readonly PromptPhase[] = ['routing', 'planning', 'review'];

/** The whole system message: the agent's instructions, who is in the team, and what this call is for. */
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
    `Phase: ${phase}`,
  ].join('\n\n');
}

/**
 * The tool by which an agent ends its step; answered by the engine.
 * @param result form of what it reports, where its agent has one
 */
export function reportSchema(result?: Readonly<Record<string, unknown>>): ToolSchema {
  return {
    name: REPORT_STEP,
    description: 'Ends your step: say whether it is done, and sum up what you found or made.',
    parameters: {
      type: 'object',
      properties: {
        status: { type: 'string', enum: ['done', 'failed'] },
        summary: { type: 'string', description: 'Results, numbers and file names; or why it cannot be done.' },
        ...(result === undefined ? {} : { result }),
      },
      // A step that failed has no result.
      required: ['status', 'summary'],
      additionalProperties: false,
    },
  };
}

/** The tools by which an agent hands its work over; answered by the engine. */
export function handoffSchemas(names: readonly string[], { agents }: TeamDefinition): ToolSchema[] {
  return names
    .filter((name) => name.startsWith(HANDOFF_PREFIX))
    .map((name) => ({
      name,
      description: `Hands this work over to another agent, who goes on in this conversation in your place: ${
        agents[name.slice(HANDOFF_PREFIX.length)]?.description.trim() ?? ''
      }`,
      parameters: {
        type: 'object',
        properties: { reason: { type: 'string', description: 'Why, and what is left to do.' } },
        required: ['reason'],
        additionalProperties: false,
      },
    }));
}
