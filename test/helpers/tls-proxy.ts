/** A server that speaks TLS: certificates made with openssl, and a proxy in front of a plain server. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { type AddressInfo, connect, type Server } from 'node:net';
import { join } from 'node:path';
import { createServer, type TlsOptions } from 'node:tls';

export interface TlsServer {
  /** `localhost:port` */
  readonly address: string;
  close(): Promise<void>;
}

/** A folder of certificates; names are those of the files without `.pem`. Each has its `.key`. */
export class Certificates {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  pem = (name: string): string => join(this.folder, `${name}.pem`);
  key = (name: string): string => join(this.folder, `${name}.key`);

  authority(name: string): void {
    this.#openssl('req', '-x509', ...this.#fresh(name), '-subj', `/CN=${name}`, '-days', '30', '-out', this.pem(name));
  }

  /** A certificate for a host, signed by an authority. Negative days: it has expired. */
  issue(name: string, { by = 'ca', host = 'localhost', days = 30 } = {}): void {
    const [request, extensions] = [join(this.folder, `${name}.csr`), join(this.folder, `${name}.ext`)];
    writeFileSync(extensions, `subjectAltName=DNS:${host}`);
    this.#openssl('req', ...this.#fresh(name), '-subj', `/CN=${host}`, '-out', request);
    const signing = ['-CA', this.pem(by), '-CAkey', this.key(by), '-CAcreateserial', '-extfile', extensions];
    this.#openssl('x509', '-req', '-in', request, ...signing, '-days', String(days), '-out', this.pem(name));
  }

  options(name: string): TlsOptions {
    return { cert: readFileSync(this.pem(name)), key: readFileSync(this.key(name)), ALPNProtocols: ['h2'] };
  }

  #fresh(name: string): string[] {
    return ['-newkey', 'rsa:2048', '-nodes', '-keyout', this.key(name)];
  }

  #openssl(...parameters: string[]): void {
    execFileSync('openssl', parameters, { stdio: 'ignore' });
  }
}

/** @param target `host:port` of a plain server */
export async function startTlsProxy(target: string, options: TlsOptions): Promise<TlsServer> {
  const [host = '', port] = target.split(':');
  const server = createServer(options, (client) => {
    const upstream = connect(Number(port), host);
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
    client.pipe(upstream).pipe(client);
  });
  server.on('tlsClientError', () => undefined);
  return await listening(server);
}

/** Answers every call with this gRPC status. */
export async function startRefusingServer(options: TlsOptions, code: number, message: string): Promise<TlsServer> {
  const server = createSecureServer(options);
  server.on('stream', (stream) => {
    const trailers = { 'grpc-status': String(code), 'grpc-message': message };
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true });
  });
  return await listening(server);
}

async function listening(server: Server): Promise<TlsServer> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    address: `localhost:${(server.address() as AddressInfo).port}`, // it listens on a port
    close: async () => void server.close(),
  };
}
