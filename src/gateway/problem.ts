/** What a caller is told when a request fails: RFC 9457 problem details. */
import { CopilotError, type ErrorType } from '../contracts/errors.ts';

/** Errors of the gateway itself. */
const OWN_STATUS = {
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  PreconditionFailed: 412,
  TooLarge: 413,
  TooManyFollowers: 429,
  TooManyRequests: 429,
  TooManyAtWork: 429,
  Stopping: 503,
} as const;

/** The request is refused before it reaches a session. */
export class GatewayError extends Error {
  readonly type: keyof typeof OWN_STATUS;
  readonly headers: Readonly<Record<string, string>>;

  /** @param retryAfterS seconds after which the same request may succeed. @param allow methods that the path takes */
  constructor(
    type: keyof typeof OWN_STATUS,
    message: string,
    { retryAfterS, allow }: { readonly retryAfterS?: number; readonly allow?: readonly string[] } = {},
  ) {
    super(message);
    this.type = type;
    this.headers = {
      ...(retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) }),
      ...(allow === undefined ? {} : { allow: allow.join(', ') }),
    };
  }
}

const STATUS: Partial<Record<ErrorType, number>> = {
  InvalidInput: 400,
  InvalidConfig: 500,
  PackageMissing: 500,
  ReservedKey: 400,
  UnknownMode: 400,
  InvalidTeam: 400,
  TeamNotFound: 404,
  SessionNotFound: 404,
  SnapshotNotFound: 404,
  FileNotFound: 404,
  RequestNotFound: 404,
  WebhookNotFound: 404,
  SessionExists: 409,
  FileExists: 409,
  SessionClosed: 409,
  WrongState: 409,
  VersionConflict: 409,
  ProtectedKey: 409,
  AlreadyDecided: 409,
  DigestMismatch: 409,
  NotShownWhole: 409,
  RequestExpired: 409,
  FileTooLarge: 413,
  QueueFull: 429,
  TooManyWaiting: 429,
  NoWorker: 503,
  ServerUnreachable: 503,
  HomeServerDown: 503,
  SessionStuck: 503,
  StoreUnavailable: 503,
  ArchiveUnavailable: 503,
  FilesUnavailable: 503,
};
const OTHERWISE = 500;

/** The body of an answer with `application/problem+json`. */
export interface Problem {
  /** Name of the error: one of the client library's, or one of the gateway's own. */
  readonly type: string;
  readonly status: number;
  /** What is wrong, and what to do. */
  readonly detail: string;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** What the error is about, such as `sessionId`. */
  readonly details?: CopilotError['details'];
}

/** @returns undefined for errors that nobody expects; their text stays in the log */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof GatewayError) {
    const { type, message } = error;
    const status = OWN_STATUS[type];
    return { type, status, detail: message, retryable: status === 429 || status === 503 };
  }
  if (!(error instanceof CopilotError)) return undefined;
  const { type, message, retryable, details } = error;
  return { type, status: STATUS[type] ?? OTHERWISE, detail: message, retryable, details };
}

/** For callers of sessions that are full for a moment. */
const BUSY_RETRY_S = 1;

/** Headers that belong to an error. */
export function problemHeaders(error: unknown, status: number): Readonly<Record<string, string>> {
  const own = error instanceof GatewayError ? error.headers : {};
  return {
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    ...(status === 429 ? { 'retry-after': String(BUSY_RETRY_S) } : {}),
    ...own,
  };
}
