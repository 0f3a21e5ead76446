/** One request of an agent to its model, or to the next of its models if that one does not serve it. */
import { CopilotError } from '../contracts/errors.ts';
import type { Fallback } from '../contracts/activities.ts';
import type { Message } from '../contracts/transcript.ts';
import type { ModelReply, ModelRequest } from '../models/model.ts';
import { withoutRefused } from './refused-messages.ts';
import type { OpenAgent } from './team.ts';

export interface AgentRequest extends Omit<ModelRequest, 'messages'> {
  readonly messages: readonly Message[];
}

export interface AskOptions {
  /** Which of the agent's models to begin with. Default 0, the first. */
  readonly from?: number | undefined;
  /** The attempt of the activity, from 1. */
  readonly attempt: number;
}

export interface AgentReply extends ModelReply {
  /** That another model than the one asked first answered, and why. */
  readonly fallback?: Fallback;
}

/** Attempts that a model which is unavailable gets before the next one is asked. */
const ATTEMPTS_BEFORE_FALLBACK = 3;

/**
 * @throws ModelError of the last model that was asked; the reason of `signal` after an abort
 */
export async function askModel(
  { agent, team }: OpenAgent,
  request: AgentRequest,
  { from = 0, attempt }: AskOptions,
): Promise<AgentReply> {
  const names = agent.modelNames;
  const first = Math.min(from, names.length - 1);
  let reason: CopilotError | undefined;
  for (let index = first; ; index++) {
    const name = names[index] ?? '';
    try {
      const reply = await replyTo(team.models.model(name), { ...agent.settings, ...request });
      return reason === undefined ? reply : { ...reply, fallback: { index, to: name, problem: reason.message } };
    } catch (error) {
      if (!(error instanceof CopilotError) || index === names.length - 1 || !mayFallBack(error, attempt)) throw error;
      reason = error;
    }
  }
}

/** A conversation that is too long for one model may fit another; what nobody may say, nobody answers. */
function mayFallBack({ type, details }: CopilotError, attempt: number): boolean {
  if (type === 'ModelUnavailable') return attempt >= ATTEMPTS_BEFORE_FALLBACK;
  return type === 'ContextOverflow' || (type === 'ModelRejected' && details['refusal'] !== 'policy');
}

async function replyTo(
  model: { reply(request: ModelRequest): Promise<ModelReply> },
  request: AgentRequest,
): Promise<ModelReply> {
  try {
    return await model.reply(request);
  } catch (error) {
    const isRefused = error instanceof CopilotError && error.type === 'ModelRejected';
    const refusal = isRefused ? error.details['refusal'] : undefined;
    const rest = refusal === 'form' || refusal === 'policy' ? withoutRefused(request.messages) : undefined;
    if (!rest) throw error;
    return await model.reply({ ...request, messages: rest });
  }
}
