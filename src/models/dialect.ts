/**
 * What a model at a provider takes. It is not looked up in a table but learnt: a request that is refused is sent again
 * without what the error names, and the dialect is remembered for as long as the provider is open.
 */
import type { ModelError } from './errors.ts';
import { messagesWithImages } from './images.ts';
import type { ModelLesson, ModelRequest, ReasoningEffort } from './model.ts';
import { toOtherEffort, toWithoutThoughts } from './refused-effort.ts';
import { toWithoutRefusedData, toWithoutThinking, toWithoutAnyData } from './refused-data.ts';
import { toClosedSchemas } from './open-schemas.ts';
import { LIMITS, toNoLimit, toOtherLimit } from './output-limit.ts';
import { ALTERNATION, hasEqualRoles, hasUserAfterTool, refusedRole, toOtherSystem } from './refused-roles.ts';
import { isOfForm, OF_OUTPUT, toSimplerOutput } from './refused-output.ts';
import { toFewerTools, toShorterDescriptions, toSoManyTools } from './refused-tools.ts';

/** What a request can do without. */
export type Optional =
  | 'temperature'
  | 'usage'
  | 'strict'
  | 'lengths'
  | 'effort'
  | 'summary'
  | 'encrypted'
  | 'cache key'
  | 'store'
  /** The field for the system message; without it is a message. */
  | 'instructions'
  | 'images'
  /** Tools, calls and results as such: they stand in the text. */
  | 'tools'
  /** Calls and results in a request that offers no tools. */
  | 'calls without tools'
  /** Keywords of schemas beyond types, properties, lists and enums. */
  | 'schema keywords'
  /** Objects without properties and lists without items in schemas of tools. */
  | 'open schemas'
  /** Images in the results of tools; without they follow in a message of the user. */
  | 'images in results'
  /** A message of the user right behind results of tools. */
  | 'user after tool'
  /** Ids of calls as another server gave them: long, or with signs that this one does not take. */
  | 'foreign ids'
  /** A message with calls whose content is `null`; without it is an empty text. */
  | 'null content'
  /** Two messages of the person in a row. */
  | 'equal roles'
  /** Messages without a text, such as the result of a tool that said nothing. */
  | 'empty content'
  | 'streaming';

export interface Dialect {
  readonly without: ReadonlySet<Optional>;
  /** How many images a request may have, if the server has said so. */
  readonly maxImages?: number;
  /** How JSON is asked for: by a schema that the server enforces, as any JSON, or in the prompt alone. */
  readonly output: OutputForm;
  /** The same for requests with tools, if they take less. */
  readonly outputWithTools?: OutputForm;
  /** Room for the reply in this one request, in tokens. */
  readonly room?: number;
  /** Names for the limit of output tokens. The first one is sent. */
  readonly limits: readonly ('max_completion_tokens' | 'max_tokens')[];
  /** The role of the system message; `user` puts it before the first message of the person. */
  readonly system: 'system' | 'developer' | 'user';
  /** Replaces the effort of the request. */
  readonly effort?: ReasoningEffort;
  /** Tools that the server does not take, by {@link toolKey}. */
  readonly refusedTools: ReadonlySet<string>;
  /** How many tools a request may have, if the server has said so. */
  readonly maxTools?: number;
  /** How many characters the description of a tool may have, if the server has said so. */
  readonly maxDescription?: number;
  /** Fields of its own messages that the server does not take back. */
  readonly notReturned: ReadonlySet<string>;
  /** What it sent with earlier messages and does not take back any more, by `dataKey`. */
  readonly refusedData: ReadonlySet<string>;
  /** Fields that messages need that another model wrote, or that the server did not send with its own. */
  readonly filledIn: ReadonlySet<FilledIn>;
}

export type OutputForm = 'schema' | 'json' | 'prompt';

export type FilledIn = 'reasoning_content' | 'thought_signature';

/** Gemini documents this in place of a signature: https://ai.google.dev/gemini-api/docs/thought-signatures */
export const SKIPPED_SIGNATURE = 'skip_thought_signature_validator';

export const FIRST_DIALECT: Dialect = {
  without: new Set(),
  output: 'schema',
  limits: ['max_tokens', 'max_completion_tokens'],
  system: 'system',
  refusedTools: new Set(),
  refusedData: new Set(),
  notReturned: new Set(),
  filledIn: new Set(),
};

/** What OpenAI's own address takes. Knowing it saves the first refusals. */
export const OPENAI_DIALECT: Dialect = {
  ...FIRST_DIALECT,
  without: new Set(['lengths']),
  limits: ['max_completion_tokens', 'max_tokens'],
};

/** What was just refused. */
export interface Refused {
  readonly request: ModelRequest;
  /** The body as it was sent. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly error: ModelError;
  /** Whose data goes back with its messages. */
  readonly owner: string;
}

export interface Lesson {
  readonly dialect: Dialect;
  /** What is given up, for the log. */
  readonly gaveUp: string;
  /** The tool that is left out, if it is one. */
  readonly tool?: string;
  /** What it is about if not the model itself: this turn, such as an image that is damaged, or this request alone. */
  readonly holdsFor?: 'turn' | 'request';
}

export type Rule = (dialect: Dialect, refused: Refused & { readonly words: string }) => Lesson | undefined;

const IDS =
  /\b(tool_?[ ._]?(call|use)s?|call)(\[\d+\])?[ ._]?id\b.{0,90}(must|should|length|pattern|invalid)|\bcall_?id'?: string too long|tool_calls\[\d+\]\.id'?: string too long/i;
const IMAGES =
  /image|multimodal|vision|content type|must be a string|\(not "list"\)|content: (str type expected|input should be a valid string)/i;

const BAD_IMAGE =
  /(could not|unable to|failed to) (process|decode|load|read)|(invalid|corrupt|damaged|unsupported)[^.]{0,30}\bimage\b(?! (input|content))|\bimage\b[^.]{0,60}(exceed|too (large|small|big)|corrupt|valid image)/i;

/** Words of errors that name each thing. Only what was sent is given up, so repeated use ends. */
const NAMES: readonly (readonly [what: Optional, words: RegExp, isSent: (refused: Refused) => boolean])[] = [
  ['temperature', /\btemperature\b|\btop_p\b|sampling param/i, ({ body }) => 'temperature' in body],
  ['usage', /stream_options|include_usage/i, ({ body }) => 'stream_options' in body],
  ['summary', /reasoning[._ ]summar|\bsummary\b|reasoning summar/i, ({ body }) => has(body, 'reasoning', 'summary')],
  ['summary', /\bthinking/i, ({ body }) => body['includeThoughts'] === true],
  ['encrypted', /encrypted|\binclude\b/i, ({ body }) => 'include' in body],
  [
    'cache key',
    /prompt_cache_key|cache_?control/i,
    ({ body }) => 'prompt_cache_key' in body || ('cacheKey' in body && 'signal' in body),
  ],
  ['store', /\bstore\b/i, ({ body }) => 'store' in body],
  ['instructions', /\binstructions\b/i, ({ body }) => 'instructions' in body],
  ['lengths', /max_?length|min_?length/i, ({ body }) => /"m(ax|in)Length":/.test(JSON.stringify(body))],
  ['strict', /\bstrict\b/i, ({ body }) => JSON.stringify(body).includes('"strict":true')],
  ['foreign ids', IDS, ({ request }) => request.messages.some((message) => message.role === 'tool')],
  [
    'calls without tools',
    /\btool_?config\b|must define tools|without .?tools=|\btools\b[^.]{0,40}\b(must|should|need|required)\b[^.]{0,60}\b(tool_?use|tool_?result|tool[ _]calls?|tool messages?)/i,
    ({ request: { tools = [], messages } }) => tools.length === 0 && messages.some(({ role }) => role === 'tool'),
  ],
  [
    'images in results',
    /\boutput\b[^.]{0,80}\b(string|array|type)\b/i,
    ({ body, request }) => 'input' in body && messagesWithImages(request).some(({ role }) => role === 'tool'),
  ],
  ['equal roles', ALTERNATION, ({ request }) => hasEqualRoles(request)],
  [
    'user after tool',
    new RegExp(
      `role '?user'? after role '?tool|\\btool\\b.{0,40}followed by.{0,20}\\bassistant\\b|${ALTERNATION.source}`,
      'i',
    ),
    ({ request }) => hasUserAfterTool(request),
  ],
  ['images', IMAGES, ({ request }) => messagesWithImages(request).length > 0],
  [
    'null content',
    /content[^.]{0,60}\b(null|nil|none|string|str|required|missing|empty)\b|\bsubscript null\b|\bNoneType\b/i,
    hasNullContent,
  ],
  [
    'empty content',
    /\b(empty|non-?empty|non-?whitespace|blank|at least one (content|parts)|content or tool_?calls)\b/i,
    hasEmptyContent,
  ],
  ['streaming', /'?\bstream'?\b(?!_)|streaming/i, ({ body }) => body['stream'] === true],
];

const RULES: readonly Rule[] = [
  toWithoutRefusedData,
  toWithoutThinking,
  toFewerImages,
  toOtherLimit,
  toWithoutThoughts,
  toOtherEffort,
  toFillIn,
  toReturnLess,
  toOtherSystem,
  toClosedSchemas,
  (dialect, refused) => {
    const found = NAMES.find(([what, words, isSent]) => {
      return !dialect.without.has(what) && words.test(refused.words) && isSent(refused);
    });
    if (!found) return undefined;
    const [gaveUp] = found;
    const isOfTurn = gaveUp === 'images' && BAD_IMAGE.test(refused.words);
    const without = new Set([...dialect.without, gaveUp]);
    return { dialect: { ...dialect, without }, gaveUp, ...(isOfTurn ? { holdsFor: 'turn' } : {}) };
  },
  toShorterDescriptions,
  toPlainSchemas,
  toFewerTools,
  toSoManyTools,
  toToolsInText,
  toSimplerOutput,
  toPlainest,
  toWithoutAnyData,
];

/**
 * The dialect to try after the server refused a request, or undefined if no other words can help.
 * @param refused the error is a `ModelRejected`
 */
export function learn(dialect: Dialect, refused: Refused): Lesson | undefined {
  const { type, details } = refused.error;
  const words = `${details['param'] ?? ''} ${details['problem'] ?? ''}`;
  if (type === 'ContextOverflow') return toNoLimit(dialect, { ...refused, words });
  if (type !== 'ModelRejected' || details['refusal'] !== 'form') return undefined;
  for (const rule of RULES) {
    const lesson = rule(dialect, { ...refused, words });
    if (lesson) return lesson;
  }
  return undefined;
}

const IMAGE_LIMITS =
  /at most (\d+) image|(?:up to|max(?:imum)?(?: (?:is|of|number of images:?))?|limit(?: is| of)?|no more than) (\d+)(?! ?(?:[kmg]i?b\b|bytes|px|pixel))[^.]{0,20}/i;

/** vLLM, Groq, Mistral and others take some images in a request, but not many. */
function toFewerImages(dialect: Dialect, { request, words }: Refused & { words: string }): Lesson | undefined {
  if (!/\bimages?\b/i.test(words) || BAD_IMAGE.test(words)) return undefined;
  const found = IMAGE_LIMITS.exec(words);
  const limit = Number(found?.[1] ?? found?.[2] ?? 0);
  const sent = messagesWithImages(request).reduce((sum, { images = [] }) => sum + images.length, 0);
  if (limit < 1 || limit >= Math.min(sent, dialect.maxImages ?? sent)) return undefined;
  return { dialect: { ...dialect, maxImages: limit }, gaveUp: `more than ${limit} image${limit === 1 ? '' : 's'}` };
}

/** What every server takes in a message, and in a call of one. */
const KNOWN = new Set(['role', 'content', 'tool_calls', 'tool_call_id', 'id', 'type', 'function']);

/** Fields that servers send with a message, which some do not take back. */
function returnedFields(body: Refused['body']): string[] {
  const messages = Array.isArray(body['messages']) ? (body['messages'] as Record<string, unknown>[]) : [];
  const calls = messages.flatMap(({ tool_calls: list }) => (Array.isArray(list) ? (list as object[]) : []));
  return [...new Set([...messages, ...calls].flatMap(Object.keys))].filter((name) => !KNOWN.has(name));
}

function toReturnLess(dialect: Dialect, { body, words }: Refused & { words: string }): Lesson | undefined {
  const said = words.split(/[^\w-]+/);
  const field = returnedFields(body).find((name) => said.includes(name) && !dialect.notReturned.has(name));
  // "must be passed back" speaks of what is missing.
  if (field === undefined || /pass(ed)? back|missing|required|must (be )?(included|provided)/i.test(words))
    return undefined;
  return {
    dialect: { ...dialect, notReturned: new Set([...dialect.notReturned, field]) },
    gaveUp: `${field} sent back`,
  };
}

const NEEDS = /missing|required|must be (passed|sent|included|provided)/i;

/** Conversations that another model began lack what this one sends and needs back. */
function toFillIn(dialect: Dialect, { body, words }: Refused & { words: string }): Lesson | undefined {
  const field = (['reasoning_content', 'thought_signature'] as const).find((name) => words.includes(name));
  const messages = Array.isArray(body['messages']) ? (body['messages'] as Record<string, unknown>[]) : [];
  const isSaid = messages.some(({ role }) => role === 'assistant');
  if (field === undefined || dialect.filledIn.has(field) || !isSaid || !NEEDS.test(words)) return undefined;
  return {
    dialect: { ...dialect, filledIn: new Set([...dialect.filledIn, field]) },
    gaveUp: `messages without ${field}`,
  };
}

const OF_SCHEMA =
  /schema|grammar|unknown name|additional_?properties|\$(ref|defs)\b|\b(any|one|all)Of\b|function_declarations|\bparameters\b/i;

/** A server may take tools, and not every keyword of their schemas. */
function toPlainSchemas(dialect: Dialect, { request, words }: Refused & { words: string }): Lesson | undefined {
  const isSent = (request.tools ?? []).length > 0 && !dialect.without.has('tools');
  const isOfOutput = request.output !== undefined && OF_OUTPUT.test(words);
  if (!isSent || dialect.without.has('schema keywords') || !OF_SCHEMA.test(words) || isOfOutput) return undefined;
  const without = new Set([...dialect.without, 'schema keywords' as const]);
  return { dialect: { ...dialect, without }, gaveUp: 'schema keywords' };
}

/** What the log is told of a lesson. */
export function describeLesson({ gaveUp, tool }: Lesson, model: string, error: ModelError): ModelLesson {
  return { model, gaveUp, ...(tool === undefined ? {} : { tool }), problem: String(error.details['problem']) };
}

const OF_TOOLS =
  /\b(tools?|tool[_ -]?(use|call\w*|choice)|function[_ -]?call\w*)\b[^.]{0,60}\b(not|un)[ -]?(support|enabled|allowed|available|permitted)|(\bnot|n['’]t|\bun)[ -]?support\w*[^.]{0,40}\b(tools?|tool[_ -]?(use|call\w*)|function[_ -]?call\w*)\b|requires --(jinja|enable-auto-tool)|(unrecogni[sz]ed|unexpected|unknown)\b[^.]{0,40}\b(argument|field|parameter|key|property|name)\b[^.]{0,20}\btools\b(?![[.])|\b(chat )?template\b[^.]{0,60}\b(fail|error|not found|pars)|\bparser for this template|that support tool use|only user,? (system,? )?and assistant roles/i;

/** A server that takes no tools gets them in the text, where calls of weak models are read anyway. */
function toToolsInText(dialect: Dialect, refused: Refused & { words: string }): Lesson | undefined {
  const { request, body, words } = refused;
  const isSent = (request.tools ?? []).length > 0 || request.messages.some(({ role }) => role === 'tool');
  const isOfTools = OF_TOOLS.test(words) || ['tool', 'function'].includes(refusedRole(body, words) ?? '');
  if (!isSent || dialect.without.has('tools') || !isOfTools || /reasoning/i.test(words)) return undefined;
  // Said of tools beside a form: the form can do without.
  if (isOfForm(dialect, refused)) return undefined;
  return { dialect: { ...dialect, without: new Set([...dialect.without, 'tools' as const]) }, gaveUp: 'tools' };
}

/** Parameters that a request can do without. That the provider stores nothing is none of them. */
const EXTRAS: readonly Optional[] = ['temperature', 'usage', 'summary', 'cache key', 'effort'];

/** Where these stand in a request. */
const PLACES = ['temperature', 'stream_options', 'reasoning', 'reasoning_effort', 'prompt_cache_key'];

/** Words that say nothing of the cause, such as those of `400 Bad Request`. */
const EMPTY_WORDS = new Set(
  (
    'http status code error bad invalid malformed wrong unknown unprocessable entity content request input schema ' +
    'validation failed parameter parameters argument arguments no reason was given the is your a an'
  ).split(' '),
);

function saysNothing(words: string): boolean {
  return words
    .toLowerCase()
    .split(/[\W_]+/)
    .every((word) => /^\d*$/.test(word) || EMPTY_WORDS.has(word));
}

/** A server that does not say what it refuses: all that is optional goes at once. */
function toPlainest(dialect: Dialect, { body, words }: Refused & { words: string }): Lesson | undefined {
  const isPlain = EXTRAS.every((what) => dialect.without.has(what));
  if (isPlain || !saysNothing(words) || ![...PLACES, ...LIMITS].some((name) => name in body)) return undefined;
  const without = new Set([...dialect.without, ...EXTRAS]);
  return { dialect: { ...dialect, without, limits: [] }, gaveUp: 'optional parameters' };
}

function has(body: Readonly<Record<string, unknown>>, key: string, inner: string): boolean {
  const value = body[key];
  return typeof value === 'object' && value !== null && inner in value;
}

function hasNullContent({ body }: Refused): boolean {
  const messages = Array.isArray(body['messages']) ? (body['messages'] as Record<string, unknown>[]) : [];
  return messages.some(({ content }) => content === null);
}

function hasEmptyContent({ request: { messages } }: Refused): boolean {
  return messages.some(({ text, ...message }) => text === '' && !('images' in message && message.images?.length));
}
