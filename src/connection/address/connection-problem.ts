/** Finds the setting that keeps a connection from coming about. gRPC itself only says that the time is up. */
import { X509Certificate } from 'node:crypto';
import { connect, isIP } from 'node:net';
import { type ConnectionOptions, connect as connectTls, createSecureContext } from 'node:tls';
import { status } from '@grpc/grpc-js';
import { CopilotError } from '../../contracts/errors.ts';
import { grpcStatus, innermostMessage } from '../grpc-errors.ts';
import type { Setting } from './profile.ts';
import type { ServerAddress } from './server-address.ts';

const PROBE_TIMEOUT_MS = 2_000;
/** With TLS 1.3 the server refuses a client's certificate after the handshake. A server that takes it sends its settings. */
const SETTLE_MS = 500;

type Server = Pick<ServerAddress, 'address' | 'credentials' | 'settings'>;
/** Code of the error that ended a handshake. Undefined if it succeeded. */
type Handshake = { readonly code: string; readonly message: string } | undefined;

/** The server closed the connection after the handshake. */
const REFUSED = 'CLOSED_AFTER_HANDSHAKE';

/** Node's codes for certificates that no known authority has signed. */
const NOT_TRUSTED: readonly string[] = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
];

/** The server refused the call itself: the wrong key, certificate or namespace. Undefined if it did not. */
export function refusedSignIn(server: Server, cause: unknown): CopilotError | undefined {
  const code = grpcStatus(cause);
  if (code !== status.UNAUTHENTICATED && code !== status.PERMISSION_DENIED) return undefined;
  const { apiKey, clientCert } = server.settings;
  const problem = `the server refuses it (${innermostMessage(cause)})`;
  if (apiKey.value !== undefined) return wrong(server, apiKey, problem, `Set the right key in ${apiKey.name}`, cause);
  if (clientCert.value !== undefined) return wrong(server, clientCert, problem, 'Use a certificate that may', cause);
  return wrong(server, apiKey, `it is not set, and ${problem}`, 'Set the key of that server', cause);
}

/**
 * Why there is no connection, if a setting is to blame: the call was refused, or the handshake of TLS fails.
 * @returns undefined if nothing listens there, or if TLS works
 */
export async function findConnectionProblem(server: Server, cause: unknown): Promise<CopilotError | undefined> {
  const refused = refusedSignIn(server, cause) ?? unusableFile(server);
  if (refused !== undefined) return refused;
  const { hostname, port } = new URL(`tcp://${server.address}`);
  const target = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
  if (!(await isListening(target))) return undefined;
  const { tls, apiKey } = server.credentials;
  if (tls === false || tls === null || (tls === undefined && apiKey === undefined))
    return await plainProblem(server, target);
  return tlsProblem(server, await shakeHands({ ...target, ...secureOptions(server, target.host) }));
}

/** @throws CopilotError `InvalidConfig` for an address that is not `host:port` */
export function checkAddress(address: string): void {
  const url = URL.parse(`tcp://${address}`);
  // What else a URL may have, such as a scheme of its own, ends up in these.
  if (url && url.hostname !== '' && `${url.pathname}${url.search}${url.hash}${url.username}` === '') return;
  const details = { name: 'TEMPORAL_ADDRESS', value: address, problem: 'use host:port, such as localhost:7233' };
  throw new CopilotError('InvalidConfig', details);
}

async function plainProblem(server: Server, target: { host: string; port: number }): Promise<CopilotError | undefined> {
  const shaken = await shakeHands({ ...target, rejectUnauthorized: false });
  // An alert is an answer in TLS, too.
  if (shaken !== undefined && !shaken.code.includes('ALERT')) return undefined;
  const { tls } = server.settings;
  return wrong(server, tls, 'it takes connections with TLS only', 'Set TEMPORAL_TLS=true');
}

function tlsProblem(server: Server, shaken: Handshake): CopilotError | undefined {
  if (shaken === undefined) return undefined;
  const { serverCa, serverName, clientCert, tls, apiKey, address } = server.settings;
  const { code, message } = shaken;
  if (NOT_TRUSTED.includes(code)) {
    const problem = `no authority ${serverCa.value === undefined ? 'that this machine knows' : 'in it'} has signed the certificate of the server (${code})`;
    return wrong(server, serverCa, problem, 'Name the certificate of its authority there');
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return wrong(server, address, `the certificate of the server is out of date (${code})`, 'Renew it on the server');
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return wrong(
      server,
      serverName,
      `the certificate of the server is for another name (${message})`,
      'Set the name that it has',
    );
  }
  if (code.includes('ALERT') || code === REFUSED) {
    const problem =
      clientCert.value === undefined ? 'the server asks for a certificate of the client' : 'the server refuses it';
    return wrong(server, clientCert, `${problem} (${code})`, 'Set certificate and key that the server takes');
  }
  // A server that is slow or restarts says nothing about TLS.
  if (!code.startsWith('ERR_SSL')) return undefined;
  const blamed = tls.value === undefined && apiKey.value !== undefined ? apiKey : tls;
  const advice = `Set TEMPORAL_TLS=false${blamed === apiKey ? ', or unset the key, which turns TLS on' : ''}`;
  return wrong(server, blamed, `what listens there does not speak TLS (${code})`, advice);
}

/** A certificate or key that is none, that has expired, or that does not belong to the other. */
function unusableFile(server: Server): CopilotError | undefined {
  const { tls } = server.credentials;
  if (typeof tls !== 'object' || tls === null) return undefined;
  const { serverCa, clientCert, clientKey } = server.settings;
  const ca = tls.serverRootCACertificate;
  const { crt: cert, key } = tls.clientCertPair ?? {};
  if (ca && !isCertificate(ca)) return wrong(server, serverCa, 'it holds no certificate in PEM', 'Name a PEM file');
  if (!cert || !key) return undefined;
  if (!isCertificate(cert)) return wrong(server, clientCert, 'it holds no certificate in PEM', 'Name a PEM file');
  const { validTo } = new X509Certificate(cert);
  if (Date.parse(validTo) < Date.now()) return wrong(server, clientCert, `it expired on ${validTo}`, 'Renew it');
  try {
    createSecureContext({ cert: Buffer.from(cert), key: Buffer.from(key) });
    return undefined;
  } catch {
    const problem = `it holds no key in PEM, or not the one of ${clientCert.name}`;
    return wrong(server, clientKey, problem, 'Name the key of that certificate');
  }
}

function isCertificate(pem: Uint8Array): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

function secureOptions({ credentials: { tls }, settings }: Server, host: string): ConnectionOptions {
  const { serverRootCACertificate: ca, clientCertPair, serverNameOverride } = typeof tls === 'object' && tls ? tls : {};
  const servername = settings.serverName.value ?? serverNameOverride ?? (isIP(host) ? undefined : host);
  return {
    ...(servername ? { servername } : {}),
    ...(ca ? { ca: Buffer.from(ca) } : {}),
    ...(clientCertPair ? { cert: Buffer.from(clientCertPair.crt), key: Buffer.from(clientCertPair.key) } : {}),
  };
}

async function shakeHands(options: ConnectionOptions): Promise<Handshake> {
  return await new Promise((resolve) => {
    const socket = connectTls({ ...options, ALPNProtocols: ['h2'] });
    const end = (shaken: Handshake): void => {
      socket.destroy();
      resolve(shaken);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => end({ code: 'TIMEOUT', message: 'no answer in time' }));
    socket.once('error', (error: NodeJS.ErrnoException) => end({ code: error.code ?? '', message: error.message }));
    socket.once('data', () => end(undefined));
    // Some servers close without an alert.
    let isShaken = false;
    const closed = (): void => end({ code: isShaken ? REFUSED : 'CLOSED', message: 'the connection was closed' });
    socket.once('end', closed).once('close', closed);
    socket.once('secureConnect', () => {
      isShaken = true;
      setTimeout(() => end(undefined), SETTLE_MS);
    });
  });
}

async function isListening(target: { host: string; port: number }): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(target);
    const end = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => end(false));
    socket.once('error', () => end(false));
    socket.once('connect', () => end(true));
  });
}

function wrong(
  { address }: Server,
  { name, value }: Setting,
  problem: string,
  advice: string,
  cause?: unknown,
): CopilotError {
  return new CopilotError('WrongConnection', { name, value, address, problem, advice }, { cause });
}
