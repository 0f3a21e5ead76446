/** Images of a request in the form that its server takes them. */
import type { ModelImage, ModelMessage, ModelRequest } from './model.ts';

type Shown = Exclude<ModelMessage, { role: 'assistant' }>;

/** Messages of this request that carry images. */
export function messagesWithImages({ messages }: Pick<ModelRequest, 'messages'>): Shown[] {
  return messages.filter((message) => message.role !== 'assistant').filter(({ images = [] }) => images.length > 0);
}

/** The newest `count` images; each of the others becomes a line. */
export function newestImages(messages: readonly ModelMessage[], count: number): ModelMessage[] {
  let left = count;
  return messages
    .toReversed()
    .map((message) => {
      if (message.role === 'assistant' || !message.images?.length) return message;
      const { images, ...rest } = message;
      const kept = images.slice(Math.max(0, images.length - left));
      left -= kept.length;
      const gone = images.slice(0, images.length - kept.length);
      return { ...rest, text: withLine(rest.text, lineFor(gone)), ...(kept.length === 0 ? {} : { images: kept }) };
    })
    .reverse();
}

function lineFor(gone: readonly ModelImage[]): string {
  if (gone.length === 0) return '';
  const what = gone.length === 1 ? '1 image' : `${gone.length} images`;
  return `[${what} left out, since the model's server does not take ${gone.length === 1 ? 'it' : 'them'}${namesOf(gone)}.]`;
}

function namesOf(images: readonly ModelImage[]): string {
  const names = images.flatMap(({ name }) => name ?? []);
  return names.length === 0 ? '' : `: ${names.join(', ')}`;
}

function withLine(text: string, line: string): string {
  return [text, line].filter((part) => part !== '').join('\n\n');
}

/** Many servers take text only as the result of a tool: the images follow behind the last result of the round. */
export function resultImagesBehind(messages: readonly ModelMessage[]): ModelMessage[] {
  const moved: ModelMessage[] = [];
  let images: ModelImage[] = [];
  const flush = (): void => {
    if (images.length > 0) moved.push({ role: 'user', text: captionOf(images), images });
    images = [];
  };
  for (const message of messages) {
    if (message.role === 'tool') {
      const { images: own = [], ...rest } = message;
      images.push(...own);
      moved.push(rest);
    } else if (message.role === 'user' && images.length > 0) {
      // Two messages of the user in a row are not to every server's taste.
      const all = [...images, ...(message.images ?? [])];
      moved.push({ role: 'user', text: `${captionOf(images)}\n\n${message.text}`, images: all });
      images = [];
    } else {
      flush();
      moved.push(message);
    }
  }
  flush();
  return moved;
}

function captionOf(images: readonly ModelImage[]): string {
  const what = images.length === 1 ? 'The image' : `The ${images.length} images`;
  return `[${what} of the tool results above${namesOf(images)}.]`;
}

/** For servers that want words of the model between the results of tools and a message of the user. */
export function withWordsAfterResults(messages: readonly ModelMessage[]): ModelMessage[] {
  return messages.flatMap((message, index) =>
    message.role === 'user' && messages[index - 1]?.role === 'tool'
      ? [{ role: 'assistant' as const, text: 'I have the results.' }, message]
      : [message],
  );
}
