/** The MCP servers of one open team: connected when it opens, used by all its sessions, gone when it closes. */
import type { Logger } from 'pino';
import { CopilotError } from '../../contracts/errors.ts';
import { type TeamDefinition, toolFacts } from '../../contracts/team.ts';
import type { ToolContext, ToolResult } from '../../contracts/tool.ts';
import { McpConnection } from './connection.ts';
import { splitName } from './names.ts';
import { resultText } from './result.ts';
import type { Environment } from './variables.ts';
import { nearest } from '../nearest.ts';
import type { ModelSchema } from '../registry.ts';

export interface McpOptions {
  /** Of the worker: `${NAME}` in a declaration is filled from here, and processes get a few harmless ones. */
  readonly environment: Environment;
  readonly log: Logger;
  /** Called when a server lists other tools than before. */
  readonly onTools?: () => void;
}

export type McpCallContext = Pick<ToolContext, 'idempotencyKey' | 'signal'>;

type Declaration = Pick<TeamDefinition, 'name' | 'mcp'>;

/** Text of an error of a tool; beyond it nobody reads on. */
const MAX_ERROR_TEXT = 4_000;

export class McpServers {
  readonly #team: Declaration;
  readonly #connections: ReadonlyMap<string, McpConnection>;
  #closed: Promise<void> | undefined;

  private constructor(team: Declaration, connections: ReadonlyMap<string, McpConnection>) {
    this.#team = team;
    this.#connections = connections;
  }

  /**
   * Opens all of them at the same time, and none where one of them does not open.
   * @throws CopilotError `McpNotConfigured` for a variable that is missing; `McpUnavailable` where a server does not start
   */
  static async open(
    team: Declaration,
    { environment, log, onTools = () => undefined }: McpOptions,
  ): Promise<McpServers> {
    const connections = new Map(
      Object.entries(team.mcp ?? {}).map(([server, declaration]) => {
        const name = { team: team.name, server };
        return [server, new McpConnection({ name, server: declaration, environment, log, onTools })];
      }),
    );
    const servers = new McpServers(team, connections);
    try {
      await Promise.all([...connections.values()].map((connection) => connection.open()));
      return servers;
    } catch (error) {
      await servers.close();
      throw error;
    }
  }

  /** Process ids of the servers that are processes and run, by server. */
  get pids(): Readonly<Record<string, number>> {
    const known = [...this.#connections].flatMap(([server, { pid }]) => (pid === undefined ? [] : [[server, pid]]));
    return Object.fromEntries(known) as Record<string, number>; // pairs of both
  }

  /**
   * What models see of the tools that an entry of an agent's list names, as `server.tool`: none where the server does
   * not list it at the time.
   */
  schemas(entry: string): ModelSchema[] {
    const { server, tool } = splitName(entry) ?? {};
    const listed = this.#connections.get(server ?? '')?.tools ?? [];
    const named = tool === '*' ? listed : listed.filter(({ name }) => name === tool);
    return named.map((schema) => ({ ...schema, name: `${server}.${schema.name}` }));
  }

  /** The listed tool that somebody may have meant, where the server has none of that name. */
  near(name: string): string | undefined {
    const { server, tool = '' } = splitName(name) ?? {};
    const near = nearest(tool, this.#connections.get(server ?? '')?.tools.map((listed) => listed.name) ?? []);
    return near === undefined ? undefined : `${server}.${near}`;
  }

  /**
   * Calls `server.tool` with the arguments as the model wrote them.
   * @throws CopilotError `ToolFailed` where there is no such tool, the arguments are no JSON object, the time is up, the
   * tool reports an error, or the server is not there; the signal's reason when it aborts
   */
  async call(name: string, argumentsText: string, context: McpCallContext): Promise<ToolResult> {
    const { server, tool } = splitName(name) ?? {};
    const connection = this.#connections.get(server ?? '');
    const facts = toolFacts({ tools: {}, ...this.#team }, name);
    if (!connection || !facts || tool === undefined)
      throw failed(name, `team ${this.#team.name} has no such MCP server`);
    const late = AbortSignal.timeout(facts.timeoutMs);
    try {
      const result = await connection.call({
        tool,
        arguments: parseArguments(name, argumentsText),
        effects: facts.effects,
        idempotencyKey: context.idempotencyKey,
        signal: AbortSignal.any([context.signal, late]),
      });
      const text = resultText(result);
      if (result.isError === true) throw failed(name, text.slice(0, MAX_ERROR_TEXT));
      return { text };
    } catch (error) {
      context.signal.throwIfAborted();
      if (!late.aborted) throw error;
      throw failed(name, `it did not answer in ${facts.timeoutMs} ms; whether it took effect is unknown`, error);
    }
  }

  /** Ends all of them, whatever becomes of the others. May be called twice. @throws AggregateError with what failed */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const closings = await Promise.allSettled([...this.#connections.values()].map((connection) => connection.close()));
    const errors = closings.flatMap((closing) => (closing.status === 'rejected' ? [closing.reason as unknown] : []));
    if (errors.length > 0) throw new AggregateError(errors, `MCP servers of team ${this.#team.name} did not close`);
  }
}

/** No text at all counts as `{}`, since models send both. */
function parseArguments(tool: string, text: string): Record<string, unknown> {
  let reason = 'it is not an object';
  try {
    const value: unknown = JSON.parse(text.trim() || '{}');
    // An object that came out of JSON has string keys only.
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  throw failed(tool, `the arguments are not one JSON object (${reason}). Call it again with one.`);
}

function failed(tool: string, problem: string, cause?: unknown): CopilotError {
  return new CopilotError('ToolFailed', { tool, problem }, { cause });
}
