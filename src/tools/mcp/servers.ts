/** The MCP servers of one open team. They connect when it opens, serve all its sessions, and end when it closes. */
import type { Logger } from 'pino';
import { CopilotError } from '../../contracts/errors.ts';
import { type TeamDefinition, toolFacts } from '../../contracts/team.ts';
import { CallClock } from './call-clock.ts';
import { McpConnection, type ToolCall } from './connection.ts';
import { parseExact, rawNumber } from '../exact-json.ts';
import { ConnectionPool } from './connection-pool.ts';
import { type AskPerson, requiredPages } from './reading/elicitation.ts';
import { endsWithin } from '../ends-within.ts';
import { parseObject } from '../definition/arguments.ts';
import type { ToolContext } from '../definition/tool.ts';
import { splitName } from './names.ts';
import type { McpResult } from './reading/result.ts';
import type { Environment } from './variables.ts';
import { nearest } from '../nearest.ts';
import { OutcomeUnknown } from '../outcome-unknown.ts';
import type { ModelSchema } from '../registry.ts';

export interface McpOptions {
  /** The worker's environment. It fills `${NAME}` in declarations, and processes get a few harmless variables of it. */
  readonly environment: Environment;
  readonly log: Logger;
  /** Called when the tools that a server lists have changed. */
  readonly onTools?: () => void;
}

/** Something that a team has to do without. Both are parts of a sentence. */
export interface Lack {
  readonly what: string;
  readonly problem: string;
}

export interface McpCallContext extends Pick<ToolContext, 'idempotencyKey' | 'signal'> {
  /** Asks a person for what the server wants to know. The time of the call stands still meanwhile. Default: nobody is there. */
  readonly ask?: AskPerson;
  /** Default: nobody follows. */
  readonly report?: ToolContext['report'];
}

type Declaration = Pick<TeamDefinition, 'name' | 'mcp'>;

/** Longest error text of a tool, in UTF-16 units. */
const MAX_ERROR_TEXT = 4_000;
/** How long a team waits for a server that it can do without. */
const MAX_DELAY_MS = 5_000;

export class McpServers {
  readonly #team: Declaration;
  readonly #pools: ReadonlyMap<string, ConnectionPool>;
  /** Why servers that the team can do without are not open. */
  readonly #missing = new Map<string, string>();
  #closed: Promise<void> | undefined;

  private constructor(team: Declaration, pools: ReadonlyMap<string, ConnectionPool>) {
    this.#team = team;
    this.#pools = pools;
  }

  /**
   * Opens all servers concurrently. If one fails that the team needs, the others are closed again; one that it does not
   * need is opened when it starts.
   * @throws CopilotError `McpNotConfigured` if a variable is missing; `McpUnavailable` if a server does not start
   */
  static async open(
    team: Declaration,
    { environment, log, onTools = () => undefined }: McpOptions,
  ): Promise<McpServers> {
    const pools = new Map(
      Object.entries(team.mcp ?? {}).map(([server, declaration]) => {
        const name = { team: team.name, server };
        const options = { name, server: declaration, environment, log, onTools };
        return [server, new ConnectionPool(() => new McpConnection(options))];
      }),
    );
    const servers = new McpServers(team, pools);
    try {
      const opening = [...pools].map(async ([server, { first: connection }]) => {
        if (team.mcp?.[server]?.required !== false) return await connection.open();
        const problem = await problemOf(connection.open());
        if (problem !== undefined) servers.#openLater(server, connection, problem, { log, onTools });
      });
      await Promise.all(opening);
      return servers;
    } catch (error) {
      await servers.close();
      throw error;
    }
  }

  #openLater(
    server: string,
    connection: McpConnection,
    problem: string,
    { log, onTools }: Required<Pick<McpOptions, 'log' | 'onTools'>>,
  ): void {
    this.#missing.set(server, problem);
    log.warn({ team: this.#team.name, server, problem }, 'MCP server not available; the team works without it');
    void connection.keepOpening().then(() => {
      this.#missing.delete(server);
      onTools();
    });
  }

  /** What an agent with this list of tools has to do without, and why. */
  lacks(entries: readonly string[]): Lack[] {
    const named = entries.map(splitName).filter((entry) => entry !== undefined);
    const missing = [...this.#missing].filter(([name]) => named.some(({ server }) => server === name));
    const leftOut = [...this.#pools].flatMap(([name, { first }]) =>
      first.leftOut
        .filter((out) => named.some(({ server, tool }) => server === name && (tool === '*' || tool === out.tool)))
        .map(({ tool, problem }) => ({ what: `Tool ${name}.${tool} is left out`, problem })),
    );
    return [
      ...missing.map(([name, problem]) => ({ what: `MCP server "${name}" is not available`, problem })),
      ...leftOut,
    ];
  }

  /** Process ids of the running servers that are processes, by server. */
  get pids(): Readonly<Record<string, number>> {
    const known = [...this.#pools].flatMap(([server, { first }]) =>
      first.pid === undefined ? [] : [[server, first.pid]],
    );
    return Object.fromEntries(known) as Record<string, number>; // `known` holds pairs of a name and an id
  }

  /**
   * Schemas of the tools that an entry of an agent's list names, each called `server.tool`. Empty while the server does
   * not list them.
   */
  schemas(entry: string): ModelSchema[] {
    const { server, tool } = splitName(entry) ?? {};
    const listed = this.#pools.get(server ?? '')?.first.tools ?? [];
    const named = tool === '*' ? listed : listed.filter(({ name }) => name === tool);
    return named.map((schema) => ({ ...schema, name: `${server}.${schema.name}` }));
  }

  /** The listed tool with the most similar name. */
  near(name: string): string | undefined {
    const { server, tool = '' } = splitName(name) ?? {};
    const near = nearest(tool, this.#pools.get(server ?? '')?.first.tools.map((listed) => listed.name) ?? []);
    return near === undefined ? undefined : `${server}.${near}`;
  }

  /**
   * Calls `server.tool` with the arguments as the model wrote them.
   * @throws CopilotError `ToolFailed` if there is no such tool, the arguments are not a JSON object, the call times out,
   * the tool reports an error, or the server is unavailable; the signal's reason if it aborts
   */
  async call(name: string, argumentsText: string, context: McpCallContext): Promise<Omit<McpResult, 'isError'>> {
    const { server, tool } = splitName(name) ?? {};
    const pool = this.#pools.get(server ?? '');
    const facts = toolFacts({ tools: {}, ...this.#team }, name);
    if (!pool || !facts || tool === undefined) throw failed(name, `team ${this.#team.name} has no such MCP server`);
    const { ask = cancel, report = () => undefined } = context;
    const clock = new CallClock(facts.timeoutMs);
    const signal = AbortSignal.any([context.signal, clock.signal]);
    const call = {
      tool,
      arguments: parseObject(name, argumentsText, undefined, (text) => parseExact(text, rawNumber)),
      effects: facts.effects,
      idempotencyKey: context.idempotencyKey,
      signal,
      ask: (...asked: Parameters<AskPerson>) => clock.pauseFor(() => ask(...asked)),
      report,
    };
    try {
      const { isError, ...result } = await callOnceAsked(name, pool, call);
      if (isError) throw failed(name, result.text.slice(0, MAX_ERROR_TEXT));
      return result;
    } catch (error) {
      context.signal.throwIfAborted();
      if (!clock.signal.aborted) throw error;
      const problem = `it did not answer in ${facts.timeoutMs} ms`;
      throw facts.effects === 'external' ? new OutcomeUnknown(name, problem, error) : failed(name, problem, error);
    } finally {
      clock.stop();
    }
  }

  /** Closes every server, even if another one fails to close. May be called twice. @throws AggregateError with the failures */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const closings = await Promise.allSettled([...this.#pools.values()].map((pool) => pool.close()));
    const errors = closings.flatMap((closing) => (closing.status === 'rejected' ? [closing.reason as unknown] : []));
    if (errors.length > 0) throw new AggregateError(errors, `MCP servers of team ${this.#team.name} did not close`);
  }
}

/**
 * A server may refuse a call until a person has been to a page. It has not made the call then, so the call is made again
 * when the person says that they have.
 */
async function callOnceAsked(name: string, pool: ConnectionPool, call: ToolCall): Promise<McpResult> {
  const make = (): Promise<McpResult> => pool.use(call.signal, (connection) => connection.call(call));
  try {
    return await make();
  } catch (error) {
    const pages = requiredPages(error instanceof Error ? error.cause : undefined, name);
    if (pages.length === 0) throw error;
    for (const page of pages) {
      const { action } = await call.ask(page, call.signal);
      if (action !== 'accept') throw failed(name, `it needs a page opened, and the answer was: ${action}`, error);
    }
    return await make();
  }
}

/** Why a server that the team can do without is not open now; undefined if it is. */
async function problemOf(opening: Promise<void>): Promise<string | undefined> {
  const outcome = opening.then(
    () => undefined,
    (error: unknown) => (error instanceof CopilotError ? String(error.details['problem']) : String(error)),
  );
  const isSettled = await endsWithin(outcome, MAX_DELAY_MS);
  return isSettled ? await outcome : `it did not start in ${MAX_DELAY_MS} ms, and may still do`;
}

const cancel: AskPerson = () => Promise.resolve({ action: 'cancel' });

function failed(tool: string, problem: string, cause?: unknown): CopilotError {
  return new CopilotError('ToolFailed', { tool, problem }, { cause });
}
