/** Asks a model for an answer in a given form. If the answer is invalid, the model is told why and asked once more. */
import { z } from 'zod';
import type { Message } from '../contracts/transcript.ts';
import type { ModelReply } from '../models/openai.ts';
import type { OpenAgent } from './team.ts';

export interface Question<Schema extends z.ZodType> {
  /** Name of the form for the model's API. */
  readonly name: string;
  readonly schema: Schema;
  readonly system: string;
  readonly messages: readonly Message[];
  readonly signal: AbortSignal;
  /** Checks what the schema cannot, such as names of agents. Undefined if the value is valid. */
  readonly check?: (value: z.output<Schema>) => string | undefined;
}

export interface StructuredReply<T> {
  /** Undefined if the second answer was invalid too. */
  readonly value: T | undefined;
  /** What was wrong with the last invalid answer. */
  readonly problem: string;
  /** One or two replies. */
  readonly replies: readonly ModelReply[];
}

const ROUNDS = 2;

export async function askForObject<Schema extends z.ZodType>(
  { agent, team }: OpenAgent,
  question: Question<Schema>,
): Promise<StructuredReply<z.output<Schema>>> {
  const { $schema: _, ...schema } = z.toJSONSchema(question.schema, {
    // Structured output has no defaults, so the model must give every field.
    override: ({ jsonSchema }) => void delete jsonSchema.default,
  });
  const messages = [...question.messages];
  const replies: ModelReply[] = [];
  let problem = '';
  for (let round = 1; round <= ROUNDS; round++) {
    const reply = await team.model.reply({
      model: agent.modelName,
      system: question.system,
      messages,
      ...(agent.temperature === undefined ? {} : { temperature: agent.temperature }),
      output: { name: question.name, schema },
      signal: question.signal,
    });
    replies.push(reply);
    const parsed = parse(question, reply.text);
    if ('value' in parsed) return { value: parsed.value, problem, replies };
    problem = parsed.problem;
    messages.push(
      { role: 'assistant', text: reply.text },
      {
        role: 'user',
        text: `That answer cannot be used: ${problem}. Answer again with the whole JSON object, corrected.`,
      },
    );
  }
  return { value: undefined, problem, replies };
}

function parse<Schema extends z.ZodType>(
  { schema, check }: Question<Schema>,
  text: string,
): { value: z.output<Schema> } | { problem: string } {
  let json: unknown;
  try {
    json = JSON.parse(unfence(text));
  } catch (error) {
    return {
      problem: text.trim() === '' ? 'it is empty' : `it is not JSON (${error instanceof Error ? error.message : ''})`,
    };
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) return { problem: z.prettifyError(parsed.error).replaceAll('\n', '; ') };
  const found = check?.(parsed.data);
  return found === undefined ? { value: parsed.data } : { problem: found };
}

/** Removes the code fence that models without structured output often put around JSON. */
function unfence(text: string): string {
  return /^\s*```(?:json)?\s*\n([\s\S]*?)\n\s*```\s*$/.exec(text)?.[1] ?? text;
}
