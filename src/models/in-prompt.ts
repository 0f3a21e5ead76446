/** What goes into the text of a request for servers that have no field for it. */
import { createHash } from 'node:crypto';
import { beginningOf } from '../contracts/text-cut.ts';
import type { Dialect } from './dialect.ts';
import { newestImages, resultImagesBehind, withWordsAfterResults } from './images.ts';
import type { ModelMessage, ModelRequest, ToolSchema } from './model.ts';
import { withoutRefusedData } from './refused-data.ts';
import { withClosedSchemas } from './open-schemas.ts';
import { outputForm } from './refused-output.ts';
import { takenTools } from './refused-tools.ts';

type Schema = Readonly<Record<string, unknown>>;

/**
 * The request as a server of this dialect takes it. What it has no field for stands in the text.
 * @param takesResultImages whether images may stand in the results of tools
 */
export function worded(request: ModelRequest, dialect: Dialect, takesResultImages: boolean): ModelRequest {
  const { without } = dialect;
  const { output } = request;
  const tools = takenTools(request, dialect);
  const inText = without.has('tools') ? tools : [];
  const asText = without.has('calls without tools') && tools.length === 0;
  const system = [
    request.system,
    ...(inText.length === 0 ? [] : [toolsPrompt(inText)]),
    ...(output === undefined || outputForm(request, dialect) === 'schema' ? [] : [schemaPrompt(output.schema)]),
  ];
  const simple = without.has('schema keywords') ? tools.map(withPlainSchema) : tools;
  const plain = without.has('open schemas') ? simple.map(withClosedSchemas) : simple;
  const { maxDescription: max } = dialect;
  const offered =
    max === undefined ? plain : plain.map((tool) => ({ ...tool, description: beginningOf(tool.description, max) }));
  const { maxOutputTokens } = request;
  const { room } = dialect;
  return {
    ...request,
    ...(room === undefined ? {} : { maxOutputTokens: Math.min(room, maxOutputTokens ?? room) }),
    system: system.join('\n\n').trim(),
    messages: adapted(
      request.messages,
      asText ? { ...dialect, without: new Set([...without, 'tools']) } : dialect,
      takesResultImages,
    ),
    tools: without.has('tools') ? [] : offered,
  };
}

function schemaPrompt(schema: Schema): string {
  return `Answer with one JSON object and nothing else. It must match this JSON schema:\n${JSON.stringify(schema)}`;
}

/** In the form that most open models were trained on. */
function toolsPrompt(tools: readonly ToolSchema[]): string {
  const lines = tools.map((tool) => JSON.stringify(tool));
  return `You can call these tools:\n${lines.join('\n')}\nTo call one, end your answer with ${toolCallText('its name', '{its arguments}')}. Its result comes with the next message.`;
}

function toolCallText(name: string, argumentsText: string): string {
  return `<tool_call>{"name": ${JSON.stringify(name)}, "arguments": ${argumentsText}}</tool_call>`;
}

/** The messages in the forms that every server takes: few images, text only, short ids of letters and digits, roles that alternate. */
function adapted(
  messages: readonly ModelMessage[],
  dialect: Dialect,
  takesResultImages: boolean,
): readonly ModelMessage[] {
  const { without, maxImages } = dialect;
  let list: readonly ModelMessage[] = messages.map((message) => withoutRefusedData(message, dialect));
  if (without.has('empty content')) list = list.map(withSomeText);
  const limit = without.has('images') ? 0 : maxImages;
  if (limit !== undefined) list = newestImages(list, limit);
  if (!takesResultImages || without.has('images in results') || without.has('tools')) list = resultImagesBehind(list);
  if (without.has('user after tool')) list = withWordsAfterResults(list);
  const placed = list;
  if (without.has('foreign ids')) list = list.map(withPlainIds);
  if (without.has('tools')) list = joinUsers(list.map(withoutTools), placed);
  return without.has('equal roles') ? joinUsers(list) : list;
}

function withSomeText(message: ModelMessage): ModelMessage {
  return message.text.trim() === '' ? { ...message, text: '(nothing)' } : message;
}

/** Mistral takes ids of exactly nine letters and digits. */
const PLAIN_ID = 9;

function withPlainIds(message: ModelMessage): ModelMessage {
  if (message.role === 'tool') return { ...message, toolCallId: plainId(message.toolCallId) };
  if (message.role === 'user' || !message.toolCalls) return message;
  return { ...message, toolCalls: message.toolCalls.map((call) => ({ ...call, id: plainId(call.id) })) };
}

function plainId(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, PLAIN_ID);
}

/** Calls and their results as text. What the provider needs back belongs to calls as such. */
function withoutTools(message: ModelMessage): ModelMessage {
  if (message.role === 'tool') {
    const { text, images } = message;
    const result = `<tool_response>\n${text}\n</tool_response>`;
    return { role: 'user', text: result, ...(images ? { images } : {}) };
  }
  if (message.role === 'user' || !message.toolCalls?.length) return message;
  const calls = message.toolCalls.map((call) => toolCallText(call.name, call.arguments));
  return { role: 'assistant', text: [message.text, ...calls].filter((part) => part !== '').join('\n') };
}

/**
 * Joins messages of the user that follow each other.
 * @param originals if given, only those that were results of tools
 */
function joinUsers(list: readonly ModelMessage[], originals?: readonly ModelMessage[]): readonly ModelMessage[] {
  const joined: ModelMessage[] = [];
  list.forEach((message, index) => {
    const last = joined.at(-1);
    const mayJoin = originals === undefined || originals[index - 1]?.role === 'tool';
    if (last?.role !== 'user' || message.role !== 'user' || !mayJoin) return void joined.push(message);
    const images = [...(last.images ?? []), ...(message.images ?? [])];
    const text = `${last.text}\n\n${message.text}`;
    joined[joined.length - 1] = { role: 'user', text, ...(images.length === 0 ? {} : { images }) };
  });
  return joined;
}

function withPlainSchema(tool: ToolSchema): ToolSchema {
  return { ...tool, parameters: { properties: {}, ...plainSchema(tool.parameters), type: 'object' } };
}

/** Types, properties, lists and enums, which every server knows. Of several forms it is the first that is not null. */
function plainSchema(given: Schema): Schema {
  const forms = given['anyOf'] ?? given['oneOf'] ?? given['allOf'];
  const form = Array.isArray(forms) ? (forms as Schema[]).find(({ type }) => type !== 'null') : undefined;
  const { type, description, properties, required, items, enum: choices, const: only } = { ...given, ...form };
  const types = Array.isArray(type) ? (type as unknown[]).filter((name) => name !== 'null') : [type];
  return {
    ...(types[0] === undefined ? {} : { type: types[0] }),
    ...(typeof description === 'string' ? { description } : {}),
    ...(isSchema(properties) ? { properties: mapped(properties) } : {}),
    ...(Array.isArray(required) && required.length > 0 ? { required: required as unknown[] } : {}),
    ...(isSchema(items) ? { items: plainSchema(items) } : {}),
    ...(Array.isArray(choices) ? { enum: choices as unknown[] } : typeof only === 'string' ? { enum: [only] } : {}),
  };
}

function mapped(properties: Schema): Schema {
  return Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, isSchema(schema) ? plainSchema(schema) : {}]),
  );
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
