/**
 * A model in a process of its own that answers at once with 200 bytes. It reads the request without parsing it, so its
 * cost does not grow with the conversation.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const REPLY = 'word '.repeat(40);

const chunk = (part: object) =>
  `data: ${JSON.stringify({ id: 'bench', object: 'chat.completion.chunk', created: 0, model: 'bench', ...part })}\n\n`;

const BODY = [
  chunk({ choices: [{ index: 0, delta: { role: 'assistant', content: REPLY }, finish_reason: null }] }),
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  chunk({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 40, total_tokens: 41 } }),
  'data: [DONE]\n\n',
].join('');

const server = createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(BODY));
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo; // listening on TCP
  console.error(`model ready http://127.0.0.1:${port}/v1`);
});
