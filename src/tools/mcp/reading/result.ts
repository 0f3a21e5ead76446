/**
 * Turns the result of an MCP tool into text and images for an agent. The call has been made, so whatever came back is
 * passed on, also what the protocol has no form for.
 * https://modelcontextprotocol.io/specification/2025-11-25/server/tools
 */
import { isDeepStrictEqual } from 'node:util';
import { imageTypeOf } from '../../../contracts/image.ts';
import { parseExact } from '../../exact-json.ts';

export interface McpResult {
  /** Text stays as it is, structured content becomes JSON unless a text repeats it, anything else becomes name, type and size. */
  readonly text: string;
  /** What a model can look at, as bytes: PNG, JPEG, WebP or GIF, in whatever block. */
  readonly images: readonly Buffer[];
  /** Other bytes: audio, other images, resources. */
  readonly files: readonly GivenFile[];
  readonly isError: boolean;
}

export interface GivenFile {
  /** Letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  readonly bytes: Buffer;
}

const MAX_NAME = 60;

type Fields = Readonly<Record<string, unknown>>;

/** @param given the result as the server wrote it, unchecked */
export function readResult(given: unknown): McpResult {
  if (!isFields(given)) return { ...joined([], given), isError: false };
  const { content, structuredContent, isError, _meta: _, ...rest } = given;
  const blocks = blocksIn(content);
  // The first version of the protocol wrapped a result in this.
  const wrapped = 'toolResult' in rest && blocks.length === 0 ? readResult(rest['toolResult']) : undefined;
  const hasFailed = isError === true || isError === 'true' || isError === 1;
  if (wrapped) return { ...wrapped, isError: wrapped.isError || hasFailed };
  const isAll = blocks.length > 0 || isGiven(structuredContent);
  const structured = isAll || Object.keys(rest).length === 0 ? structuredContent : rest;
  return { ...joined(blocks, structured), isError: hasFailed };
}

function joined(blocks: readonly unknown[], structured: unknown): Omit<McpResult, 'isError'> {
  const parts = blocks.map(blockText);
  if (isGiven(structured) && !parts.some((text) => repeats(text, structured))) {
    parts.push(typeof structured === 'string' ? structured : jsonText(structured));
  }
  const files = blocks.flatMap(blockFile);
  return {
    text: parts.filter((part) => part !== '').join('\n\n') || 'It gave no output.',
    images: files.map(({ bytes }) => bytes).filter((bytes) => imageTypeOf(bytes) !== undefined),
    files: files.filter(({ bytes }) => imageTypeOf(bytes) === undefined),
  };
}

/** Some servers give one block, or its text, in place of the list. */
function blocksIn(content: unknown): readonly unknown[] {
  if (Array.isArray(content)) return content.flat().filter(isGiven);
  return isGiven(content) ? [content] : [];
}

/** Servers repeat structured content as text: as JSON, or, if it only wraps a text, as that text. */
function repeats(text: string, structured: unknown): boolean {
  const values = isFields(structured) ? Object.values(structured) : [structured];
  if (values.length === 1 && values[0] === text) return true;
  try {
    return isDeepStrictEqual(
      parseExact(text, (digits) => digits),
      structured,
    );
  } catch {
    return false; // The text is no JSON, or too deep to be compared.
  }
}

/** Longest JSON, in UTF-16 units, that is written with a line for each value. Deep values would be mostly indentation. */
const MAX_INDENTED = 2_000;

function jsonText(value: unknown): string {
  try {
    const text = JSON.stringify(value);
    return text.length > MAX_INDENTED ? text : JSON.stringify(value, undefined, 2);
  } catch {
    return '[JSON that is nested too deeply to be shown]';
  }
}

function blockText(block: unknown): string {
  if (typeof block === 'string') return block;
  if (!isFields(block)) return jsonText(block);
  const { type, text, data, mimeType, resource, uri } = block;
  if ((type === 'text' || type === undefined) && typeof text === 'string') return text;
  if ((type === 'image' || type === 'audio') && typeof data === 'string') {
    return `[${[type, ...textsIn([mimeType]), `${bytesIn(data).length} bytes`].join(', ')}]`;
  }
  if (type === 'resource_link' && typeof uri === 'string') return linkText(uri, block);
  if (type === 'resource' && isFields(resource)) return resourceText(resource) ?? jsonText(block);
  return jsonText(block);
}

function linkText(uri: string, { name, title, mimeType, size }: Fields): string {
  const facts = [uri, ...textsIn([mimeType]), ...(typeof size === 'number' ? [`${size} bytes`] : [])];
  return `[link to ${textsIn([name, title])[0] ?? uri}: ${facts.join(', ')}]`;
}

function resourceText({ uri, mimeType, text, blob }: Fields): string | undefined {
  const facts = textsIn([uri, mimeType]).join(', ');
  if (typeof text === 'string') return `[resource ${facts}, ${Buffer.byteLength(text)} bytes]\n${text}`;
  return typeof blob === 'string' ? `[resource ${facts}, ${bytesIn(blob).length} bytes]` : undefined;
}

/** The bytes of a block, if it has some. */
function blockFile(block: unknown): GivenFile[] {
  if (!isFields(block)) return [];
  const { type, data, mimeType, resource } = block;
  if ((type === 'image' || type === 'audio') && typeof data === 'string') {
    return [{ name: nameOf(type, mimeType), bytes: bytesIn(data) }];
  }
  if (type !== 'resource' || !isFields(resource) || typeof resource['blob'] !== 'string') return [];
  const [uri = 'resource'] = textsIn([resource['uri']]);
  return [{ name: nameOf(uri, resource['mimeType']), bytes: bytesIn(resource['blob']) }];
}

/** The last part of a path, with an extension by the type if it has none. */
function nameOf(path: string, mimeType: unknown): string {
  const last =
    path
      .split(/[?#]/)[0]
      ?.split('/')
      .findLast((part) => part !== '') ?? 'file';
  const plain = last.replaceAll(/[^\w.-]+/g, '_').slice(-MAX_NAME);
  const [subtype] = /(?<=\/)[\w.-]+/.exec(typeof mimeType === 'string' ? mimeType : '') ?? ['bin'];
  return /\.\w+$/.test(plain) ? plain : `${plain}.${subtype}`;
}

/** Of base64, also in the form of a data URL. */
function bytesIn(base64: string): Buffer {
  return Buffer.from(base64.replace(/^data:[^,]{0,200},/, ''), 'base64');
}

function textsIn(values: readonly unknown[]): string[] {
  return values.filter((value) => typeof value === 'string' && value !== '') as string[];
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
