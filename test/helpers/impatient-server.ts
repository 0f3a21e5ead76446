/** An MCP server that takes its question back before anybody can answer, and goes on with the call. */
import { setTimeout as sleep } from 'node:timers/promises';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';

const PATIENCE_MS = 1_000;

const server = new McpServer({ name: 'impatient', version: '1' });
server.registerTool('ask', { description: 'Asks for a name.' }, async () => {
  const requestedSchema = { type: 'object' as const, properties: { name: { type: 'string' as const } } };
  const question = server.server.elicitInput({ message: 'Who are you?', requestedSchema }, { timeout: PATIENCE_MS });
  const said = await question.then(
    ({ action }) => action,
    () => 'nothing',
  );
  await sleep(2 * PATIENCE_MS);
  return { content: [{ type: 'text', text: `The person said: ${said}` }] };
});
await server.connect(new StdioServerTransport());
