/**
 * A model in a process of its own that answers at once with 200 bytes, streamed if the request asks for that. It does not
 * parse the request, so its cost hardly grows with the conversation.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const REPLY = 'word '.repeat(40);
const USAGE = { prompt_tokens: 1, completion_tokens: 40, total_tokens: 41 };

const chunk = (part: object) =>
  `data: ${JSON.stringify({ id: 'bench', object: 'chat.completion.chunk', created: 0, model: 'bench', ...part })}\n\n`;

const STREAM = [
  chunk({ choices: [{ index: 0, delta: { role: 'assistant', content: REPLY }, finish_reason: null }] }),
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  chunk({ choices: [], usage: USAGE }),
  'data: [DONE]\n\n',
].join('');

const WHOLE = JSON.stringify({
  id: 'bench',
  object: 'chat.completion',
  created: 0,
  model: 'bench',
  choices: [{ index: 0, message: { role: 'assistant', content: REPLY }, finish_reason: 'stop' }],
  usage: USAGE,
});

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const isStream = Buffer.concat(parts).includes('"stream":true');
    response.writeHead(200, { 'content-type': isStream ? 'text/event-stream' : 'application/json' });
    response.end(isStream ? STREAM : WHOLE);
  });
});
// A client that was busy for some seconds must not write to a connection that this server has closed meanwhile.
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo; // listening on TCP
  console.error(`model ready http://127.0.0.1:${port}/v1`);
});
