/** The link to one server, by child process or streamable HTTP, with everything it holds open. */
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { McpServer } from '../../../contracts/team.ts';
import { openTransport } from '../../../models/transport.ts';
import { endsWithin } from '../../ends-within.ts';
import { ChildTransport } from './child-transport.ts';
import { mendingFetch } from './mending-fetch.ts';
import { type Environment, processEnvironment, requestHeaders, type ServerName } from '../variables.ts';

export interface Link {
  readonly transport: Transport;
  /** What the server last wrote about an error; may be empty. */
  readonly lastWords: () => string;
  /** Process id, if the server is a process. */
  readonly pid: () => number | undefined;
  /** Resolves when processes and sockets are closed. May be called twice, and before the start. */
  readonly end: () => Promise<void>;
}

/** How long a server may take to end our session. */
const FAREWELL_MS = 1_000;
const NO_TIMEOUT = 0;
const MAX_LAST_WORDS = 300;

/** Makes the link without starting anything. @throws CopilotError `McpNotConfigured`, see {@link processEnvironment} */
export function makeLink(server: McpServer, environment: Environment, name: ServerName): Link {
  return 'url' in server
    ? httpLink(server.url, requestHeaders(server.headers ?? {}, environment, name))
    : childLink(server, processEnvironment(server.env ?? {}, environment, name));
}

function childLink(
  { command, args = [] }: { command: string; args?: string[] | undefined },
  environment: Record<string, string>,
): Link {
  const transport = new ChildTransport({ command, args, environment });
  return {
    transport,
    lastWords: () => lastWords(transport.stderr),
    pid: () => transport.pid,
    end: () => transport.close(),
  };
}

/** The line of stderr that most likely names the error. After a crash it is rarely the last one. */
function lastWords(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const telling = lines.find((line) => /^\S*(?:error|exception)\b/i.test(line.trim())) ?? lines.at(-1) ?? '';
  return telling.trim().slice(0, MAX_LAST_WORDS);
}

function httpLink(url: string, headers: Record<string, string>): Link {
  // No keep-alive: a call on a connection that has just died would be sent again, and must not be.
  const sockets = openTransport({ firstByteMs: NO_TIMEOUT, betweenBytesMs: NO_TIMEOUT, keepAlive: false });
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    fetch: mendingFetch(sockets.fetch),
    requestInit: { headers },
  });
  const end = async (): Promise<void> => {
    await endsWithin(
      transport.terminateSession().catch(() => undefined),
      FAREWELL_MS,
    );
    await transport.close();
    sockets.close();
  };
  let ending: Promise<void> | undefined;
  return {
    transport,
    lastWords: () => '',
    pid: () => undefined,
    end: () => (ending ??= end()),
  };
}
