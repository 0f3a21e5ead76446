/** Makes the images of a tool's result references to files of the workspace. */
import { CopilotError } from '../contracts/errors.ts';
import { IMAGE_EXTENSIONS, type ImageReference, imageTypeOf, referenceTo } from '../contracts/image.ts';
import { MAX_IMAGE_BYTES, MAX_IMAGES } from '../contracts/limits.ts';
import type { ToolResult } from '../tools/definition/tool.ts';
import { refusal } from '../tools/refusal.ts';
import { readInside, writeInside } from '../tools/workspace/content.ts';
import type { Scope } from '../tools/workspace/paths.ts';
import { digestOfBytes } from '../contracts/digest.ts';

const DIGEST_CHARACTERS = 16;

export interface KeptImages {
  readonly images: readonly ImageReference[];
  /** Files written for them. */
  readonly artifacts: readonly string[];
  /** What the agent is told about them. */
  readonly lines: readonly string[];
}

/** Never throws because of an image: the call has taken effect, and the rest of its result counts. */
export async function keepImages(scope: Scope, given: NonNullable<ToolResult['images']>): Promise<KeptImages> {
  const images: ImageReference[] = [];
  const artifacts: string[] = [];
  const lines: string[] = [];
  for (const image of given.slice(0, MAX_IMAGES)) {
    try {
      const isPath = typeof image === 'string';
      const { path, content } = isPath ? await readImage(scope, image) : await writeImage(scope, image);
      if (!isPath) artifacts.push(path);
      const reference = referenceTo(path, content);
      if (reference) images.push(reference);
      const problem = ` It has ${content.length} bytes, and the limit is ${MAX_IMAGE_BYTES}, so it is not shown.`;
      if (!isPath || !reference) lines.push(`[Image file: ${path}.${reference ? '' : problem}]`);
    } catch (error) {
      if (!(error instanceof CopilotError) || error.type !== 'ToolFailed') throw error;
      lines.push(`[An image is left out: ${String(error.details['problem'])}]`);
    }
  }
  const rest = given.length - MAX_IMAGES;
  if (rest > 0) lines.push(`[${rest} more ${rest === 1 ? 'image is' : 'images are'} left out.]`);
  return { images, artifacts, lines };
}

interface ImageFile {
  readonly path: string;
  readonly content: Uint8Array;
}

async function readImage(scope: Scope, path: string): Promise<ImageFile> {
  const { content } = await readInside(scope, path, MAX_IMAGE_BYTES);
  return { path, content };
}

/** Named by its content: an equal result is seen to be equal, and a later one does not change what was shown. */
async function writeImage(scope: Scope, content: Uint8Array): Promise<ImageFile> {
  const type = imageTypeOf(content);
  if (type === undefined) throw refusal(scope, 'it is not PNG, JPEG, WebP or GIF.');
  const name = digestOfBytes(content).slice(0, DIGEST_CHARACTERS);
  const path = `tool-output/${name}.${IMAGE_EXTENSIONS[type]}`;
  await writeInside(scope, path, Buffer.from(content));
  return { path, content };
}
