/** Makes the images of a tool's result references to files of the workspace. */
import { IMAGE_EXTENSIONS, type ImageReference, imageTypeOf, referenceTo } from '../contracts/image.ts';
import { MAX_IMAGE_BYTES, MAX_IMAGES } from '../contracts/limits.ts';
import type { ToolResult } from '../contracts/tool.ts';
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

/** @throws CopilotError `ToolFailed` if a path that the tool names cannot be read */
export async function keepImages(scope: Scope, given: NonNullable<ToolResult['images']>): Promise<KeptImages> {
  const images: ImageReference[] = [];
  const artifacts: string[] = [];
  const lines: string[] = [];
  for (const image of given.slice(0, MAX_IMAGES)) {
    const isPath = typeof image === 'string';
    const content = isPath ? (await readInside(scope, image, MAX_IMAGE_BYTES)).content : image;
    const type = imageTypeOf(content);
    if (type === undefined) {
      lines.push('[An image is left out: it is not PNG, JPEG, WebP or GIF.]');
      continue;
    }
    // Named by its content: an equal result is seen to be equal, and a later one does not change what was shown.
    const path = isPath
      ? image
      : `tool-output/${digestOfBytes(content).slice(0, DIGEST_CHARACTERS)}.${IMAGE_EXTENSIONS[type]}`;
    if (!isPath) {
      await writeInside(scope, path, Buffer.from(content));
      artifacts.push(path);
    }
    const reference = referenceTo(path, content);
    if (reference) images.push(reference);
    const problem = ` It has ${content.length} bytes, and the limit is ${MAX_IMAGE_BYTES}, so it is not shown.`;
    if (!isPath || !reference) lines.push(`[Image file: ${path}.${reference ? '' : problem}]`);
  }
  if (given.length > MAX_IMAGES) lines.push(`[${given.length - MAX_IMAGES} more images are left out.]`);
  return { images, artifacts, lines };
}
