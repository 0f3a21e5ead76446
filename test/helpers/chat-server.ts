/** An HTTP server on loopback with the paths of the OpenAI API. What it answers is its user's affair. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readJsonBody, sendJson, WireError } from './chat-wire.ts';

/** One `POST /v1/chat/completions`. */
export interface ChatExchange {
  /** The body as it came: JSON, otherwise unchecked. */
  readonly body: unknown;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export interface ChatServerOptions {
  /** Default: a free one. */
  readonly port?: number | undefined;
  /** What `GET /v1/models` lists. */
  readonly model: string;
  /** Answers one request. A WireError that it throws is sent in OpenAI's error shape. */
  readonly onChat: (exchange: ChatExchange) => Promise<void>;
}

export interface ChatServer {
  /** Ends with `/v1`. */
  readonly baseUrl: string;
  readonly port: number;
  /** Stops listening and drops every connection. */
  close(): Promise<void>;
}

const HOST = '127.0.0.1';

/** @throws the error of `listen`, such as EADDRINUSE */
export async function startChatServer(options: ChatServerOptions): Promise<ChatServer> {
  const server = createServer((request, response) => {
    void handle(request, response, options);
  });
  // An idle client holds its connection for as long as it likes: both ends are on this machine.
  server.keepAliveTimeout = 0;
  const port = await listen(server, options.port ?? 0);
  return {
    baseUrl: `http://${HOST}:${port}/v1`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port); // an object for every server that listens on a port
    });
  });
}

async function handle(request: IncomingMessage, response: ServerResponse, options: ChatServerOptions): Promise<void> {
  const [path] = (request.url ?? '/').split('?');
  try {
    if (request.method === 'GET' && path === '/v1/models') {
      sendJson(response, 200, {
        object: 'list',
        data: [{ id: options.model, object: 'model', created: 0, owned_by: 'durable-copilot' }],
      });
    } else if (request.method === 'POST' && path === '/v1/chat/completions') {
      await options.onChat({ body: await readJsonBody(request), request, response });
    } else {
      throw new WireError(404, `Invalid URL (${request.method} ${path})`, { code: 'unknown_url' });
    }
  } catch (error) {
    if (response.headersSent || response.destroyed) response.destroy();
    else if (error instanceof WireError) sendJson(response, error.status, error.body);
    else sendJson(response, 500, { error: { message: String(error), type: 'server_error', param: null, code: null } });
  }
}
