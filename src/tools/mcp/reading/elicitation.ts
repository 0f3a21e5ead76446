/**
 * What servers ask people while a call runs, as forms of the session.
 * https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation
 */
import { McpError } from '@modelcontextprotocol/sdk/types.js';
import type { z } from 'zod';
import { FormField, RequestedForm } from '../../../contracts/form.ts';
import type { JsonObject } from '../../../contracts/json.ts';

/** What a person is asked. */
export interface AskedForm {
  readonly question: string;
  readonly form: RequestedForm;
}

/** The answer that a server gets. */
export type FormAnswer =
  | { readonly action: 'accept'; readonly content?: JsonObject }
  | { readonly action: 'decline' | 'cancel' };

/** Asks a person, and waits for their answer. Rejects with the reason of `signal` when it aborts. */
export type AskPerson = (asked: AskedForm, signal: AbortSignal) => Promise<FormAnswer>;

type Fields = Readonly<Record<string, unknown>>;

const MAX_MESSAGE = 3_000;
const MAX_PAGES = 5;

/** @param tool who asks, as `server.tool`. @returns why a person cannot be asked, if so */
export function readElicitation(params: unknown, tool: string): AskedForm | { readonly problem: string } {
  const { message, mode, url, requestedSchema } = isFields(params) ? params : {};
  const words = typeof message === 'string' ? message.trim() : '';
  if (words.length > MAX_MESSAGE) return { problem: `the message has more than ${MAX_MESSAGE} characters` };
  if (mode !== undefined && mode !== null && mode !== 'form' && mode !== 'url')
    return { problem: `there is no mode ${JSON.stringify(mode)}` };
  if (mode === 'url' && typeof url !== 'string') return { problem: 'the page has no address' };
  const { properties, required } = isFields(requestedSchema) ? requestedSchema : {};
  const names = Array.isArray(required) ? (required as unknown[]) : [];
  const entries = mode === 'url' ? [] : Object.entries(isFields(properties) ? properties : {});
  const fields: unknown[] = [];
  for (const [name, property] of entries) {
    const field = readField(property);
    if (!field)
      return {
        problem: `the field ${JSON.stringify(name)} is none that people can fill: text, number, yes or no, choice`,
      };
    fields.push({ name, required: names.includes(name), ...field });
  }
  const { data, error } = RequestedForm.safeParse({ from: tool, fields, ...(mode === 'url' ? { url } : {}) });
  if (!data) return { problem: problemOf(error) };
  const asks = data.url === undefined ? 'asks' : `asks you to open a page of ${new URL(data.url).host}`;
  return { question: words === '' ? `${tool} ${asks}.` : `${tool} ${asks}: ${words}`, form: data };
}

/** https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation#url-mode-with-elicitation-required-error */
const PAGE_REQUIRED = -32_042;

/** The pages that a server wants to be opened before it makes a call. @param error what it answered the call with */
export function requiredPages(error: unknown, tool: string): AskedForm[] {
  if (!(error instanceof McpError) || error.code !== PAGE_REQUIRED) return [];
  const { elicitations } = isFields(error.data) ? error.data : {};
  const listed = Array.isArray(elicitations) ? (elicitations as unknown[]).slice(0, MAX_PAGES) : [];
  return listed.flatMap((params) => {
    const asked = readElicitation(isFields(params) ? { ...params, mode: 'url' } : params, tool);
    return 'form' in asked ? [asked] : [];
  });
}

function problemOf({ issues: [first] }: z.ZodError): string {
  return first ? `${first.path.join('.')} ${first.message}`.trim() : 'it is not a form';
}

/** A field without its name; undefined for what people cannot fill. `null` means absent. */
function readField(property: unknown): object | undefined {
  if (!isFields(property)) return undefined;
  const given = withoutNull(Object.fromEntries(Object.entries(property).filter(([, value]) => value !== null)));
  const options = optionsIn(given);
  const isList = given['type'] === 'array';
  const items = isFields(given['items']) ? optionsIn(given['items']) : undefined;
  const field = {
    ...pick(given, 'title', 'description'),
    ...(isList && items
      ? { type: 'choices', options: items, ...pick(given, 'minItems', 'maxItems', 'default') }
      : options
        ? { type: 'choice', options, ...pick(given, 'default') }
        : readPlain(given)),
  };
  const whole = { name: 'x', required: false, ...field };
  if (FormField.safeParse(whole).success) return field;
  // A default or a bound of the wrong kind is not worth the whole form.
  const { type, title, description, options: kept, isInteger } = field as Fields;
  const bare = dropUndefined({ type, title, description, options: kept, isInteger });
  return FormField.safeParse({ name: 'x', required: false, ...bare }).success ? bare : undefined;
}

/** `str | None` of Python: one of two forms, or of two types, is `null`. */
function withoutNull(given: Fields): Fields {
  const { anyOf, oneOf, type, ...rest } = given;
  const forms = [anyOf, oneOf].find(Array.isArray)?.filter(isFields);
  const [form, ...others] = (forms ?? []).filter((one) => one['type'] !== 'null' && one['const'] !== null);
  const types = [type].flat().filter((one) => one !== 'null');
  if (form && others.length === 0 && form['const'] === undefined) return { ...form, ...rest };
  return { ...given, ...(types.length === 1 ? { type: types[0] } : {}) };
}

function readPlain(given: Fields): object {
  switch (given['type'] ?? 'string') {
    case 'boolean':
      return { type: 'yes-no', ...pick(given, 'default') };
    case 'number':
    case 'integer':
      return {
        type: 'number',
        isInteger: given['type'] === 'integer',
        ...pick(given, 'minimum', 'maximum', 'default'),
      };
    case 'string':
      return { type: 'text', ...formatOf(given), ...pick(given, 'minLength', 'maxLength', 'default') };
    default:
      return {};
  }
}

/** A format that we do not know is no reason against a text. */
function formatOf({ format }: Fields): object {
  return ['email', 'uri', 'date', 'date-time'].includes(String(format)) ? { format } : {};
}

/** Options of a choice: with titles in `oneOf` or `anyOf`, or in `enumNames` as older servers write them. */
function optionsIn(given: Fields): object[] | undefined {
  const titled = given['oneOf'] ?? given['anyOf'];
  if (Array.isArray(titled)) {
    return titled.filter(isFields).map((option) => ({ value: option['const'], ...pick(option, 'title') }));
  }
  const { enum: values, enumNames: titles } = given;
  if (!Array.isArray(values)) return undefined;
  const named = Array.isArray(titles) ? (titles as unknown[]) : [];
  return values.map((value: unknown, index) => ({
    value,
    ...(typeof named[index] === 'string' ? { title: named[index] } : {}),
  }));
}

function pick(given: Fields, ...names: readonly string[]): Fields {
  return Object.fromEntries(names.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])));
}

function dropUndefined(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
