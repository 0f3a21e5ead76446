/** The connection to one server of one team. If the server has died, the next call reconnects. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CancelledNotificationSchema,
  McpError,
  type Progress,
  type RequestId,
  ResultSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { Logger } from 'pino';
import { packageVersion } from '../../package-info.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { fateOf } from './call-fate.ts';
import { OutcomeUnknown } from '../outcome-unknown.ts';
import type { ToolProgress } from '../../contracts/progress.ts';
import type { McpServer } from '../../contracts/team.ts';
import type { ToolEffects } from '../../contracts/tool.ts';
import type { ModelSchema } from '../registry.ts';
import { READ_RESOURCE, readResource } from './reading/resources.ts';
import { type McpResult, readResult } from './reading/result.ts';
import { type LeftOut, readTools, type ToolList } from './reading/tool-list.ts';
import { type Link, makeLink } from './transport/link.ts';
import { type AskPerson, type FormAnswer, readElicitation } from './reading/elicitation.ts';
import type { Environment, ServerName } from './variables.ts';

export interface ConnectionOptions {
  readonly name: ServerName;
  readonly server: McpServer;
  /** The worker's environment. */
  readonly environment: Environment;
  readonly log: Logger;
  /** Called when the list of tools has changed. */
  readonly onTools: () => void;
}

export interface ToolCall {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** If the server dies during a call, only a call with the effects `none` is retried. */
  readonly effects: ToolEffects;
  /** Sent to the server in `_meta`. */
  readonly idempotencyKey: string;
  /** Cancels the call; the server is notified. */
  readonly signal: AbortSignal;
  /** Asks a person for what the server wants to know. */
  readonly ask: AskPerson;
  /** Gets what the server says of the progress of the call. */
  readonly report: (progress: ToolProgress) => void;
}

interface Live {
  readonly client: Client;
  readonly link: Link;
  isProbed: boolean;
  isOver: boolean;
  /** Whether the server may still be at a call that was given up, and so may ask for it. */
  isDoubtful: boolean;
}

const CLIENT = { name: 'durable-copilot', version: packageVersion };
const DEFAULT_START_TIMEOUT_MS = 30_000;
/** The SDK's own timeout is the longest possible, because our signals limit the time of a whole call. */
const timeout = 2_147_483_647;
const PROBE_TIMEOUT_MS = 3_000;
/** A server is restarted at once the first time, and then with exponential backoff. */
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 30_000;
/** How many pages of the list of tools are read, so that a server with endless pages cannot block a team. */
const MAX_PAGES = 50;

/** https://www.jsonrpc.org/specification#error_object */
const [INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS] = [-32_600, -32_601, -32_602];

export class McpConnection {
  readonly #options: ConnectionOptions;
  readonly #closing = new AbortController();
  #list: ToolList = { tools: [], leftOut: [] };
  #live: Live | undefined;
  #opening: Promise<Live> | undefined;
  /** Crashes and failed starts since the last successful call. */
  #failures = 0;
  /** Calls in flight. */
  readonly #calls = new Set<ToolCall>();
  #asks = false;
  #closed: Promise<void> | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Tools as last listed, with the server's own names. */
  get tools(): readonly ModelSchema[] {
    return this.#list.tools;
  }

  /** Tools that it lists and that cannot be used. */
  get leftOut(): readonly LeftOut[] {
    return this.#list.leftOut;
  }

  /** Whether the server has ever asked a person. Then it gets one call at a time. */
  get asks(): boolean {
    return this.#asks;
  }

  /** Process id of the server if it is a running process. */
  get pid(): number | undefined {
    return this.#live?.link.pid();
  }

  /**
   * Connects and lists the tools.
   * @throws CopilotError `McpNotConfigured` if a variable is missing; `McpUnavailable`, which is retryable, if the server
   * does not start in time
   */
  async open(): Promise<void> {
    await this.#ready();
  }

  /** Tries to connect, with growing pauses, until it succeeds or the connection is closed. */
  async keepOpening(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        return await this.open();
      } catch {
        // The next attempt waits longer.
      }
    }
  }

  /**
   * @throws CopilotError `ToolFailed` if the server does not start, rejects the call, or dies during it; the signal's
   * reason if it aborts
   */
  async call(call: ToolCall): Promise<McpResult> {
    for (let attempt = 1; ; attempt++) {
      const live = await this.#reach(call);
      this.#calls.add(call);
      try {
        const result = await this.#send(live, call);
        this.#failures = 0;
        return result;
      } catch (error) {
        live.isDoubtful ||= call.signal.aborted;
        call.signal.throwIfAborted();
        const fate = fateOf(error, live.isOver);
        if (fate === undefined) throw this.#failed(call.tool, messageOf(error), error);
        await this.#drop(live);
        if (attempt === 1 && (fate === 'refused' || call.effects === 'none')) continue;
        if (fate === 'refused') throw this.#failed(call.tool, messageOf(error), error);
        const tool = `${this.#options.name.server}.${call.tool}`;
        const isGateway = error instanceof StreamableHTTPError;
        const problem = isGateway
          ? `the gateway of its MCP server answered ${error.code}`
          : 'its MCP server died during the call';
        throw new OutcomeUnknown(tool, problem, error);
      } finally {
        this.#calls.delete(call);
      }
    }
  }

  /** Ends the server and everything it started. Calls in progress fail. May be called twice. */
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

  async #send({ client }: Live, call: ToolCall): Promise<McpResult> {
    const { tool, arguments: args, idempotencyKey, signal } = call;
    const params = { name: tool, arguments: args, _meta: { 'durable-copilot/idempotency-key': idempotencyKey } };
    // `callTool`, and the schema of its result, would throw away what a call returned in another form.
    const onprogress = ({ progress: done, total, message: text = '' }: Progress): void =>
      call.report({ text, done, ...(total === undefined ? {} : { total }) });
    const options = { signal, timeout, onprogress };
    const isOurs = this.tools.some((known) => known === READ_RESOURCE && known.name === tool);
    if (isOurs) return readResult(await readResource(client, args['uri'], options));
    return readResult(await client.request({ method: 'tools/call', params }, ResultSchema, options));
  }

  /** The connection for a call. If it does not open, the agent is told why. */
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
    const live = this.#live;
    if (live && !(this.#asks && live.isDoubtful)) return Promise.resolve(live);
    if (live) return this.#drop(live).then(() => this.#ready());
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
      log.info({ ...name, tools: this.tools.length, pid: live.link.pid(), ms }, 'MCP server opened');
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
    const client = new Client(CLIENT, { capabilities: { elicitation: { form: {}, url: {} } } });
    const live: Live = { client, link, isProbed: false, isOver: false, isDoubtful: false };
    try {
      signal.throwIfAborted();
      this.#listen(live);
      await orAborted(client.connect(link.transport, { signal, timeout }), signal);
      this.#keepTools(withResources(client, await listTools(client, signal)));
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
        this.#options.log.debug({ ...this.#options.name, err: error }, 'MCP server reported an error');
        if ('url' in this.#options.server) void this.#probe(live);
      },
    } satisfies Pick<Client, 'onclose' | 'onerror'>);
    const questions = new Map<RequestId, AbortController>();
    // The SDK's own handler refuses forms of another form.
    client.fallbackRequestHandler = async ({ method, params }, { requestId, signal }) => {
      if (method !== 'elicitation/create') throw new McpError(METHOD_NOT_FOUND, `${method} is not supported`);
      const takenBack = new AbortController();
      questions.set(requestId, takenBack);
      try {
        return { ...(await this.#ask(live, params, AbortSignal.any([signal, takenBack.signal]))) };
      } finally {
        questions.delete(requestId);
      }
    };
    // The SDK's own handler ignores that a server takes back its first question, whose id is 0.
    client.setNotificationHandler(CancelledNotificationSchema, ({ params: { requestId } }) => {
      if (requestId !== undefined) questions.get(requestId)?.abort();
    });
    client.setNotificationHandler(ToolListChangedNotificationSchema, async () => {
      // A new signal each time, because the SDK never removes its listener.
      this.#keepTools(withResources(client, await listTools(client, AbortSignal.any([this.#closing.signal]))));
    });
  }

  async #ask(live: Live, params: unknown, signal: AbortSignal): Promise<FormAnswer> {
    this.#asks = true;
    const [call, other] = this.#calls;
    if (!call) throw new McpError(INVALID_REQUEST, 'no call runs about which a person could be asked');
    if (other || live.isDoubtful) {
      throw new McpError(INVALID_REQUEST, 'the client cannot tell which call asks. Call the tool again');
    }
    const asked = readElicitation(params, `${this.#options.name.server}.${call.tool}`);
    if ('problem' in asked) throw new McpError(INVALID_PARAMS, asked.problem);
    return await call.ask(asked, AbortSignal.any([signal, call.signal]));
  }

  /** Over HTTP, callers that wait for a response do not notice that the server has died. A ping does. */
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

  #keepTools(list: ToolList): void {
    const isSame = JSON.stringify(list) === JSON.stringify(this.#list);
    this.#list = list;
    if (isSame) return;
    for (const { tool, problem } of list.leftOut) {
      this.#options.log.warn({ ...this.#options.name, tool, problem }, 'MCP tool left out');
    }
    this.#options.onTools();
  }

  /** Gives up a connection. The next call opens a new one. */
  async #drop(live: Live): Promise<void> {
    if (!live.isOver) {
      live.isOver = true;
      if (this.#live === live) {
        this.#live = undefined;
        this.#failures += 1;
        if (!this.#closing.signal.aborted) {
          this.#options.log.warn({ ...this.#options.name, lastWords: live.link.lastWords() }, 'MCP server died');
        }
      }
    }
    await live.link.end();
  }

  #failed(tool: string, problem: string, cause: unknown): CopilotError {
    return new CopilotError('ToolFailed', { tool: `${this.#options.name.server}.${tool}`, problem }, { cause });
  }
}

/** All pages of the list. A server that has no tools need not have the list, and what came before a bad page counts. */
async function listTools(client: Client, signal: AbortSignal): Promise<ToolList> {
  const listed: unknown[] = [];
  const seen = new Set<unknown>([null, '']);
  let lost: LeftOut[] = [];
  for (let cursor: unknown; seen.size < MAX_PAGES && !seen.has(cursor);) {
    seen.add(cursor);
    const params = cursor === undefined ? {} : { cursor };
    const request = client.request({ method: 'tools/list', params }, ResultSchema, { signal, timeout });
    const { tools, nextCursor } = await request.catch((error: unknown): Readonly<Record<string, unknown>> => {
      if (listed.length === 0 || !(error instanceof McpError)) return noneIfUnknown(error);
      lost = [{ tool: 'further pages of its list', problem: messageOf(error) }];
      return {};
    });
    if (Array.isArray(tools)) listed.push(...(tools as unknown[]));
    cursor = nextCursor;
  }
  const { tools, leftOut } = readTools(listed);
  return { tools, leftOut: [...leftOut, ...lost] };
}

/** A tool of the server's own by that name comes first. */
function withResources(client: Client, list: ToolList): ToolList {
  const isNamed = [...list.tools, ...list.leftOut.map(({ tool }) => ({ name: tool }))].some(
    ({ name }) => name === READ_RESOURCE.name,
  );
  const has = client.getServerCapabilities()?.resources !== undefined;
  return has && !isNamed ? { ...list, tools: [...list.tools, READ_RESOURCE] } : list;
}

function noneIfUnknown(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof McpError && error.code === METHOD_NOT_FOUND) return {};
  throw error;
}

/** Rejects with the signal's reason when it aborts. The work continues for other callers. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error); // `abort` takes any value; ours are errors
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
