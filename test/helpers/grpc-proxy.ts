/** Stands between a client and a server: counts the requests of each kind, and loses answers on demand. */
import { once } from 'node:events';
import { connect, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

export interface GrpcProxy {
  readonly address: string;
  /** Names of the methods called so far, oldest first. */
  readonly calls: readonly string[];
  /** Lets the next call of this method reach the server and loses what comes back. @param code of RFC 9113; default 2 */
  loseAnswerOf(method: string, code?: number): void;
  close(): Promise<void>;
}

/** @param target `host:port` of a server without TLS */
export async function startGrpcProxy(target: string): Promise<GrpcProxy> {
  const upstream = connect(`http://${target}`);
  const calls: string[] = [];
  const toLose: { readonly method: string; readonly code: number }[] = [];
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => void sessions.add(session));
  server.on('stream', (stream, headers) => {
    const method = String(headers[':path']).split('/').at(-1) ?? '';
    calls.push(method);
    const at = toLose.findIndex((lost) => lost.method === method);
    const [lost] = at < 0 ? [] : toLose.splice(at, 1);
    forward(stream, headers, lost?.code);
  });
  const forward = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, lostWith?: number): void => {
    const request = upstream.request({ ...headers, ':authority': target });
    let trailers: IncomingHttpHeaders = {};
    stream.pipe(request);
    stream.once('close', () => request.close());
    stream.on('error', () => undefined);
    request.on('error', () => stream.destroy());
    request.on('trailers', (received) => (trailers = received));
    request.once('response', (response, flags) => {
      const isWhole = (flags & END_STREAM) !== 0;
      if (lostWith !== undefined) return stream.close(lostWith);
      if (stream.destroyed) return;
      stream.respond(response, isWhole ? { endStream: true } : { waitForTrailers: true });
      if (isWhole) return;
      stream.once('wantTrailers', () => stream.sendTrailers(trailers));
      request.pipe(stream);
    });
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on a port
    calls,
    loseAnswerOf: (method, code = INTERNAL_ERROR) => void toLose.push({ method, code }),
    close: async () => {
      for (const session of sessions) session.destroy();
      upstream.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** RFC 9113: flag of the last frame of a stream, and error codes of streams that broke or were given up. */
const END_STREAM = 1;
const INTERNAL_ERROR = 2;
export const CANCEL = 8;
