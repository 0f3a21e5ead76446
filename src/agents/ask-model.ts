/** One request of an agent to its model, or to the next of its models if that one does not serve it. */
import { CopilotError } from '../contracts/errors.ts';
import type { Fallback } from '../contracts/activities.ts';
import type { Message } from '../contracts/transcript.ts';
import { type ModelError, unreadableReply } from '../models/errors.ts';
import type { Model, ModelReply, ModelRequest } from '../models/model.ts';
import { withImages } from './images.ts';
import { withoutRefused } from './refused-messages.ts';
import { traceChat } from '../tracing/chat-span.ts';
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
  /** Set if a fallback model answered, with the reason. */
  readonly fallback?: Fallback;
}

/** Attempt of the activity from which on a model that is unavailable is skipped for the next one. */
const FALLBACK_FROM_ATTEMPT = 3;
/** Longest wait that a model may ask for without being skipped at once, in milliseconds. */
const LONGEST_WAIT_MS = 60_000;

/**
 * @throws ModelError of the last model that was asked; the reason of `signal` after an abort
 */
export async function askModel(
  { agent, team, workspace }: OpenAgent,
  request: AgentRequest,
  { from = 0, attempt }: AskOptions,
): Promise<AgentReply> {
  const names = agent.modelNames;
  const first = Math.min(from, names.length - 1);
  let lastError: CopilotError | undefined;
  for (let index = first; ; index++) {
    const name = names[index] ?? '';
    try {
      const reply = await replyWithoutRefused(team.models.model(name), { ...agent.settings, ...request }, workspace);
      // What the provider broke off is not an answer. Another attempt, or another model, gives a whole one.
      if (reply.finish === 'failed') {
        throw unreadableReply('it ended its reply with an error of its own');
      }
      return lastError === undefined ? reply : { ...reply, fallback: { index, to: name, problem: lastError.message } };
    } catch (error) {
      if (!(error instanceof CopilotError) || index === names.length - 1 || !mayFallBack(error, attempt)) throw error;
      lastError = error;
    }
  }
}

/** A conversation that is too long for one model may fit another. What a content policy refuses is not sent elsewhere. */
function mayFallBack({ type, details, retryAfterMs = 0 }: ModelError, attempt: number): boolean {
  if (type === 'ModelUnavailable') return attempt >= FALLBACK_FROM_ATTEMPT || retryAfterMs > LONGEST_WAIT_MS;
  return type === 'ContextOverflow' || (type === 'ModelRejected' && details['refusal'] !== 'policy');
}

async function replyWithoutRefused(
  model: Pick<Model, 'id' | 'reply'>,
  request: AgentRequest,
  workspace: string,
): Promise<ModelReply> {
  const ask = async (messages: readonly Message[]): Promise<ModelReply> =>
    await traceChat(model, { ...request, messages: await withImages(messages, workspace) });
  try {
    return await ask(request.messages);
  } catch (error) {
    const isRefused = error instanceof CopilotError && error.type === 'ModelRejected';
    const refusal = isRefused ? error.details['refusal'] : undefined;
    const kept = refusal === 'form' || refusal === 'policy' ? withoutRefused(request.messages) : undefined;
    if (!kept) throw error;
    return await ask(kept);
  }
}
