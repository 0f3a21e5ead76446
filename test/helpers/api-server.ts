/** An HTTP server for the tests of model APIs: it records what comes and answers as a function says. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ApiRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  // What the client sends is what the tests look at.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export interface ApiAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, or as it is if it is a text. */
  readonly body?: unknown;
  /** Sent as events; a text as it is, anything else as JSON. With `name`, events have names. */
  readonly events?: readonly unknown[];
  /** Leaves the answer open behind its events, until the client hangs up. */
  readonly hangs?: boolean;
}

export interface ApiServer {
  readonly url: string;
  readonly requests: readonly ApiRequest[];
  close(): Promise<void>;
}

/** For requests that a test does not expect. */
export const NOTHING_SCRIPTED: ApiAnswer = { status: 500, body: { error: { message: 'nothing is scripted' } } };

export async function startApiServer(
  answer: (request: ApiRequest, call: number) => ApiAnswer | Promise<ApiAnswer>,
): Promise<ApiServer> {
  const requests: ApiRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
      const text = Buffer.concat(chunks).toString();
      const recorded = {
        path: pathname,
        query: searchParams,
        headers: request.headers,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      };
      requests.push(recorded);
      void (async () => {
        try {
          write(response, await answer(recorded, requests.length));
        } catch (error) {
          write(response, { status: 500, body: { error: { message: `stand-in: ${String(error)}` } } });
        }
      })();
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on a port
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function write(response: ServerResponse, { status = 200, headers = {}, body, events, hangs }: ApiAnswer): void {
  const type = events ? 'text/event-stream' : 'application/json';
  response.writeHead(status, { 'content-type': type, ...headers });
  if (events && hangs) response.write(events.map(toEvent).join(''));
  else if (events) response.end(events.map(toEvent).join(''));
  else response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

function toEvent(value: unknown): string {
  if (typeof value === 'string') return value;
  const name = typeof value === 'object' && value !== null && 'type' in value ? `event: ${String(value.type)}\n` : '';
  return `${name}data: ${JSON.stringify(value)}\n\n`;
}
