/** Fills the images of a conversation in from the workspace. What cannot be shown any more is said in a line. */
import { type ImageReference, referenceTo } from '../contracts/image.ts';
import { MAX_IMAGE_BYTES, MAX_REQUEST_IMAGE_BYTES } from '../contracts/limits.ts';
import { imagesOf, type Message } from '../contracts/transcript.ts';
import type { ModelImage, ModelMessage } from '../models/model.ts';
import { readInside } from '../tools/workspace/content.ts';

type Shown = ModelImage | { readonly problem: string };

/**
 * The messages as a model gets them. The newest images come first if there are more than one request may carry.
 * @param workspace absolute path of the folder that the references mean
 */
export async function withImages(messages: readonly Message[], workspace: string): Promise<ModelMessage[]> {
  const shown: ModelMessage[] = [];
  let left = MAX_REQUEST_IMAGE_BYTES;
  for (const message of messages.toReversed()) {
    if (message.role === 'assistant' || imagesOf(message).length === 0) {
      shown.push(message as ModelMessage); // without references the two forms are one
      continue;
    }
    const read: Shown[] = [];
    for (const reference of imagesOf(message)) {
      left -= reference.bytes;
      read.push(
        left < 0
          ? { problem: 'the newer images are all that one request can carry' }
          : await readImage(reference, workspace),
      );
    }
    shown.push(withRead(message, read));
  }
  return shown.toReversed();
}

function withRead(message: Exclude<Message, { role: 'assistant' }>, read: readonly Shown[]): ModelMessage {
  const images = read.filter((image) => 'base64' in image);
  const lines = imagesOf(message).flatMap(({ path }, index) => {
    const image = read[index];
    return image && 'problem' in image ? [`[Image ${path} is not shown: ${image.problem}.]`] : [];
  });
  const { images: _, text, ...rest } = message;
  return { ...rest, text: [text, ...lines].join('\n'), ...(images.length === 0 ? {} : { images }) };
}

/** Never throws: a turn goes on without an image. */
async function readImage(reference: ImageReference, workspace: string): Promise<Shown> {
  const { path, digest } = reference;
  try {
    const { content } = await readInside({ workspace, tool: 'image' }, path, MAX_IMAGE_BYTES);
    const found = referenceTo(path, content);
    if (found?.digest !== digest) return { problem: 'its file has changed since' };
    return { name: path, mediaType: found.mediaType, base64: content.toString('base64') };
  } catch {
    return { problem: 'its file cannot be read any more' };
  }
}
