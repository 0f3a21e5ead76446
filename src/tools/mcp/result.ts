/** Turns the result of an MCP tool into text and images for an agent. https://modelcontextprotocol.io/specification/2025-11-25/server/tools */
import { isDeepStrictEqual } from 'node:util';
import type { CallToolResult, ContentBlock } from '@modelcontextprotocol/sdk/types.js';
import { imageTypeOf } from '../../contracts/image.ts';
import { parseJson } from '../../contracts/json.ts';

/** Text stays as it is, structured content becomes JSON unless a text repeats it, anything else becomes name, type and size. */
export function resultText({ content, structuredContent }: CallToolResult): string {
  const parts = content.map(blockText);
  const isRepeated = content.some((block) => block.type === 'text' && repeats(block.text, structuredContent));
  if (structuredContent !== undefined && !isRepeated) parts.push(JSON.stringify(structuredContent, undefined, 2));
  return parts.join('\n\n') || 'It gave no output.';
}

/** The images, as bytes: those that the server calls images, and resources that are some. */
export function resultImages({ content }: CallToolResult): Buffer[] {
  return content.flatMap((block) => {
    if (block.type === 'image') return [Buffer.from(block.data, 'base64')];
    if (block.type !== 'resource' || !('blob' in block.resource)) return [];
    const bytes = Buffer.from(block.resource.blob, 'base64');
    return imageTypeOf(bytes) === undefined ? [] : [bytes];
  });
}

/** Servers repeat structured content as text: as JSON, or, if it only wraps a text, as that text. */
function repeats(text: string, structured: CallToolResult['structuredContent']): boolean {
  const values = Object.values(structured ?? {});
  return (values.length === 1 && values[0] === text) || isDeepStrictEqual(parseJson(text), structured);
}

function blockText(block: ContentBlock): string {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'image':
    case 'audio':
      return `[${block.type}, ${block.mimeType}, ${bytesOf(block.data)} bytes]`;
    case 'resource_link': {
      const facts = [block.uri, block.mimeType, block.size === undefined ? undefined : `${block.size} bytes`];
      return `[link to ${block.name}: ${facts.filter((fact) => fact !== undefined).join(', ')}]`;
    }
    case 'resource': {
      const { resource } = block;
      const type = resource.mimeType === undefined ? '' : `, ${resource.mimeType}`;
      return 'text' in resource
        ? `[resource ${resource.uri}${type}, ${Buffer.byteLength(resource.text)} bytes]\n${resource.text}`
        : `[resource ${resource.uri}${type}, ${bytesOf(resource.blob)} bytes]`;
    }
  }
}

function bytesOf(base64: string): number {
  return Buffer.byteLength(base64, 'base64');
}
