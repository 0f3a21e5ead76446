/** Gateways, and callers of them. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { pino } from 'pino';
import type { FollowEvent } from '../../src/client.ts';
import { type Gateway, startGateway } from '../../src/gateway/gateway.ts';
import { KeyStore } from '../../src/gateway/principals/key-file.ts';
import type { Role } from '../../src/gateway/principals/principal.ts';
import { type RunningCli, startCli } from './cli.ts';
import { temporaryFolder } from './server.ts';
import { programEnvironment } from './worker.ts';
import type { World } from './world.ts';

const START_TIMEOUT_MS = 120_000;

export interface TestGateway {
  readonly url: string;
  /** Signs the first browser in that opens it; undefined if there are keys. */
  readonly link: string | undefined;
  readonly cli: RunningCli;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

/** `copilot gateway` at any port, or at this one. */
export async function startGatewayProcess(
  world: Pick<World, 'server'>,
  port = 0,
  changes: Record<string, string> = {},
): Promise<TestGateway> {
  const cli = startCli(['gateway', '--json', '--port', String(port)], programEnvironment(world.server, changes));
  await cli.untilStdout(/"ready"/, START_TIMEOUT_MS);
  const { url, link } = JSON.parse(cli.stdout().split('\n')[0] ?? '') as { url: string; link?: string }; // what the command prints
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    cli.process.kill(signal);
    return (await cli.ended).code;
  };
  return { url, link, cli, kill: async () => void (await end('SIGKILL')), stop: () => end('SIGTERM') };
}

/** A gateway in this process, with an empty page and wide limits. */
export async function startGatewayHere({ server, copilot }: Pick<World, 'server' | 'copilot'>): Promise<Gateway> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'index.html'), '<!doctype html>');
  return await startGateway({
    client: copilot,
    homeDir: server.homeDir,
    host: '127.0.0.1',
    port: 0,
    limits: { streams: 20, requestsPerMinute: 100_000, sessionsAtWork: 20, bodyBytes: 1024 * 1024 },
    preparePage: () => Promise.resolve(folder),
    log: pino({ level: 'silent' }),
  });
}

/** Sends bytes as no well-behaved client would. @returns the first line of the answer */
export async function sendRaw(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).setEncoding('utf8');
  socket.write(bytes);
  const [answer] = (await once(socket, 'data')) as [string]; // with this encoding
  socket.destroy();
  return answer.split('\r\n', 1)[0] ?? '';
}

/** As `copilot keys add` does. @returns the key */
export async function addKey(world: Pick<World, 'server'>, name: string, role: Role = 'user'): Promise<string> {
  return (await new KeyStore(world.server.homeDir).add(name, role)).key;
}

export interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
}

/** A program that calls the gateway with its key. */
export class Caller {
  url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.url = url;
    this.#key = key;
  }

  async call<Body = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<Answer<Body>> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as Body }; // what the route gives
  }

  /** The events of a session, each with its id. Ends when the gateway ends the stream. */
  async *events(
    sessionId: string,
    {
      lastId,
      query = '',
      signal,
    }: { readonly lastId?: string | undefined; readonly query?: string; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<{ readonly id: string; readonly event: FollowEvent }, void, undefined> {
    const response = await fetch(`${this.url}/v1/sessions/${sessionId}/events${query}`, {
      headers: { authorization: `Bearer ${this.#key}`, ...(lastId === undefined ? {} : { 'last-event-id': lastId }) },
      ...(signal ? { signal } : {}),
    });
    if (response.status === 204) return;
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    const body = response.body as unknown as ReadableStream<Uint8Array<ArrayBuffer>>; // of a response with a body
    const parsed = body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    for await (const { id = '', data } of parsed) yield { id, event: JSON.parse(data) as FollowEvent };
  }
}
