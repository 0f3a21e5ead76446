/** An answer of a model in a given form: checked, and where it is wrong the model is told why and asked once more. */
import { z } from 'zod';
import type { Message } from '../contracts/transcript.ts';
import type { ModelReply } from '../models/openai.ts';
import type { OpenAgent } from '../activities/conversation.ts';

export interface Question<Schema extends z.ZodType> {
  /** Name of the form, as the model's API takes it. */
  readonly name: string;
  readonly schema: Schema;
  readonly system: string;
  readonly messages: readonly Message[];
  readonly signal: AbortSignal;
  /** What the schema cannot say, such as agents that do not exist; undefined where all is well. */
  readonly problem?: (value: z.output<Schema>) => string | undefined;
}

export interface StructuredReply<T> {
  /** Undefined where the repaired answer was not usable either. */
  readonly value: T | undefined;
  /** What was wrong with the last unusable answer. */
  readonly problem: string;
  /** One or two. */
  readonly replies: readonly ModelReply[];
}

const ROUNDS = 2;

export async function askFor<Schema extends z.ZodType>(
  { agent, team }: OpenAgent,
  question: Question<Schema>,
): Promise<StructuredReply<z.output<Schema>>> {
  const { $schema: _, ...schema } = z.toJSONSchema(question.schema, {
    // Structured output knows no defaults: the model gives every field.
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
  { schema, problem }: Question<Schema>,
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
  const found = problem?.(parsed.data);
  return found === undefined ? { value: parsed.data } : { problem: found };
}

/** Models without structured output like to put JSON into a code fence. */
function unfence(text: string): string {
  return /^\s*```(?:json)?\s*\n([\s\S]*?)\n\s*```\s*$/.exec(text)?.[1] ?? text;
}
