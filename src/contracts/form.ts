/** Forms that a tool asks a person to fill while its call runs, such as those of MCP servers. */
import { z } from 'zod';
import type { Json, JsonObject } from './json.ts';

/** Fields of a form, options of a field. */
const MAX_FIELDS = 50;
const MAX_OPTIONS = 200;
/** The whole form as JSON. It is always shown whole. */
const MAX_FORM_TEXT = 16_000;
/** A text that a person gives. */
const MAX_ANSWER = 20_000;

const Name = z.string().min(1).max(200);
const Words = z.string().max(2_000);

export const FormOption = z.strictObject({ value: z.string().max(1_000), title: Words.optional() });
export type FormOption = Readonly<z.infer<typeof FormOption>>;

const common = {
  name: Name,
  title: Words.optional(),
  description: Words.optional(),
  /** Whether the form cannot be accepted without it. */
  required: z.boolean(),
};

export const FormField = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('text'),
    ...common,
    format: z.enum(['email', 'uri', 'date', 'date-time']).optional(),
    minLength: z.int().min(0).optional(),
    maxLength: z.int().min(0).optional(),
    default: z.string().max(MAX_ANSWER).optional(),
  }),
  z.strictObject({
    type: z.literal('number'),
    ...common,
    /** Whether it is a whole number. */
    isInteger: z.boolean(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    default: z.number().optional(),
  }),
  z.strictObject({ type: z.literal('yes-no'), ...common, default: z.boolean().optional() }),
  z.strictObject({
    type: z.literal('choice'),
    ...common,
    options: z.array(FormOption.readonly()).min(1).max(MAX_OPTIONS).readonly(),
    default: z.string().optional(),
  }),
  z.strictObject({
    type: z.literal('choices'),
    ...common,
    options: z.array(FormOption.readonly()).min(1).max(MAX_OPTIONS).readonly(),
    minItems: z.int().min(0).optional(),
    maxItems: z.int().min(0).optional(),
    default: z.array(z.string()).readonly().optional(),
  }),
]);
export type FormField = Readonly<z.infer<typeof FormField>>;

/** What a person is asked for: fields to fill, or a page to go to. */
export const RequestedForm = z
  .strictObject({
    /** Who asks: the tool, with its server. */
    from: z.string().min(1).max(400),
    fields: z.array(FormField.readonly()).max(MAX_FIELDS).readonly(),
    /** The page. What the person does there does not pass through the session. */
    url: z
      .url({ protocol: /^https?$/ })
      .max(4_000)
      .optional(),
  })
  .refine((form) => JSON.stringify(form).length <= MAX_FORM_TEXT, `it has more than ${MAX_FORM_TEXT} characters`);
export type RequestedForm = Readonly<z.infer<typeof RequestedForm>>;

/** The values of an accepted form, with the defaults of fields that were left out; or what is wrong with them. */
export type CheckedForm = { readonly values: JsonObject } | { readonly problem: string };

export function checkForm({ fields }: RequestedForm, given: JsonObject): CheckedForm {
  const stray = Object.keys(given).find((name) => !fields.some((field) => field.name === name));
  if (stray !== undefined) {
    const known = fields.map(({ name }) => name).join(', ') || 'none';
    return { problem: `the form has no field "${stray}"; its fields: ${known}` };
  }
  const values: [string, Json][] = [];
  for (const field of fields) {
    const value = Object.hasOwn(given, field.name) ? (given[field.name] ?? null) : null;
    const filled = value ?? field.default ?? null;
    if (filled === null) {
      if (field.required) return { problem: `the field "${field.name}" is missing` };
      continue;
    }
    const problem = fieldProblem(field, filled);
    if (problem !== undefined) return { problem: `the field "${field.name}" ${problem}` };
    values.push([field.name, filled]);
  }
  return { values: Object.fromEntries(values) };
}

/** What is wrong with a value, as the rest of a sentence; undefined if nothing is. */
function fieldProblem(field: FormField, value: Json): string | undefined {
  switch (field.type) {
    case 'text':
      return typeof value === 'string' ? textProblem(field, value) : 'takes a text';
    case 'number':
      return typeof value === 'number' ? numberProblem(field, value) : 'takes a number';
    case 'yes-no':
      return typeof value === 'boolean' ? undefined : 'takes true or false';
    case 'choice':
      return isOption(field.options, value) ? undefined : `takes one of ${optionsText(field.options)}`;
    case 'choices': {
      if (!Array.isArray(value) || !value.every((one: Json) => isOption(field.options, one))) {
        return `takes a list of ${optionsText(field.options)}`;
      }
      const { minItems = 0, maxItems = field.options.length } = field;
      if (new Set(value).size !== value.length) return 'takes each of its options once';
      return value.length < minItems || value.length > maxItems
        ? `takes ${minItems} to ${maxItems} options`
        : undefined;
    }
  }
}

const { email: EMAIL } = z.regexes;
const FORMATS = {
  // A copy, because using an expression changes it, and what packages export is frozen in the workflow's sandbox.
  email: z.email({ pattern: new RegExp(EMAIL.source, EMAIL.flags) }),
  uri: z.url(),
  date: z.iso.date(),
  'date-time': z.iso.datetime({ offset: true, local: true }),
};
const FORMAT_NAMES = {
  email: 'an e-mail address',
  uri: 'a URL',
  date: 'a date such as 2026-11-26',
  'date-time': 'a time such as 2026-11-26T20:15:00Z',
};

function textProblem(
  { format, minLength = 0, maxLength = MAX_ANSWER }: Extract<FormField, { type: 'text' }>,
  value: string,
): string | undefined {
  const limit = Math.min(maxLength, MAX_ANSWER);
  // As JSON schema counts them.
  const { length } = Array.from(value);
  if (length < minLength) return `takes at least ${minLength} characters`;
  if (length > limit) return `takes at most ${limit} characters`;
  return format && !FORMATS[format].safeParse(value).success ? `takes ${FORMAT_NAMES[format]}` : undefined;
}

function numberProblem(
  { isInteger, minimum, maximum }: Extract<FormField, { type: 'number' }>,
  value: number,
): string | undefined {
  if (!Number.isFinite(value)) return 'takes a number';
  if (isInteger && !Number.isInteger(value)) return 'takes a whole number';
  if (minimum !== undefined && value < minimum) return `takes ${minimum} or more`;
  return maximum !== undefined && value > maximum ? `takes ${maximum} or less` : undefined;
}

function isOption(options: readonly FormOption[], value: Json): boolean {
  return options.some((option) => option.value === value);
}

function optionsText(options: readonly FormOption[]): string {
  return options.map(({ value }) => JSON.stringify(value)).join(', ');
}
