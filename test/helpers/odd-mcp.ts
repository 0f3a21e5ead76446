/** MCP servers that answer word for word what a test gives them, over stdio or HTTP. The SDK's server would refuse to. */
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { McpServer } from '../../src/contracts/team.ts';

export interface OddServer {
  /** The list of tools, or its entries. */
  readonly list: unknown;
  /** Results of calls by the tool's name. `{ $message }` replaces the whole message, and in it `$raw` is a number by its digits; `{ $repeat }` is a text so long; over HTTP, `{ $status }` is a page of a gateway. */
  readonly results?: Readonly<Record<string, unknown>>;
  readonly greeting?: unknown;
}

const GREETING = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: {} },
  serverInfo: { name: 'odd', version: '1' },
};

/** Text of a function, because the child process runs it too. */
const ANSWER = `
(odd, greeting, { id, method, params }) => {
  const tools = Array.isArray(odd.list) ? { tools: odd.list } : odd.list;
  const result = { initialize: odd.greeting ?? greeting, 'tools/list': tools, ping: {} }[method]
    ?? (method === 'tools/call' ? odd.results?.[params.name] : undefined);
  if (result?.$message) return JSON.stringify({ ...result.$message, id }).replace(/("\\$raw":)"(\\d+)"/, '$1$2');
  if (result?.$repeat) return '{"result":{"content":[{"type":"text","text":"' + 'x'.repeat(result.$repeat) + '"}]},"jsonrpc":"2.0","id":' + id + '}';
  return JSON.stringify({ jsonrpc: '2.0', id, result });
}`;

/** As a child process. @param file absolute path where its script may be written */
export async function oddProcess(file: string, odd: OddServer): Promise<Extract<McpServer, { command: string }>> {
  await writeFile(
    file,
    // A text, since Node 22 takes no program with brackets that are nested deeply.
    `const answer = ${ANSWER};
    const odd = JSON.parse(${JSON.stringify(JSON.stringify(odd))});
    let rest = '';
    process.stdin.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\\n');
      rest = lines.pop();
      for (const line of lines) {
        const message = JSON.parse(line);
        if (message.id !== undefined) process.stdout.write(answer(odd, ${JSON.stringify(GREETING)}, message) + '\\n');
      }
    });
    process.stdin.on('end', () => process.exit());`,
  );
  return { command: process.execPath, args: [file] };
}

export interface OddHttpServer {
  readonly server: McpServer;
  close(): Promise<void>;
}

/** Over streamable HTTP: each answer as JSON, or as one event of a stream. */
export async function oddHttp(odd: OddServer, form: 'json' | 'events'): Promise<OddHttpServer> {
  // oxlint-disable-next-line no-eval -- the same text as in the child process
  const answer = (0, eval)(ANSWER) as (odd: OddServer, greeting: unknown, message: { id?: number }) => string;
  const http = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      if (request.method !== 'POST') return response.writeHead(405).end();
      const message = JSON.parse(body) as { id?: number; params?: { name?: string } };
      const { $status: status } = Object(odd.results?.[message.params?.name ?? '']) as { $status?: number };
      if (status !== undefined) return response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>Oops</h1>');
      if (message.id === undefined) return response.writeHead(202).end();
      const text = answer(odd, GREETING, message);
      if (form === 'json') return response.writeHead(200, { 'content-type': 'application/json' }).end(text);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      return response.end(`event: message\ndata: ${text}\n\n`);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo; // listening on TCP
  return {
    server: { url: `http://127.0.0.1:${port}/mcp` },
    close: () => new Promise((resolve) => http.close(() => resolve())),
  };
}
