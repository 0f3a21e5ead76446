/** A server on all addresses of this machine whose answers a test sets, and `fetch_url` in front of it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NetworkRules } from '../../../src/contracts/tool.ts';
import type { ToolResult } from '../../../src/tools/definition/tool.ts';
import type { FetchParts } from '../../../src/tools/web/fetch-url.ts';
import { fetchUrlWith } from '../../../src/tools/web/fetch-url.ts';
import type { ToolWorld } from './tool-world.ts';
import { createToolWorld, problemOf } from './tool-world.ts';

export const INTRANET: NetworkRules = { allow: [], private: true };
export const PUBLIC: NetworkRules = { allow: [], private: false };

export interface FetchWorld {
  readonly tools: ToolWorld;
  readonly port: number;
  /** On 127.0.0.1. */
  readonly origin: string;
  /** `host path` of each request since the last answer was set. */
  requests: string[];
  answer(listener: RequestListener): void;
  /** Answers with this content and no other headers than given. */
  serve(content: string | Buffer, type: string | undefined, headers?: Record<string, string>): void;
  /** Redirects from path to URL; `arrived` where none is named. */
  redirect(targets: Record<string, string>): void;
  fetch(url: string, network?: NetworkRules, parts?: Partial<FetchParts>, signal?: AbortSignal): Promise<ToolResult>;
  refused(url: string, network?: NetworkRules, parts?: Partial<FetchParts>): Promise<string>;
  close(): Promise<void>;
}

export async function createFetchWorld(): Promise<FetchWorld> {
  const tools = await createToolWorld();
  let listener: RequestListener = (_, response) => response.end('unexpected');
  const server = createServer((request, response) => {
    world.requests.push(`${request.headers.host?.split(':')[0]} ${request.url}`);
    listener(request, response);
  }).listen(0, '0.0.0.0');
  await once(server, 'listening');
  const port = portOf(server.address());
  const world: FetchWorld = {
    tools,
    port,
    origin: `http://127.0.0.1:${port}`,
    requests: [],
    answer: (next) => {
      world.requests = [];
      listener = next;
    },
    serve: (content, type, headers = {}) =>
      world.answer((_, response) => {
        response.writeHead(200, { ...(type === undefined ? {} : { 'content-type': type }), ...headers });
        response.end(content);
      }),
    redirect: (targets) =>
      world.answer((request, response) => {
        const location = targets[request.url ?? ''];
        if (location === undefined) response.writeHead(200, { 'content-type': 'text/plain' }).end('arrived');
        else response.writeHead(302, { location }).end('on the way');
      }),
    fetch: (url, network = INTRANET, parts = {}, signal = tools.context.signal) =>
      fetchUrlWith(parts).run({ url }, { ...tools.context, network, signal }),
    refused: (url, network, parts) => problemOf('fetch_url', world.fetch(url, network, parts)),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await tools.remove();
    },
  };
  return world;
}

/** The text below the facts. */
export function body({ text }: ToolResult): string {
  return text.slice(text.indexOf('\n\n') + 2);
}

/** Of a server that listens on TCP. */
export function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('It does not listen on TCP.');
  return address.port;
}
