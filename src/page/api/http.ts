/** Requests to the gateway that served the page. The cookie of the browser goes along. */
import type { Problem } from '../../gateway/problem.ts';

/** The gateway refused, or could not be reached. The message says what to do. */
export class ApiError extends Error {
  /** Name of the error; `Unreachable` if no gateway answered. */
  readonly type: string;
  readonly status: number;

  constructor({ type, status, detail }: Pick<Problem, 'type' | 'status' | 'detail'>) {
    super(detail);
    this.type = type;
    this.status = status;
  }
}

const UNREACHABLE = {
  type: 'Unreachable',
  status: 0,
  detail: 'The gateway does not answer. Nothing is lost: the page goes on as soon as it does.',
};

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Sent {
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is. */
  readonly content?: Blob;
  readonly signal?: AbortSignal;
}

/** @throws ApiError; the signal's reason */
export async function request<Answer>(
  method: string,
  path: string,
  { query, body, content, signal }: Sent = {},
): Promise<Answer> {
  const response = await fetch(path + queryText(query), {
    method,
    ...(content ? { body: content, headers: { 'content-type': 'application/octet-stream' } } : {}),
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    ...(signal ? { signal } : {}),
  }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error instanceof TypeError ? new ApiError(UNREACHABLE) : error;
  });
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok) return answer as Answer; // what the route of this version gives
  const detail = `The gateway answered with status ${response.status}.`;
  throw new ApiError({
    type: 'Internal',
    status: response.status,
    detail,
    ...(answer as Partial<Problem> | undefined),
  });
}

function queryText(query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}
