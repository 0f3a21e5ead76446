/** Server-sent events of a session: https://html.spec.whatwg.org/multipage/server-sent-events.html */
import { MAX_SILENCE_MS } from '../../contracts/attached.ts';
import type { Given } from './session-feed.ts';

/** Proxies cut connections that are silent for a minute or less. */
export const KEEP_ALIVE_MS = 15_000;
/** How long a browser waits before it comes back. */
const RETRY_MS = 1_000;

/**
 * The response with these events. Its `id` lines are cursors: whoever comes back with the last one as `Last-Event-ID`
 * goes on there. The events are asked for as fast as the caller takes them. A caller that takes nothing for five minutes is cut
 * off, and so is one that is no longer signed in.
 * @param leave called when the stream ends or the caller goes away
 * @param isSignedIn whether the caller's key or token still counts; asked every 15 s
 */
export function streamEvents(
  events: AsyncIterator<Given, void, undefined>,
  leave: () => void,
  isSignedIn: () => Promise<boolean>,
): Response {
  const encoder = new TextEncoder();
  let keepAlive: NodeJS.Timeout | undefined;
  let isLeft = false;
  let takenAtMs = Date.now();
  let cursor: string | undefined;
  const end = (): void => {
    isLeft = true;
    clearInterval(keepAlive);
    leave();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        const cutOff = (reason: Error): void => {
          if (isLeft) return;
          end();
          controller.error(reason);
        };
        controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`));
        keepAlive = setInterval(() => {
          // Nothing waits to be taken.
          if ((controller.desiredSize ?? 0) > 0) takenAtMs = Date.now();
          if (Date.now() - takenAtMs < MAX_SILENCE_MS) {
            void isSignedIn().then((isStill) => isStill || cutOff(new Error('the caller is no longer signed in')));
            return controller.enqueue(encoder.encode(':\n\n'));
          }
          cutOff(new Error('the caller takes nothing'));
        }, KEEP_ALIVE_MS).unref();
      },
      pull: async (controller) => {
        // A failure ends the connection: the caller comes back with its cursor and is told then.
        const next = await events.next().catch(() => ({ done: true, value: undefined }) as const);
        if (isLeft) return;
        if (next.done !== true) {
          ({ cursor } = next.value);
          return controller.enqueue(encoder.encode(frame(next.value)));
        }
        controller.enqueue(encoder.encode(goodbye(cursor)));
        end();
        controller.close();
      },
      cancel: end,
    },
    { highWaterMark: 1 },
  );
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' };
  return new Response(body, { headers });
}

/** Tells a caller whose stream ends where to go on. It is no event. */
function goodbye(cursor: string | undefined): string {
  return `: this stream ends here\n${cursor === undefined ? '' : `id: ${cursor}\n`}retry: ${RETRY_MS}\n\n`;
}

/** JSON has no line breaks, so each event has one line of data. */
function frame({ event, data, cursor }: Given): string {
  return event === undefined ? `id: ${cursor}\n\n` : `id: ${cursor}\nevent: ${event.type}\ndata: ${data}\n\n`;
}
