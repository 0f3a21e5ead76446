/** One server of one team: connected once, its tools listed once, connected again when it has died and is called again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  type CallToolResult,
  CallToolResultSchema,
  ListToolsResultSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { Logger } from 'pino';
import { packageVersion } from '../../package-info.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { McpServer } from '../../contracts/team.ts';
import type { ToolEffects } from '../../contracts/tool.ts';
import type { ModelSchema } from '../registry.ts';
import { type Link, makeLink } from './link.ts';
import type { Environment, ServerName } from './variables.ts';

export interface ConnectionOptions {
  readonly name: ServerName;
  readonly server: McpServer;
  /** Of the worker. */
  readonly environment: Environment;
  readonly log: Logger;
  /** Called when the list of tools has become another one. */
  readonly onTools: () => void;
}

export interface ToolCall {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** `none` is called again where the server died over it. */
  readonly effects: ToolEffects;
  /** Told to the server in `_meta`. */
  readonly idempotencyKey: string;
  /** Ends the wait; the server is told. */
  readonly signal: AbortSignal;
}

/** Why a call came to nothing: it never reached the server, or the server went away over it and may have done it. */
type Fate = 'refused' | 'lost';

interface Live {
  readonly client: Client;
  readonly link: Link;
  isProbed: boolean;
  isOver: boolean;
}

const DEFAULT_START_TIMEOUT_MS = 30_000;
/** Time is kept by signals, of which a call has one for all that it does. The longest that a timer takes. */
const timeout = 2_147_483_647;
const PROBE_TIMEOUT_MS = 3_000;
/** The first time a server is started again at once, after that with pauses that double. */
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 30_000;
/** Pages of the list of tools: a server that always has another one must not keep a team from opening. */
const MAX_PAGES = 50;
/** What OpenAI's API takes. */
const MAX_DESCRIPTION = 1_024;

export class McpConnection {
  readonly #options: ConnectionOptions;
  readonly #closing = new AbortController();
  #tools: readonly ModelSchema[] = [];
  #live: Live | undefined;
  #opening: Promise<Live> | undefined;
  /** Deaths and failed starts since the last answer. */
  #failures = 0;
  #closed: Promise<void> | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Tools by the names that they have at the server, as last listed. */
  get tools(): readonly ModelSchema[] {
    return this.#tools;
  }

  /** Process id of the server, where it is a process and runs. */
  get pid(): number | undefined {
    return this.#live?.link.pid();
  }

  /**
   * Connects and lists the tools.
   * @throws CopilotError `McpNotConfigured` for a variable that is missing; `McpUnavailable` where the server does not
   * start in time, which may be better the next time
   */
  async open(): Promise<void> {
    await this.#ready();
  }

  /**
   * @throws CopilotError `ToolFailed` where the server does not start, refuses the call, or dies over it; the reason of
   * the signal when it aborts
   */
  async call(call: ToolCall): Promise<CallToolResult> {
    for (let attempt = 1; ; attempt++) {
      const live = await this.#reach(call);
      try {
        const result = await this.#send(live, call);
        this.#failures = 0;
        return result;
      } catch (error) {
        call.signal.throwIfAborted();
        const fate = fateOf(error, live);
        if (fate === undefined) throw this.#failed(call.tool, messageOf(error), error);
        await this.#drop(live);
        if (attempt === 1 && (fate === 'refused' || call.effects === 'none')) continue;
        const outcome = 'whether the call took effect is unknown. Find out before you repeat it';
        const problem = fate === 'refused' ? messageOf(error) : `the server went away during the call, and ${outcome}`;
        throw this.#failed(call.tool, problem, error);
      }
    }
  }

  /** Ends the server and everything that it started; calls under way fail. May be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort(new Error('it was closed'));
    await this.#opening?.catch(() => undefined);
    const live = this.#live;
    if (live) await this.#drop(live);
  }

  #send({ client }: Live, { tool, arguments: args, idempotencyKey, signal }: ToolCall): Promise<CallToolResult> {
    const params = { name: tool, arguments: args, _meta: { 'durable-copilot/idempotency-key': idempotencyKey } };
    // Not `callTool`: it refuses the result of a call that was done where the form is not as announced.
    return client.request({ method: 'tools/call', params }, CallToolResultSchema, { signal, timeout });
  }

  /** The connection, for a call: what keeps it from opening is for the agent to know. */
  async #reach({ tool, signal }: ToolCall): Promise<Live> {
    signal.throwIfAborted();
    try {
      return await orAborted(this.#ready(), signal);
    } catch (error) {
      signal.throwIfAborted();
      throw this.#failed(tool, messageOf(error), error);
    }
  }

  /** Concurrent callers share one opening. */
  #ready(): Promise<Live> {
    if (this.#live) return Promise.resolve(this.#live);
    this.#opening ??= this.#open().finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  async #open(): Promise<Live> {
    const { name, log } = this.#options;
    const pauseMs = this.#failures < 2 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 2), MAX_PAUSE_MS);
    if (pauseMs > 0) await sleep(pauseMs, undefined, { signal: this.#closing.signal });
    const startedAt = performance.now();
    try {
      const live = await this.#connect();
      const ms = Math.round(performance.now() - startedAt);
      log.info({ ...name, tools: this.#tools.length, pid: live.link.pid(), ms }, 'MCP server opened');
      return live;
    } catch (error) {
      this.#failures += 1;
      throw error;
    }
  }

  async #connect(): Promise<Live> {
    const { name, server, environment } = this.#options;
    const startTimeoutMs = server.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS;
    const late = AbortSignal.timeout(startTimeoutMs);
    const signal = AbortSignal.any([this.#closing.signal, late]);
    const link = makeLink(server, environment, name);
    const client = new Client({ name: 'durable-copilot', version: packageVersion });
    const live: Live = { client, link, isProbed: false, isOver: false };
    try {
      signal.throwIfAborted();
      this.#listen(live);
      await orAborted(client.connect(link.transport, { signal, timeout }), signal);
      this.#keepTools(await listTools(client, signal));
      if (live.isOver) throw new Error('it ended');
      this.#live = live;
      return live;
    } catch (cause) {
      await link.end();
      const problem = late.aborted ? `it did not start in ${startTimeoutMs} ms` : messageOf(cause);
      const words = link.lastWords();
      throw new CopilotError('McpUnavailable', { ...name, problem: problem + (words && ` (${words})`) }, { cause });
    }
  }

  #listen(live: Live): void {
    const { client } = live;
    Object.assign(client, {
      onclose: () => void this.#drop(live),
      onerror: (error: Error) => {
        this.#options.log.debug({ ...this.#options.name, err: error }, 'MCP server: trouble');
        if ('url' in this.#options.server) void this.#probe(live);
      },
    } satisfies Pick<Client, 'onclose' | 'onerror'>);
    client.setNotificationHandler(ToolListChangedNotificationSchema, async () => {
      // A signal of its own: the SDK listens to it and never stops.
      this.#keepTools(await listTools(client, AbortSignal.any([this.#closing.signal])));
    });
  }

  /** Over HTTP a server that has gone is not noticed by those who wait for its answer. */
  async #probe(live: Live): Promise<void> {
    if (live.isProbed || live !== this.#live) return;
    live.isProbed = true;
    try {
      await live.client.ping({ timeout: PROBE_TIMEOUT_MS });
    } catch {
      await this.#drop(live);
    } finally {
      live.isProbed = false;
    }
  }

  #keepTools(tools: readonly ModelSchema[]): void {
    const isSame = JSON.stringify(tools) === JSON.stringify(this.#tools);
    this.#tools = tools;
    if (!isSame) this.#options.onTools();
  }

  /** Takes leave of a connection: the next call opens another. */
  async #drop(live: Live): Promise<void> {
    if (!live.isOver) {
      live.isOver = true;
      if (this.#live === live) {
        this.#live = undefined;
        this.#failures += 1;
        if (!this.#closing.signal.aborted) {
          this.#options.log.warn({ ...this.#options.name, lastWords: live.link.lastWords() }, 'MCP server has gone');
        }
      }
    }
    await live.link.end();
  }

  #failed(tool: string, problem: string, cause: unknown): CopilotError {
    return new CopilotError('ToolFailed', { tool: `${this.#options.name.server}.${tool}`, problem }, { cause });
  }
}

/** All tools that a call can reach: those that only run as tasks (an experiment of the protocol) are left out. */
async function listTools(client: Client, signal: AbortSignal): Promise<ModelSchema[]> {
  const found: ModelSchema[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const params = cursor === undefined ? {} : { cursor };
    const answer = await client.request({ method: 'tools/list', params }, ListToolsResultSchema, { signal, timeout });
    for (const tool of answer.tools) {
      if (tool.execution?.taskSupport === 'required') continue;
      const { $schema: _, ...parameters } = tool.inputSchema;
      const description = (tool.description ?? tool.title ?? '').slice(0, MAX_DESCRIPTION);
      found.push({ name: tool.name, description, parameters });
    }
    cursor = answer.nextCursor;
    if (cursor === undefined) break;
  }
  return found;
}

/** Undefined where the server answered, if only with an error. */
function fateOf(error: unknown, live: Live): Fate | undefined {
  // A server that was started anew does not know our session: 404 by the protocol, 400 by its reference servers.
  if (error instanceof StreamableHTTPError) return error.code === 404 || error.code === 400 ? 'refused' : undefined;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code === 'string') return NOT_REACHED.has(code) ? 'refused' : 'lost';
  return live.isOver ? 'lost' : undefined;
}

const NOT_REACHED = new Set(['ENOTCONN', 'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/** Rejects with the signal's reason when it aborts; the work goes on for others. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error); // whatever was given to `abort`
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 1_000).replace(/[.\s]+$/, '');
}
