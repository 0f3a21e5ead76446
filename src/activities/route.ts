/** Decides how a message is handled: by the router, or by a heuristic if the router's answers are invalid. */
import type { RouteInput, RouteResult } from '../contracts/activities.ts';
import { imagesField } from '../contracts/image.ts';
import { RouteDecision } from '../contracts/turn.ts';
import { describeCall, readTranscript, reasoningField, withAgent, type WorkerParts } from './agent-call.ts';
import { systemPrompt } from '../agents/prompt.ts';
import { inModelCall } from './model-call.ts';
import { askForObject } from '../agents/structured-call.ts';

export async function route(parts: WorkerParts, input: RouteInput): Promise<RouteResult> {
  return await inModelCall(parts, (scope, written) =>
    withAgent(parts, scope, input, async (open) => {
      const { definition } = open.team;
      const before = await readTranscript(parts, scope, input.transcript);
      const { value, problem, replies } = await askForObject(open, {
        name: 'route',
        schema: RouteDecision,
        system: systemPrompt(open.instructions, 'routing', definition),
        messages: [...before, { role: 'user', text: input.message, ...imagesField(input.images) }],
        signal: scope.signal,
        ask: { from: input.model, attempt: scope.attempt },
        onReasoning: (delta) => written.addReasoning(delta),
        check: (decision) => {
          if (!Object.hasOwn(definition.agents, decision.primaryAgent)) {
            return `primaryAgent "${decision.primaryAgent}" is not in the team, which has ${Object.keys(definition.agents).join(', ')}`;
          }
          return decision.route === 'clarify' && decision.questions.length === 0
            ? 'the route clarify needs questions'
            : undefined;
        },
      });
      return {
        decision: value ?? guessRoute(input.message, definition.answering.agent, problem),
        source: value ? (replies.length === 1 ? 'model' : 'repaired') : 'heuristic',
        ...describeCall(parts, open.team, replies),
        ...reasoningField(replies),
      };
    }),
  );
}

const MANY_WORDS = 50;
const MANY_SENTENCES = 3;
const PLANNING_WORDS =
  /\b(plan|steps?|first|then|after that|finally|and then|report|build|implement|refactor|migrate|analy[sz]e|compare)\b/i;

/** Decides by the length and the words of the message. */
function guessRoute(message: string, agent: string, problem: string): RouteDecision {
  const words = message.trim().split(/\s+/).length;
  const sentences = message.split(/[.!?]+(?:\s|$)/).filter((part) => part.trim() !== '').length;
  const isPlanned = words > MANY_WORDS || sentences > MANY_SENTENCES || PLANNING_WORDS.test(message);
  return {
    route: isPlanned ? 'planned' : 'one-shot',
    primaryAgent: agent,
    refinedTask: message,
    questions: [],
    reason: `the router's answers were invalid (${problem}), so a heuristic over the message decided`,
  };
}
