/** One request that the gateway takes: its path, what it needs, and what it does. */
import { z } from 'zod';
import type { CopilotClient, SessionHandle } from '../../client.ts';
import type { WorkPlace } from '../principals/limits.ts';
import type { Principal, Right } from '../principals/principal.ts';

/** What a route is given. */
export interface Call<Query = unknown, Body = unknown> {
  readonly client: CopilotClient;
  readonly principal: Principal;
  /** Whether the principal's key or token still counts. Never fails. */
  readonly isSignedIn: () => Promise<boolean>;
  /** The session of the path. The principal has the route's right to it. */
  readonly session: SessionHandle;
  /** Its body is read already if the route has a schema for it. */
  readonly request: Request;
  /** Parts of the path by name. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  /** The cursor that a browser sends when it comes back to a stream. */
  readonly lastEventId: string | undefined;
  /** To be called before a message begins or joins work. @throws GatewayError `TooManyAtWork` */
  readonly admit: (session?: SessionHandle) => Promise<WorkPlace>;
  /** Aborts when the caller goes away. */
  readonly signal: AbortSignal;
}

export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Such as `/v1/sessions/{id}`. A part such as `{+path}` may have slashes in it. */
  readonly path: string;
  readonly summary: string;
  /** What it does with the session of its path. */
  readonly right?: Right | undefined;
  readonly query?: z.ZodObject | undefined;
  readonly body?: z.ZodType | undefined;
  /** Form of a body that `run` reads itself, of any size that it takes. */
  readonly takes?: 'application/octet-stream' | 'multipart/form-data' | undefined;
  /** Form of the answer. Default `application/json`; for another one, `run` gives the whole response. */
  readonly media?: string | undefined;
  /** Status of the answer. Default 200. */
  readonly status?: 200 | 201 | 202 | undefined;
  readonly run: (call: Call) => Promise<unknown>;
}

const NoQuery = z.strictObject({});

/** Types the `run` of a route by its schemas. */
export function route<Query extends z.ZodObject = typeof NoQuery, Body extends z.ZodType = z.ZodUndefined>(
  definition: Omit<Route, 'query' | 'body' | 'run'> & {
    readonly query?: Query;
    readonly body?: Body;
    readonly run: (call: Call<z.output<Query>, z.output<Body>>) => Promise<unknown>;
  },
): Route {
  const { run, ...rest } = definition;
  // The gateway parses query and body by these schemas before it calls.
  return { ...rest, run: (call) => run(call as Call<z.output<Query>, z.output<Body>>) };
}

/** A yes or no in a query. */
export const Flag = z.enum(['true', 'false']).transform((text) => text === 'true');
/** A number in a query. */
export const Count = z
  .string()
  .regex(/^\d{1,9}$/, 'use a whole number')
  .transform(Number);
