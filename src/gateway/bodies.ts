/** Bodies of requests: whose are read, and how much of them. */
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { GatewayError } from './problem.ts';

/** They take a body of anybody, with a key in it. */
const PUBLIC: readonly string[] = ['/v1/login', '/v1/logout'];
const PUBLIC_BODY_BYTES = 64 * 1024;

/**
 * A body is held in memory, so it is read only if the caller is known.
 * @param maxBytes for all but files, which are passed on while they arrive and have a limit of their own
 * @param signIn throws if the caller is not known
 */
export function limitBodies(maxBytes: number, signIn: (context: Context) => Promise<unknown>): MiddlewareHandler {
  const limited = limitedTo(maxBytes);
  const publicLimited = limitedTo(PUBLIC_BODY_BYTES);
  return async (context, next) => {
    const { raw, path } = context.req;
    if (raw.body === null) return await next();
    if (PUBLIC.includes(path)) return await publicLimited(context, next);
    try {
      await signIn(context);
    } catch (error) {
      await discardBody(raw);
      throw error;
    }
    return isUpload(path) ? await next() : await limited(context, next);
  };
}

const isUpload = (path: string): boolean => /^\/v1\/sessions\/[^/]+\/files(?:\/|$)/.test(path);

function limitedTo(maxSize: number): MiddlewareHandler {
  return bodyLimit({
    maxSize,
    onError: async ({ req }) => {
      await discardBody(req.raw);
      throw new GatewayError('TooLarge', `The body is over ${maxSize} bytes; send less.`);
    },
  });
}

/** How much of a body that is refused is read, and for how long. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;
const MAX_DISCARD_MS = 5_000;

/** Reads what a caller still sends: most read no answer before they have sent all, and only see a broken connection. */
async function discardBody({ body }: Request): Promise<void> {
  if (body === null || body.locked) return;
  const reader = body.getReader();
  const timer = setTimeout(() => void reader.cancel(), MAX_DISCARD_MS);
  try {
    for (let bytes = 0; bytes < MAX_DISCARDED_BYTES;) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.byteLength;
    }
  } catch {
    // The caller has left, and needs no answer.
  } finally {
    clearTimeout(timer);
  }
}
