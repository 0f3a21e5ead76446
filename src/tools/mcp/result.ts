/**
 * Turns the result of an MCP tool into text and images for an agent. The call has been made, so whatever came back is
 * passed on, also what the protocol has no form for.
 * https://modelcontextprotocol.io/specification/2025-11-25/server/tools
 */
import { isDeepStrictEqual } from 'node:util';
import { imageTypeOf } from '../../contracts/image.ts';
import { parseJson } from '../../contracts/json.ts';

export interface McpResult {
  /** Text stays as it is, structured content becomes JSON unless a text repeats it, anything else becomes name, type and size. */
  readonly text: string;
  /** The images, as bytes: those that the server calls images, and resources that are some. */
  readonly images: readonly Buffer[];
  readonly isError: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/** @param given the result as the server wrote it, unchecked */
export function readResult(given: unknown): McpResult {
  if (!isFields(given)) return { ...joined([], given), isError: false };
  const { content, structuredContent, isError, _meta: _, ...rest } = given;
  const blocks = blocksIn(content);
  // The first version of the protocol wrapped a result in this.
  const wrapped = 'toolResult' in rest && blocks.length === 0 ? readResult(rest['toolResult']) : undefined;
  if (wrapped) return { ...wrapped, isError: wrapped.isError || isError === true };
  const isAll = blocks.length > 0 || isGiven(structuredContent);
  const structured = isAll || Object.keys(rest).length === 0 ? structuredContent : rest;
  return { ...joined(blocks, structured), isError: isError === true };
}

function joined(blocks: readonly unknown[], structured: unknown): Pick<McpResult, 'text' | 'images'> {
  const parts = blocks.map(blockText);
  if (isGiven(structured) && !parts.some((text) => repeats(text, structured))) {
    parts.push(typeof structured === 'string' ? structured : JSON.stringify(structured, undefined, 2));
  }
  return {
    text: parts.filter((part) => part !== '').join('\n\n') || 'It gave no output.',
    images: blocks.flatMap(blockImage),
  };
}

/** Some servers give one block, or its text, in place of the list. */
function blocksIn(content: unknown): readonly unknown[] {
  if (Array.isArray(content)) return content.filter(isGiven);
  return isGiven(content) ? [content] : [];
}

/** Servers repeat structured content as text: as JSON, or, if it only wraps a text, as that text. */
function repeats(text: string, structured: unknown): boolean {
  const values = isFields(structured) ? Object.values(structured) : [structured];
  return (values.length === 1 && values[0] === text) || isDeepStrictEqual(parseJson(text), structured);
}

function blockText(block: unknown): string {
  if (typeof block === 'string') return block;
  if (!isFields(block)) return JSON.stringify(block);
  const { type, text, data, mimeType, resource, uri } = block;
  if ((type === 'text' || type === undefined) && typeof text === 'string') return text;
  if ((type === 'image' || type === 'audio') && typeof data === 'string') {
    return `[${[type, ...textsIn([mimeType]), `${bytesIn(data).length} bytes`].join(', ')}]`;
  }
  if (type === 'resource_link' && typeof uri === 'string') return linkText(uri, block);
  if (type === 'resource' && isFields(resource)) return resourceText(resource) ?? JSON.stringify(block, undefined, 2);
  return JSON.stringify(block, undefined, 2);
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

function blockImage(block: unknown): Buffer[] {
  if (!isFields(block)) return [];
  const { type, data, resource } = block;
  if (type === 'image' && typeof data === 'string') return [bytesIn(data)];
  if (type !== 'resource' || !isFields(resource) || typeof resource['blob'] !== 'string') return [];
  const bytes = bytesIn(resource['blob']);
  return imageTypeOf(bytes) === undefined ? [] : [bytes];
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
