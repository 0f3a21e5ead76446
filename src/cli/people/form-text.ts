/** Forms in a terminal: how one is shown, and what a person types to fill it. */
import type { FormField, FormOption, RequestedForm } from '../../contracts/form.ts';
import type { Json, JsonObject } from '../../contracts/json.ts';

/** The page to open, or a line for each field. */
export function formLines({ fields, url }: RequestedForm): string[] {
  const page = url === undefined ? [] : [`page: ${url}`, `host: ${new URL(url).host}`];
  return [...page, ...fields.flatMap(fieldLines)];
}

function fieldLines(field: FormField): string[] {
  const { name, title, description, required } = field;
  const facts = [...kindOf(field), required ? 'required' : 'optional', ...defaultOf(field)].join(', ');
  const words = [title, description].filter((text) => text !== undefined && text !== name).join('. ');
  const options = 'options' in field ? field.options.map(optionLine) : [];
  return [`${name} (${facts})${words === '' ? '' : `: ${oneLine(words)}`}`, ...options.map((line) => `  - ${line}`)];
}

function kindOf(field: FormField): string[] {
  switch (field.type) {
    case 'text':
      return [field.format ?? 'text'];
    case 'number':
      return [field.isInteger ? 'whole number' : 'number', ...rangeOf(field.minimum, field.maximum)];
    case 'yes-no':
      return ['yes or no'];
    case 'choice':
      return ['one of'];
    case 'choices':
      return ['some of, with commas between', ...rangeOf(field.minItems, field.maxItems)];
  }
}

function rangeOf(least: number | undefined, most: number | undefined): string[] {
  return [...(least === undefined ? [] : [`at least ${least}`]), ...(most === undefined ? [] : [`at most ${most}`])];
}

function defaultOf({ default: value }: FormField): string[] {
  return value === undefined ? [] : [`default ${typeof value === 'string' ? value : JSON.stringify(value)}`];
}

function optionLine({ value, title }: FormOption): string {
  return oneLine(title === undefined || title === value ? value : `${value}: ${title}`);
}

/** A server's words stay on one line, so that none of them looks like another field. */
function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ⏎ ');
}

/** What fills the form, from texts by the names of its fields. The session says what does not fit. */
export function formValues(
  { fields }: RequestedForm,
  given: Iterable<readonly [name: string, text: string]>,
): JsonObject {
  const values: [string, Json][] = [];
  for (const [name, text] of given) {
    const field = fields.find((known) => known.name === name);
    values.push([name, field ? readField(field, text) : text]);
  }
  return Object.fromEntries(values);
}

/**
 * The same from a line: `name=Ada age=36 note="two words"`, or only the value if the form has one field. Undefined if the
 * line is neither.
 */
export function parseFormLine(form: RequestedForm, line: string): JsonObject | undefined {
  const text = line.trim();
  const pairs: [string, string][] = [];
  const rest = text.replaceAll(/([^\s=]+)=("(?:[^"\\]|\\.)*"|\S*)\s*/g, (_, name: string, value: string) => {
    pairs.push([name, value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value]);
    return '';
  });
  if (rest === '' && pairs.every(([name]) => form.fields.some((field) => field.name === name)))
    return formValues(form, pairs);
  const [only, other] = form.fields;
  return only && !other ? formValues(form, [[only.name, text]]) : undefined;
}

function readField(field: FormField, text: string): Json {
  switch (field.type) {
    case 'text':
      return text;
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
    case 'yes-no':
      return /^(?:y|yes|true|1)$/i.test(text.trim()) ? true : /^(?:n|no|false|0)$/i.test(text.trim()) ? false : text;
    case 'choice':
      return optionOf(field.options, text);
    case 'choices':
      return text.trim() === '' ? [] : text.split(',').map((part) => optionOf(field.options, part));
  }
}

/** An option by its value or its title. */
function optionOf(options: readonly FormOption[], text: string): string {
  const wanted = text.trim().toLowerCase();
  const exact = options.find(({ value }) => value === text.trim());
  const near = options.find(({ value, title = value }) => [value, title].some((word) => word.toLowerCase() === wanted));
  return (exact ?? near)?.value ?? text.trim();
}
