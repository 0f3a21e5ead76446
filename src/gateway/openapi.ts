/** The OpenAPI 3.1 document of the gateway, from the schemas by which it checks requests. */
import { z } from 'zod';
import type { Route } from './routes/route.ts';

type Described = Readonly<Record<string, unknown>>;

export interface ApiDescription extends Described {
  /** Operations by path and method. */
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export interface Operation extends Described {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters: readonly Parameter[];
  /** Schemas of the body by media type. */
  readonly requestBody?: { readonly required: true; readonly content: Readonly<Record<string, { schema: Described }>> };
}

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required: boolean;
  readonly schema: Described;
}

/** @param version version of the program */
export function describeApi(routes: readonly Route[], version: string): ApiDescription {
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) (paths[plainPath(route)] ??= {})[route.method] = describeRoute(route);
  return {
    openapi: '3.1.0',
    info: { title: 'durable-copilot', version, description: 'Durable copilot sessions over HTTP.' },
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'A key, or a token of the identity provider.' },
      },
      schemas: { Problem: PROBLEM },
    },
  };
}

const PROBLEM = {
  type: 'object',
  required: ['type', 'status', 'detail', 'retryable'],
  properties: {
    type: { type: 'string', description: 'Name of the error.' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What is wrong, and what to do.' },
    retryable: { type: 'boolean', description: 'Whether the same request may succeed later.' },
    details: { type: 'object', description: 'What the error is about.' },
  },
};

/** OpenAPI has no word for a parameter with slashes. */
const plainPath = ({ path }: Pick<Route, 'path'>): string => path.replace('{+', '{');

function describeRoute(route: Route): Operation {
  const { method, summary, query, status = 200, media = 'application/json' } = route;
  const path = plainPath(route);
  const parts = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path' as const,
    required: true,
    schema: { type: 'string' },
  }));
  return {
    operationId: `${method}${path.replace('/v1', '').replace(/[^a-zA-Z]+(\w?)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary,
    parameters: [...parts, ...(query ? queryParameters(query) : [])],
    ...bodyOf(route),
    responses: {
      [status]: { description: 'Done', content: { [media]: {} } },
      default: {
        description: 'What is wrong',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
}

function bodyOf({ body, takes }: Route): Pick<Operation, 'requestBody'> {
  if (takes !== undefined) return { requestBody: { required: true, content: { [takes]: { schema: BODIES[takes] } } } };
  return body ? { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body) } } } } : {};
}

const BODIES: Readonly<Record<NonNullable<Route['takes']>, Described>> = {
  'application/octet-stream': {},
  'multipart/form-data': {
    type: 'object',
    properties: { file: { type: 'array', items: { type: 'string', contentMediaType: 'application/octet-stream' } } },
  },
};

function queryParameters(query: z.ZodObject): Parameter[] {
  return Object.entries(query.shape).map(([name, schema]) => {
    const isRequired = !z.safeParse(schema, undefined).success;
    return { name, in: 'query', required: isRequired, schema: schemaOf(schema) };
  });
}

/** What callers send, so the input of the schema. Checks that JSON Schema has no words for are left out. */
function schemaOf(schema: z.core.$ZodType): Described {
  const { $schema: _, ...described } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
  });
  return described;
}
