/** A Hono app behind `node:http`, on a port or a Unix socket. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';

export interface HttpListener {
  /** Such as `http://127.0.0.1:8234`; undefined on a Unix socket. */
  readonly url: string | undefined;
  /** Stops listening, and cuts off whoever is connected, after `graceMs` if that is given. Any number of calls. */
  readonly close: (graceMs?: number) => Promise<void>;
}

/** @throws the system's error, such as `EADDRINUSE` */
export async function listenHttp(app: Hono, at: ListenOptions): Promise<HttpListener> {
  // The adapter handles errors itself, and its promise never rejects.
  const listener = getRequestListener((request) => {
    // No request of these methods can be made from what came.
    if (UNUSABLE.includes(request.method)) return new Response(null, { status: 405, headers: { allow: USABLE } });
    return app.fetch(ordinary(request));
  }, OWN_CLASSES) as RequestListener;
  const server = createServer(listener);
  await once(server.listen(at), 'listening');
  const address = server.address();
  return {
    url: typeof address === 'object' && address !== null ? urlOf(address) : undefined,
    close: async (graceMs = 0) => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** A service that hosts a worker keeps its own `Request` and `Response`. */
const OWN_CLASSES = { overrideGlobalObjects: false };

/** https://fetch.spec.whatwg.org/#forbidden-method */
const USABLE = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const UNUSABLE = ['CONNECT', 'TRACE', 'TRACK'];

/** The adapter's requests are of a class of its own, which middleware cannot copy. */
function ordinary(request: Request): Request {
  const { url, method, headers, signal } = request;
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return new Request(url, { method, headers, signal, ...(hasBody ? { body: request.body, duplex: 'half' } : {}) });
}

function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
