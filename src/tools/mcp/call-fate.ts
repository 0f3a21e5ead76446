/** What became of a call that failed. */
import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

/** Why a call failed: `refused` never reached the server; `lost` did, and may have taken effect. */
type Fate = 'refused' | 'lost';

/** Undefined if the server answered, even with an error. @param isOver whether the connection has ended */
export function fateOf(error: unknown, isOver: boolean): Fate | undefined {
  // A restarted server does not know our session. The protocol says 404; its reference servers send 400.
  if (error instanceof StreamableHTTPError) {
    if (error.code !== undefined && ANSWER_LOST.has(error.code)) return 'lost';
    return error.code === 404 || error.code === 400 ? 'refused' : undefined;
  }
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code === 'string') return NOT_REACHED.has(code) ? 'refused' : 'lost';
  return isOver ? 'lost' : undefined;
}

/** A gateway passed the call on, and got no answer that it could pass back. The last two are Cloudflare's. */
const ANSWER_LOST = new Set([502, 504, 520, 524]);
const NOT_REACHED = new Set(['ENOTCONN', 'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
