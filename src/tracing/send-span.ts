/** The span in which a client sends a message. The turn of the message hangs below it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Traceparent } from '../contracts/trace.ts';
import type { QueuedMessage } from '../contracts/session.ts';
import { senderTraceId, type SpanParent, type Traces } from './traces.ts';

const callers = new AsyncLocalStorage<SpanParent>();

/** Runs `work` as a part of the caller's trace. @param header a `traceparent`, which is ignored if it is not one */
export function underCaller<T>(header: string | undefined, work: () => T): T {
  const [, traceId, spanId, flags] = Traceparent.safeParse(header).data?.split('-') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return work();
  return callers.run({ traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }, work);
}

/** Sends a message with the span that it is sent in. */
export async function traceSending<T>(
  traces: Traces | undefined,
  sessionId: string,
  message: QueuedMessage,
  send: (message: QueuedMessage) => Promise<T>,
): Promise<T> {
  if (!traces) return await send(message);
  const parent = callers.getStore() ?? traces.callersSpan ?? { traceId: senderTraceId(sessionId, message.messageId) };
  const attributes = { 'gen_ai.conversation.id': sessionId, 'temporal.workflow.id': sessionId };
  const span = traces.begin({ name: 'send', isClient: true, parent, attributes });
  try {
    return await send({ ...message, trace: span.traceparent });
  } catch (error) {
    span.fail(error instanceof Error && 'type' in error ? String(error.type) : '_OTHER');
    throw error;
  } finally {
    span.end();
  }
}
