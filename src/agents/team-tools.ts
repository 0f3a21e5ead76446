/** The tools of an open team: their schemas for each agent, and the MCP servers behind some of them. */
import type { Logger } from 'pino';
import { CopilotError } from '../contracts/errors.ts';
import type { TeamDefinition } from '../contracts/team.ts';
import type { ToolSchema } from '../models/model.ts';
import type { Lack, McpServers } from '../tools/mcp/servers.ts';
import { splitName } from '../tools/mcp/names.ts';
import { modelSchema, type Tools } from '../tools/registry.ts';

export interface ToolOptions {
  /** The worker's environment, see {@link McpServers.open}. */
  readonly environment: Readonly<Record<string, string>>;
  readonly log: Logger;
}

export class TeamTools {
  readonly #definition: TeamDefinition;
  /** Those that need no MCP server. */
  readonly #here: ReadonlyMap<string, ToolSchema>;
  /** By agent. Arrays change in place, because private agents share the array of the agent that they override. */
  readonly #schemas: ReadonlyMap<string, ToolSchema[]>;
  #mcp: McpServers | undefined;

  /** Opens nothing yet. @throws CopilotError `ToolMissing` if this worker lacks a tool of the team */
  constructor(definition: TeamDefinition, tools: Tools) {
    const agents = Object.values(definition.agents);
    const named = [...Object.keys(definition.tools), ...agents.flatMap(({ tools }) => tools)];
    const here = new Set(named.filter((name) => !splitName(name)));
    this.#definition = definition;
    this.#here = new Map([...here].map((name) => [name, schemaOf(name, tools)]));
    this.#schemas = new Map(agents.map(({ id }) => [id, []]));
  }

  /** Opens the MCP servers. If it throws, none is open. @throws as {@link McpServers.open} */
  async open({ environment, log }: ToolOptions): Promise<void> {
    const agents = Object.values(this.#definition.agents);
    if (this.#definition.mcp === undefined && !agents.some(({ tools }) => tools.some(splitName))) {
      this.#fill();
      return;
    }
    // Only then, since most teams have none, and the package for MCP takes a tenth of the time in which a worker starts.
    const { McpServers: servers } = await import('../tools/mcp/servers.ts');
    const mcp = await servers.open(this.#definition, { environment, log, onTools: () => this.#fill() });
    this.#mcp = mcp;
    this.#fill();
    for (const { id, tools } of agents) {
      for (const tool of tools.filter((name) => splitName(name) && mcp.schemas(name).length === 0)) {
        // The server may list it later, and the agent can work without it.
        log.warn(
          { team: this.#definition.name, agent: id, tool, near: mcp.near(tool) },
          'MCP server lists no such tool',
        );
      }
    }
  }

  /** Schemas of an agent's tools in the order of its list. It is the same array at every call. */
  schemas(agent: string): readonly ToolSchema[] {
    return this.#schemas.get(agent) ?? [];
  }

  /** What an agent has to do without of its tools now. */
  lacks(agent: string): readonly Lack[] {
    return this.#mcp?.lacks(this.#definition.agents[agent]?.tools ?? []) ?? [];
  }

  /** The schema of a tool as its MCP server lists it now. */
  mcpSchema(name: string): ToolSchema | undefined {
    return this.#mcp?.schemas(name)[0];
  }

  /** @throws as {@link McpServers.call}; an `Error` before `open` */
  callMcp(...args: Parameters<McpServers['call']>): ReturnType<McpServers['call']> {
    if (!this.#mcp) throw new Error('the MCP servers are not open');
    return this.#mcp.call(...args);
  }

  /** @throws AggregateError, see {@link McpServers.close} */
  async close(): Promise<void> {
    await this.#mcp?.close();
  }

  #fill(): void {
    for (const { id, tools } of Object.values(this.#definition.agents)) {
      const found = tools.flatMap((name) => this.#here.get(name) ?? this.#mcp?.schemas(name) ?? []);
      // `server.*` and `server.tool` name it twice, which model APIs reject.
      const unique = new Map(found.map((schema) => [schema.name, schema]));
      this.#schemas.get(id)?.splice(0, Infinity, ...unique.values());
    }
  }
}

function schemaOf(name: string, tools: Tools): ToolSchema {
  const tool = tools.get(name);
  if (tool) return modelSchema(tool);
  throw new CopilotError('ToolMissing', { tool: name });
}
