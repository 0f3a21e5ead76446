/** Images of people and tools. A conversation has references; whoever asks a model reads the bytes from the workspace. */
import { z } from 'zod';
import { digestOfBytes } from './digest.ts';
import { MAX_IMAGE_BYTES, MAX_IMAGES } from './limits.ts';
import { visible } from './visible-text.ts';

export const ImageType = z.enum(['image/png', 'image/jpeg', 'image/webp', 'image/gif']);
export type ImageType = z.infer<typeof ImageType>;

export const IMAGE_EXTENSIONS: Readonly<Record<ImageType, string>> = Object.freeze({
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/webp': 'webp',
  'image/gif': 'gif',
});

/** A file of the session's workspace as it was when it was attached. */
export const ImageReference = z.strictObject({
  /** Relative to the workspace, with `/` between folders. */
  path: z
    .string()
    .min(1)
    .max(4_096)
    .refine((path) => !/\p{Cc}/u.test(path), { error: 'it contains control characters' }),
  mediaType: ImageType,
  bytes: z.int().min(1).max(MAX_IMAGE_BYTES),
  /** sha-256 of the file's content, in hex. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
});
export type ImageReference = z.infer<typeof ImageReference>;

export const Images = z.array(ImageReference).max(MAX_IMAGES);

/** The type of an image by its first bytes, whatever its name says; undefined for everything else. */
export function imageTypeOf(content: Uint8Array): ImageType | undefined {
  const head = String.fromCharCode(...content.subarray(0, IMAGE_HEAD_BYTES));
  if (head.startsWith('\u0089PNG\r\n\u001a\n')) return 'image/png';
  if (head.startsWith('\u00ff\u00d8\u00ff')) return 'image/jpeg';
  if (/^GIF8[79]a/.test(head)) return 'image/gif';
  return /^RIFF.{4}WEBP/s.test(head) ? 'image/webp' : undefined;
}

/** How many bytes {@link imageTypeOf} looks at. */
export const IMAGE_HEAD_BYTES = 12;

/** The reference to a file; undefined if it is no image that models take, or is too large for one. */
export function referenceTo(path: string, content: Uint8Array): ImageReference | undefined {
  const mediaType = imageTypeOf(content);
  if (mediaType === undefined || content.length > MAX_IMAGE_BYTES) return undefined;
  return { path, mediaType, bytes: content.length, digest: digestOfBytes(content) };
}

/** An image in words, for people and summaries. */
export function imageLine({ path, mediaType, bytes }: ImageReference): string {
  return `[image ${path}, ${mediaType}, ${bytes} bytes]`;
}

/** A file that comes with a message. */
export interface FileOfMessage extends Pick<ImageReference, 'path' | 'bytes' | 'digest'> {
  /** Null if it is no image that models take. */
  readonly imageType: ImageType | null;
}

/** What a message with files says and shows: its images, and a line for each other file, so that agents know of it. */
export function withFiles(
  text: string,
  files: readonly FileOfMessage[],
): { readonly text: string; readonly images: readonly ImageReference[] } {
  const images: ImageReference[] = [];
  const lines: string[] = [];
  const isWordless = text.trim() === '';
  for (const { path, bytes, digest, imageType: mediaType } of files) {
    const isShown = mediaType !== null && bytes <= MAX_IMAGE_BYTES;
    if (isShown) images.push({ path, mediaType, bytes, digest });
    if (!isShown || isWordless) lines.push(`[file ${visible(path)}, ${bytes} bytes]`);
  }
  if (lines.length === 0) return { text, images };
  return { text: [...(isWordless ? [] : [text, '']), ...lines].join('\n'), images };
}

/** The field of a message, if there are images. */
export function imagesField(images: readonly ImageReference[] = []): { images?: ImageReference[] } {
  return images.length === 0 ? {} : { images: [...images] };
}
