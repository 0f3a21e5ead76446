/**
 * Resources of a server as a tool. Results name them by links, and without it an agent cannot follow any.
 * https://modelcontextprotocol.io/specification/2025-11-25/server/resources
 */
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import type { ModelSchema } from '../../registry.ts';

type Options = Parameters<Client['request']>[2];

export const READ_RESOURCE: ModelSchema = {
  name: 'read_resource',
  description: 'Reads a resource of this server by its URI. Without one, it lists the resources.',
  parameters: { type: 'object', properties: { uri: { type: 'string' } } },
};

/** @returns the result of the tool, in the form of any other */
export async function readResource(client: Client, uri: unknown, options: Options): Promise<unknown> {
  if (typeof uri === 'string' && uri !== '') {
    const { contents } = await client.request({ method: 'resources/read', params: { uri } }, ResultSchema, options);
    const list = Array.isArray(contents) ? (contents as unknown[]) : [contents];
    return { content: list.map((resource) => ({ type: 'resource', resource })) };
  }
  const { resources } = await client.request({ method: 'resources/list', params: {} }, ResultSchema, options);
  const { resourceTemplates } = await client
    .request({ method: 'resources/templates/list', params: {} }, ResultSchema, options)
    .catch((): Readonly<Record<string, unknown>> => ({}));
  return { structuredContent: { resources, ...(Array.isArray(resourceTemplates) ? { resourceTemplates } : {}) } };
}
