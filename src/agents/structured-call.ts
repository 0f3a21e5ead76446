/** Asks a model for an answer in a given form. If the answer is invalid, the model is told why and asked once more. */
import { z } from 'zod';
import type { Message } from '../contracts/transcript.ts';
import type { ModelReply } from '../models/model.ts';
import { readStructured } from '../models/reading/structured.ts';
import { type AgentReply, askModel, type AskOptions } from './ask-model.ts';
import type { OpenAgent } from './team.ts';

export interface Question<Schema extends z.ZodType> {
  /** Name of the form for the model's API. */
  readonly name: string;
  readonly schema: Schema;
  readonly system: string;
  readonly messages: readonly Message[];
  readonly signal: AbortSignal;
  readonly ask: AskOptions;
  /** Gets what the model shows of its reasoning, in pieces. */
  readonly onReasoning?: (delta: string) => void;
  /** Checks what the schema cannot, such as names of agents. Undefined if the value is valid. */
  readonly check?: (value: z.output<Schema>) => string | undefined;
}

export interface StructuredReply<T> {
  /** Undefined if the second answer was invalid too. */
  readonly value: T | undefined;
  /** What was wrong with the last invalid answer. */
  readonly problem: string;
  /** One or two replies. */
  readonly replies: readonly AgentReply[];
}

const ROUNDS = 2;
/** Longest answer in tokens, reasoning included, unless the agent has a limit of its own. */
const DEFAULT_OUTPUT_TOKENS = 8_000;

export async function askForObject<Schema extends z.ZodType>(
  open: OpenAgent,
  question: Question<Schema>,
): Promise<StructuredReply<z.output<Schema>>> {
  const { $schema: _, ...schema } = z.toJSONSchema(question.schema, {
    // Structured output has no defaults, so the model must give every field.
    override: ({ jsonSchema }) => void delete jsonSchema.default,
  });
  const messages = [...question.messages];
  const replies: AgentReply[] = [];
  let problem = '';
  for (let round = 1; round <= ROUNDS; round++) {
    const reply = await askModel(
      open,
      {
        system: question.system,
        messages,
        maxOutputTokens: open.agent.settings.maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS,
        output: { name: question.name, schema },
        signal: question.signal,
        ...(question.onReasoning ? { onReasoning: question.onReasoning } : {}),
      },
      question.ask,
    );
    replies.push(reply);
    const parsed = parse(question, schema, reply);
    if ('value' in parsed) return { value: parsed.value, problem, replies };
    problem = parsed.problem;
    const brief = reply.finish === 'length' ? ' Be brief.' : '';
    messages.push(
      // Some providers refuse a message without a text.
      { role: 'assistant', text: reply.text.trim() === '' ? '(empty)' : reply.text },
      {
        role: 'user',
        text: `That answer cannot be used: ${problem}. Answer again with the whole JSON object, corrected.${brief}`,
      },
    );
  }
  return { value: undefined, problem, replies };
}

function parse<Schema extends z.ZodType>(
  { schema, check }: Question<Schema>,
  jsonSchema: Readonly<Record<string, unknown>>,
  { text, finish, repeats }: ModelReply,
): { value: z.output<Schema> } | { problem: string } {
  const value = readStructured(text, jsonSchema, finish === 'length' || finish === 'filtered');
  const parsed = schema.safeParse(value);
  if (parsed.success) {
    const found = check?.(parsed.data);
    return found === undefined ? { value: parsed.data } : { problem: found };
  }
  if (text.trim() === '') return { problem: 'it is empty' };
  if (repeats === true) return { problem: 'it said one thing over and over, and was cut off' };
  if (finish === 'length') return { problem: 'it reached the limit of output tokens, and was cut off' };
  if (finish === 'refused') return { problem: 'it is a refusal' };
  const problem = value === undefined ? 'it is not JSON' : z.prettifyError(parsed.error).replaceAll('\n', '; ');
  return { problem };
}
