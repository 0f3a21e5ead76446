/** `defineTool`, the only way a tool comes into being. */
import { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import { HANDOFF_PREFIX, MAKE_PLAN, REPORT_STEP } from '../../contracts/activities.ts';
import { ToolCategory } from '../../contracts/team.ts';
import { nearest } from '../nearest.ts';
import { readResult } from './result.ts';
import { type ParameterSchema, type Tool, TOOL, type ToolDefinition } from './tool.ts';

const DEFAULT_TIMEOUT_MS = 60_000;
/** Timers of Node take at most some 24 days. */
const MAX_TIMEOUT_MS = 7 * 24 * 60 * 60 * 1_000;

/** Limit of OpenAI's API. */
const MAX_DESCRIPTION = 1_024;

/** Names of model APIs: 64 letters, digits, "_" and "-". */
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

const isFunction = (value: unknown): boolean => typeof value === 'function';
const optionalFunction = z.custom(isFunction, 'it must be a function').optional();

/** What must hold of a definition, whether or not a compiler has checked it. */
const Definition = z.strictObject({
  name: z
    .string()
    .regex(NAME, 'use 1 to 64 letters, digits, "_" and "-", the first a letter')
    .refine(
      (name) => name !== REPORT_STEP && name !== MAKE_PLAN && !name.startsWith(HANDOFF_PREFIX),
      'this name is one of the engine; choose another',
    ),
  description: z
    .string()
    .regex(/\S/, 'say what the tool does and when to call it')
    .max(MAX_DESCRIPTION, `OpenAI takes at most ${MAX_DESCRIPTION} characters; say more in the agent's instructions`),
  category: ToolCategory,
  effects: z.enum(['none', 'external']),
  timeoutMs: z.int().min(1).max(MAX_TIMEOUT_MS).default(DEFAULT_TIMEOUT_MS),
  parameters: z.custom<z.ZodType>(isZod4, 'it must be an object schema of Zod 4, such as z.object({ … })'),
  limits: z.string().optional(),
  subject: z
    .strictObject({ kind: z.enum(['command', 'url', 'path', 'tree']), fields: z.array(z.string()).readonly() })
    .optional(),
  subjectPaths: optionalFunction,
  needsApproval: optionalFunction,
  run: z.custom(isFunction, 'it must be a function'),
  settle: optionalFunction,
});

/**
 * Defines a tool for agents. Name it in `tools` of `copilot.config.ts`, and in `tools:` of the agents that may call it.
 * @throws CopilotError `InvalidTool` if agents could not use it
 */
export function defineTool<Parameters extends ParameterSchema>(definition: ToolDefinition<Parameters>): Tool {
  const definedAt = placeOfCaller();
  const fail = (problem: string): never => {
    throw new CopilotError('InvalidTool', { tool: definition?.name, at: definedAt, problem });
  };
  const checked = Definition.safeParse(definition);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    // A misspelt `needsApproval` would never ask.
    if (issue?.code === 'unrecognized_keys') return fail(unknownKey(issue.keys[0] ?? ''));
    return fail(`${issue?.path.join('.') || 'definition'}: ${issue?.message}`);
  }
  const { name, description, category, effects, timeoutMs } = checked.data;
  const { limits, subject } = definition;
  const { parameters } = checked.data;
  // What these functions get was made by `parameters`.
  const given = (args: unknown): Parameters['_zod']['output'] => args;
  return Object.freeze({
    [TOOL]: true as const,
    name,
    description,
    category,
    effects,
    timeoutMs,
    parameters,
    schema: schemaOf(parameters, fail),
    definedAt,
    ...(limits === undefined ? {} : { limits }),
    ...(subject === undefined ? {} : { subject }),
    ...(definition.subjectPaths && {
      subjectPaths: async (args: unknown, context) => (await definition.subjectPaths?.(given(args), context)) ?? [],
    }),
    ...(definition.needsApproval && {
      needsApproval: (args: unknown, context) => definition.needsApproval?.(given(args), context),
    }),
    ...(definition.settle && {
      settle: async (trace, context) => (await definition.settle?.(trace, context)) ?? 'unknown',
    }),
    run: async (args: unknown, context) =>
      readResult(await definition.run(given(args), context), name, context.workspace),
  } satisfies Tool);
}

/** Whether `defineTool` made it, be it that of another copy of this package. */
export function isTool(value: unknown): value is Tool {
  return typeof value === 'object' && value !== null && TOOL in value;
}

function schemaOf(parameters: z.ZodType, fail: (problem: string) => never): Tool['schema'] {
  try {
    const { $schema: _, ...schema } = toSchema(parameters);
    if (schema.type === 'object') return schema;
  } catch (error) {
    return fail(`parameters: ${fieldOf(parameters)}${messageOf(error)}; use a type of JSON, such as a text`);
  }
  return fail('parameters must be an object schema, since models give named arguments; wrap it in z.object({ … })');
}

function toSchema(parameters: z.ZodType): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(parameters, {
    io: 'input',
    // Any safe integer: that tells a model nothing.
    override: ({ zodSchema, jsonSchema }) => {
      // A schema of another copy of Zod has its descriptions there.
      const { description } = zodSchema as { readonly description?: string | undefined };
      if (description !== undefined) jsonSchema.description ??= description;

      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  });
}

function isZod4(schema: unknown): schema is z.ZodType {
  return typeof schema === 'object' && schema !== null && '_zod' in schema;
}

function unknownKey(key: string): string {
  const near = nearest(key, Object.keys(Definition.shape));
  return `there is no key "${key}"${near === undefined ? '' : `; the nearest is "${near}"`}`;
}

/** The field that JSON Schema cannot express, for the error. */
function fieldOf(parameters: z.ZodType): string {
  const shape = 'shape' in parameters ? (parameters.shape as Readonly<Record<string, z.ZodType>>) : {};
  for (const [field, schema] of Object.entries(shape)) {
    try {
      toSchema(schema);
    } catch {
      return `field "${field}": `;
    }
  }
  return '';
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** File and line from where {@link defineTool} was called. */
function placeOfCaller(): string {
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  const caller = frames.find((frame) => !frame.includes(import.meta.url)) ?? '';
  return /(?:\(|at )(?:async )?(?:file:\/\/)?([^()]+:\d+):\d+\)?$/.exec(caller)?.[1] ?? 'an unknown place';
}
