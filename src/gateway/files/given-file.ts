/** Files that callers of other protocols send in the middle of their messages. */
import { posix } from 'node:path';
import { getExtension } from 'hono/utils/mime';
import { CopilotError, type SessionHandle } from '../../client.ts';
import { digestOfBytes } from '../../contracts/digest.ts';
import { IMAGE_EXTENSIONS, imageTypeOf, withFiles } from '../../contracts/image.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

export interface GivenFile {
  /** Undefined if the caller has none for it. */
  readonly name: string | undefined;
  readonly mediaType: string | undefined;
  readonly content: Uint8Array;
}

/** In UTF-16 units: a file system takes 255 bytes. */
const MAX_STEM = 60;
const MAX_EXTENSION = 20;
const DIGEST_LENGTH = 12;

/**
 * A file from a `data:` URL.
 * @param what where the caller has it
 * @throws CopilotError `InvalidInput`, also for an address elsewhere: the gateway fetches nothing for callers
 */
export function readDataUrl(url: string, name: string | undefined, what: string): GivenFile {
  const [head, mediaType, base64] = /^data:([^,;]{0,200})(?:;[^,]{0,200}?)??(;base64)?,/i.exec(url) ?? [];
  if (head === undefined) {
    const problem = 'the gateway fetches nothing from other hosts; send the content itself, as a data: URL';
    throw new CopilotError('InvalidInput', { what, problem });
  }
  const data = url.slice(head.length);
  const type = mediaType === '' ? undefined : mediaType?.toLowerCase();
  if (base64 !== undefined) return readBase64(data, { name, mediaType: type }, what);
  return { name, mediaType: type, content: Buffer.from(unescapeData(data, what)) };
}

/** @throws CopilotError `InvalidInput` */
export function readBase64(data: string, facts: Omit<GivenFile, 'content'>, what: string): GivenFile {
  const text = /[\s%]/.test(data) ? unescapeData(data, what).replaceAll(/\s+/g, '') : data;
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) {
    throw new CopilotError('InvalidInput', { what, problem: 'it is not base64' });
  }
  return { ...facts, content: Buffer.from(text, 'base64') };
}

function unescapeData(data: string, what: string): string {
  try {
    return decodeURIComponent(data);
  } catch (cause) {
    throw new CopilotError('InvalidInput', { what, problem: 'its escapes are not UTF-8' }, { cause });
  }
}

/**
 * Puts the files into the workspace. The same file again has the same name, so a message may be sent twice.
 * @returns their paths
 * @throws CopilotError as `SessionFiles.put`
 */
export async function storeFiles(
  session: SessionHandle,
  files: readonly GivenFile[],
  signal: AbortSignal,
): Promise<string[]> {
  const paths: string[] = [];
  for (const file of files) {
    const put = async (name: string): Promise<string> =>
      (await session.files.put(name, file.content, { replace: false, signal })).path;
    const stored = put(baseName(file) ?? nameByContent(file)).catch(async (error: unknown) => {
      if (!(error instanceof CopilotError) || error.type !== 'FileExists') throw error;
      return await put(nameByContent(file));
    });
    paths.push(await stored);
  }
  return paths;
}

/** The same file under a name that says what is in it: what refers to it is known before it is stored. */
export function nameAfterContent(file: GivenFile): GivenFile {
  return { ...file, name: nameByContent(file) };
}

/** What a session keeps of a message with files that are named after their content. */
export function keptOf(text: string, files: readonly GivenFile[]): ReturnType<typeof withFiles> {
  const kept = files.map(({ name = '', content }) => ({
    path: name,
    bytes: content.length,
    digest: digestOfBytes(content),
    imageType: imageTypeOf(content) ?? null,
  }));
  return withFiles(text, kept);
}

/** The last part of its name, as far as it can be the name of a file. */
function baseName({ name = '' }: GivenFile): string | undefined {
  const base = posix.basename(name.replaceAll('\\', '/').replaceAll(/\p{Cc}/gu, ''));
  const plain = base.toWellFormed().replace(/^\.+/, '').trim();
  const extension = posix.extname(plain).slice(0, MAX_EXTENSION);
  const stem = beginningOf(plain.slice(0, plain.length - posix.extname(plain).length), MAX_STEM);
  return stem === '' ? undefined : stem + extension;
}

/** A name that no other content has, such as `report-1f0c9b2a7d3e.pdf`. */
function nameByContent(file: GivenFile): string {
  const digest = digestOfBytes(file.content).slice(0, DIGEST_LENGTH);
  const imageType = imageTypeOf(file.content);
  const given = baseName(file);
  if (given !== undefined) {
    const extension = posix.extname(given);
    return `${given.slice(0, given.length - extension.length)}-${digest}${extension}`;
  }
  if (imageType !== undefined) return `image-${digest}.${IMAGE_EXTENSIONS[imageType]}`;
  return `file-${digest}.${getExtension(file.mediaType ?? '') ?? 'bin'}`;
}
