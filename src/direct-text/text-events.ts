/** A written text as server-sent events, for one follower. */
import { END_EVENT } from '../contracts/direct-text.ts';
import type { Reached, WrittenText } from './written-text.ts';

/** A quick model's tokens are put together, since each event costs every follower of a gateway something. */
const MIN_INTERVAL_MS = 15;
/** A follower takes a connection that is silent for some of these intervals for broken. */
const KEEP_ALIVE_MS = 2_000;
/** How long a follower may take for what is left when the text has ended. */
const LINGER_MS = 5_000;

/**
 * The body of a response. It takes what was written meanwhile only when the follower has taken the part before, so a slow
 * follower gets larger parts and delays nobody.
 * @param leave called once, when the stream has ended or the follower has gone
 */
export function textEvents(written: WrittenText, from: Reached, leave: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let reached = from;
  let isLeft = false;
  let sentAt = 0;
  const end = (): void => {
    if (!isLeft) leave();
    isLeft = true;
  };
  const next = async (): Promise<string | undefined> => {
    const pauseMs = sentAt + MIN_INTERVAL_MS - performance.now();
    if (pauseMs > 0 && !written.hasEnded) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    for (const isSecond of [false, true]) {
      const part = written.behind(reached);
      if (part !== undefined) {
        reached = {
          text: reached.text + (part.text?.text.length ?? 0),
          reasoning: reached.reasoning + (part.reasoning?.text.length ?? 0),
        };
        sentAt = performance.now();
        return `event: text\ndata: ${JSON.stringify(part)}\n\n`;
      }
      if (written.hasEnded) return undefined;
      if (!isSecond) await written.news(KEEP_ALIVE_MS);
    }
    return ':\n\n';
  };
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        // The headers leave with the first bytes.
        controller.enqueue(encoder.encode(':\n\n'));
        void written.ended.then(() => {
          const limit = setTimeout(() => {
            if (isLeft) return;
            end();
            controller.error(new Error('the follower does not read'));
          }, LINGER_MS);
          limit.unref();
        });
      },
      pull: async (controller) => {
        const frame = await next();
        if (isLeft) return;
        if (frame !== undefined) return controller.enqueue(encoder.encode(frame));
        controller.enqueue(encoder.encode(`event: ${END_EVENT}\ndata: {}\n\n`));
        controller.close();
        end();
      },
      cancel: end,
    },
    { highWaterMark: 1 },
  );
}
