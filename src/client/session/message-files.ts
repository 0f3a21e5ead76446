/** Files of the workspace that a message is about: agents are told of them, and models see the images. */
import { CopilotError } from '../../contracts/errors.ts';
import { type FileOfMessage, imagesField, withFiles } from '../../contracts/image.ts';
import { MAX_IMAGES } from '../../contracts/limits.ts';
import type { QueuedMessage } from '../../contracts/session.ts';
import type { SessionFiles } from './files.ts';

export interface NamedFiles {
  readonly files: SessionFiles;
  /** Relative to the workspace. */
  readonly paths: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * The message with its files.
 * @throws CopilotError `InvalidInput` for more than 100 files, and as `SessionFiles.open`
 */
export async function nameFiles(message: QueuedMessage, { files, paths, signal }: NamedFiles): Promise<QueuedMessage> {
  if (paths.length > MAX_IMAGES) {
    const problem = `it names ${paths.length} files, and a message takes ${MAX_IMAGES}`;
    throw new CopilotError('InvalidInput', { what: 'files', problem });
  }
  const found: FileOfMessage[] = [];
  for (const path of new Set(paths)) found.push(await files.open(path, { signal }));
  const { text, images } = withFiles(message.text, found);
  return { ...message, text, ...imagesField(images) };
}
