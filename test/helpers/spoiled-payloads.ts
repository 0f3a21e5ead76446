/** Payloads that are wrong: a corpus for every message, and ones made of a message's own schema with a part spoiled. */
import type { Payload } from '@temporalio/common';
import fc from 'fast-check';
import { z } from 'zod';
import { payloadOf } from './raw-messages.ts';

const DEPTH = 10_000;
const json = (value: unknown): Payload => payloadOf(JSON.stringify(value));
const deepArray = '['.repeat(DEPTH) + ']'.repeat(DEPTH);
const deepObject = `${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`;
const many = (count: number, item: string): string => `[${Array.from({ length: count }, () => item).join()}]`;

/** As the SDK writes it in place of a payload that lies in a store. */
function reference(text: string): Payload {
  const messageType = Buffer.from('temporal.api.sdk.v1.ExternalStorageReference');
  const { metadata, data } = payloadOf(text, 'json/protobuf');
  return { metadata: { ...metadata, messageType }, data: data ?? null };
}

/** What a worker with a key or a store of another one might read. */
export const NEEDS_MORE: Readonly<Record<string, readonly Payload[]>> = {
  'an encrypted text': [payloadOf('hello', 'binary/encrypted')],
  'a reference': [reference('{"driverName": "copilot.folder"}')],
};

/** By name, what may come as the arguments of any message. */
export const CORPUS: Readonly<Record<string, readonly Payload[]>> = {
  nothing: [],
  null: [json(null)],
  'a number': [json(1e308)],
  'a text': [json('now')],
  'a list': [json([{}])],
  'an unknown key': [json({ colour: 'red' })],
  'unknown keys of 1 MiB': [
    json(Object.fromEntries(Array.from({ length: 60_000 }, (_, n) => [`unknown key ${n}`, n]))),
  ],
  'a text of 1.9 MiB': [json('x'.repeat(1_900_000))],
  'half a million lists': [payloadOf(many(500_000, '[]'))],
  NUL: [json('\u0000'), json({ '\u0000': '\u0000' })],
  'half of a surrogate pair': [json('\ud800')],
  '10,000 lists in each other': [payloadOf(deepArray)],
  '10,000 objects in each other': [payloadOf(deepObject)],
  __proto__: [payloadOf('{"__proto__": {"status": "completed", "text": "hi"}}')],
  constructor: [payloadOf('{"constructor": {"prototype": {"isClosing": true}}, "toString": 1, "then": 1}')],
  'many arguments': Array.from({ length: 500 }, () => json({})),
  'broken JSON': [payloadOf('{"text": ')],
  'no JSON at all': [payloadOf('')],
  'bytes that are no text': [{ metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from([0xff, 0xfe]) }],
  'an unknown encoding': [payloadOf('hello', 'text/morse')],
  'no encoding': [{ data: Buffer.from('{}') }],
  'an empty payload': [{}],
  'plain bytes': [payloadOf('hello', 'binary/plain')],
  'a protobuf message': [payloadOf('{}', 'json/protobuf'), payloadOf('hello', 'binary/protobuf')],
  'broken references': ['{}', '{"driverName": "nobody"}', '{'].map(reference),
  ...NEEDS_MORE,
};

/** Values that take the place of parts of a good payload. */
const wrong: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    'null',
    'true',
    '[]',
    '{}',
    '""',
    '"\\u0000"',
    '"\\ud800"',
    '"__proto__"',
    '"constructor"',
    '"latest"',
    '-1',
    '0',
    '1',
    '0.5',
    '1e308',
    '-0',
    '9007199254740991',
    '9007199254740993',
    '8640000000000001',
    '1e999',
    '{"__proto__": 1}',
    '"turn-1"',
    '"req-1"',
    deepArray,
    deepObject,
    JSON.stringify('x'.repeat(300_000)),
    JSON.stringify('😀'.repeat(100_000)),
    many(100_000, '{}'),
  ),
  fc.string({ unit: 'binary', maxLength: 300 }).map((text) => JSON.stringify(text)),
  fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)),
);

/** Payloads as the schema wants them, with one part of each replaced by something else, and now and then a key more. */
export function spoiled(schema: z.ZodType): fc.Arbitrary<Payload> {
  const shape = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }) as JsonSchema; // its own type says less
  const good = fc.option(arbitraryOf(shape), { freq: 20 });
  return fc
    .record({ good, place: fc.nat(), by: wrong, adds: fc.integer({ min: 0, max: 4 }) })
    .map(({ good: value, place, by, adds }) => payloadOf(spoil(value, place, by, adds === 0)));
}

/** The same of a value that is good. */
export function spoiledFrom(value: object): fc.Arbitrary<Payload> {
  return fc
    .record({ place: fc.nat(), by: wrong, adds: fc.boolean() })
    .map(({ place, by, adds }) => payloadOf(spoil(value, place, by, adds)));
}

const MARK = 'the place that is spoiled';

/** The value as JSON text, where the text stands in for one of its parts. */
function spoil(value: unknown, place: number, by: string, adds: boolean): string {
  const copy = { root: structuredClone(value) };
  const places: (() => void)[] = [];
  const collect = (parent: object): void => {
    for (const [key, child] of Object.entries(parent)) {
      places.push(() => void Reflect.set(parent, key, MARK));
      if (typeof child === 'object' && child !== null) collect(child);
    }
    if (adds && parent !== copy && !Array.isArray(parent)) places.push(() => void Reflect.set(parent, 'more', MARK));
  };
  collect(copy);
  places[place % places.length]?.();
  return JSON.stringify(copy.root).replace(JSON.stringify(MARK), () => by);
}

/** The part of JSON schema that zod writes. */
interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maxLength?: number;
  readonly $ref?: string;
}

/** Names that mean something in the session, so that what is good about a payload gets far. */
const TEXTS = ['writer', 'engineer', 'one-shot', 'copilot', 'req-1', 'turn-1', 'snap-1', 'latest', 'city', 'hello'];

function arbitraryOf(schema: JsonSchema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const forms = schema.anyOf ?? schema.oneOf;
  if (forms) return fc.oneof(...forms.map(arbitraryOf));
  switch (schema.type) {
    case 'object':
      return objectOf(schema);
    case 'array':
      return fc.array(schema.items ? arbitraryOf(schema.items) : fc.constant(1), { minLength: 1, maxLength: 3 });
    case 'string':
      return fc.constantFrom(...TEXTS);
    case 'integer':
    case 'number':
      return fc.integer({ min: Math.max(0, schema.minimum ?? 0), max: Math.max(0, schema.minimum ?? 0) + 5 });
    case 'boolean':
      return fc.boolean();
    default:
      return fc.jsonValue({ maxDepth: 1 });
  }
}

function objectOf({ properties = {}, required = [], additionalProperties }: JsonSchema): fc.Arbitrary<unknown> {
  const members = Object.fromEntries(Object.entries(properties).map(([key, inner]) => [key, arbitraryOf(inner)]));
  const known = fc.record(members, { requiredKeys: [...required], noNullPrototype: true });
  if (typeof additionalProperties !== 'object') return known;
  const others = fc.dictionary(fc.constantFrom(...TEXTS), arbitraryOf(additionalProperties), {
    maxKeys: 2,
    noNullPrototype: true,
  });
  return fc.tuple(known, others).map(([fixed, free]) => ({ ...free, ...fixed }));
}
