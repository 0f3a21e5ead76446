/** A stream of a response, from behind the event of a number. */
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';

/** Leaves out what came up to that number. Of a text that was given in part, the rest comes. */
export async function* after(
  number: number,
  events: AsyncIterable<ResponseStreamEvent>,
): AsyncGenerator<ResponseStreamEvent, void, undefined> {
  for await (const event of events) {
    if (event.sequence_number <= number) continue;
    // The number of a part of a text is that of its last unit.
    const isText = event.type === 'response.output_text.delta';
    const missing = event.sequence_number - number;
    if (isText && missing < event.delta.length) yield { ...event, delta: event.delta.slice(-missing) };
    else yield event;
  }
}
