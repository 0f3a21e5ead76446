/**
 * An initialised team: templates are compiled, tool schemas made, connections to the model and to MCP servers open. It
 * holds no state of any session.
 */
import type { Logger } from 'pino';
import { CopilotError } from '../contracts/errors.ts';
import type { Json } from '../contracts/json.ts';
import type { AgentDefinition, AgentOverride, ResolvedTeam, TeamDefinition } from '../contracts/team.ts';
import type { ModelRequest, ToolSchema } from '../models/model.ts';
import type { Models } from '../models/providers.ts';
import type { Lack } from '../tools/mcp/servers.ts';
import type { Tools } from '../tools/registry.ts';
import { type TeamTrust, trustNobody } from '../tools/mcp/trust.ts';
import { nearest } from '../tools/nearest.ts';
import { openOutput, type OutputForm } from './files/output-form.ts';
import { TeamTools } from './team-tools.ts';
import { compileTemplate, type Template, TemplateError } from './files/template.ts';

/** An agent that is ready for calls. It is stateless, so any number of sessions can use it concurrently. */
export interface Agent {
  /** Includes the changes of an override. */
  readonly definition: AgentDefinition;
  /** The model that it asks, and those that it falls back to, in order. */
  readonly modelNames: readonly string[];
  /** What every request to the model has. */
  readonly settings: Pick<ModelRequest, 'temperature' | 'effort' | 'maxOutputTokens'>;
  /** Form of its answers, if it has one. */
  readonly output?: OutputForm;
  /** Schemas of its tools in the order of its definition. MCP tools appear as their servers list them at the time. */
  readonly toolSchemas: readonly ToolSchema[];
  /**
   * Fills the context into the instructions. A missing key gives nothing.
   * @throws CopilotError `InvalidInput` if the text becomes too long
   */
  readonly system: (context: Readonly<Record<string, Json>>) => string;
}

/** An agent of a leased team, ready for one call. */
export interface OpenAgent {
  readonly agent: Agent;
  readonly team: Team;
  /** The agent's own instructions with the context filled in. */
  readonly instructions: string;
  /** Absolute path of the folder of the session's files. */
  readonly workspace: string;
}

export interface TeamOptions {
  /** Id of this instance, unique across workers. */
  readonly instanceId: string;
  /** The worker's tools. */
  readonly tools: Tools;
  /** Gives the models that the agents name. The team closes what it gets. */
  readonly openModels: () => Models;
  /** Replaces the model of the team and of every agent. Default: their own. */
  readonly modelName?: string;
  /** Throws if this worker must not open the team's MCP servers. Default: it opens none. */
  readonly checkTrust?: TeamTrust['check'];
  /** The worker's environment, which fills declarations of MCP servers. Default: empty. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly log: Logger;
}

/**
 * Opens a team.
 * @throws CopilotError `ToolMissing` if this worker lacks a tool of the team; `McpNotTrusted`, `McpNotConfigured` and
 * `McpUnavailable` for its MCP servers
 */
export async function openTeam(resolved: ResolvedTeam, options: TeamOptions): Promise<Team> {
  const { definition, digest } = resolved;
  const tools = new TeamTools(definition, options.tools);
  const agents = new Map<string, Agent>();
  for (const agent of Object.values(definition.agents)) {
    agents.set(agent.id, makeAgent(agent, definition, tools.schemas(agent.id), options.modelName));
  }
  const { checkTrust = trustNobody, environment = {}, log } = options;
  await checkTrust(definition);
  // Servers open last, so that nothing stays open if something above fails.
  await tools.open({ environment, log });
  const models = await openModels(options, tools);
  return new Team({ id: options.instanceId, digest, definition, agents, tools, models });
}

async function openModels(options: TeamOptions, tools: TeamTools): Promise<Models> {
  try {
    return options.openModels();
  } catch (error) {
    await tools.close();
    throw error;
  }
}

/** Owns the connections to the model and to MCP servers from {@link openTeam} until `close`. */
export class Team {
  /** Id of this instance. */
  readonly id: string;
  readonly digest: string;
  readonly definition: TeamDefinition;
  readonly models: Models;
  readonly #agents: ReadonlyMap<string, Agent>;
  readonly #tools: TeamTools;
  #closed: Promise<void> | undefined;

  constructor(
    parts: Pick<Team, 'id' | 'digest' | 'definition' | 'models'> & {
      readonly agents: ReadonlyMap<string, Agent>;
      readonly tools: TeamTools;
    },
  ) {
    this.id = parts.id;
    this.digest = parts.digest;
    this.definition = parts.definition;
    this.models = parts.models;
    this.#agents = parts.agents;
    this.#tools = parts.tools;
  }

  /**
   * The shared agent, or with an override a new one, which is neither kept nor shared.
   * @throws CopilotError `InvalidInput` if the team has no such agent, or the override is not a valid template
   */
  agent(id: string, override?: AgentOverride): Agent {
    const shared = this.#agents.get(id);
    if (!shared) {
      const known = [...this.#agents.keys()];
      const near = nearest(id, known);
      const hint = near === undefined ? `it has ${known.join(', ')}` : `did you mean "${near}"?`;
      throw new CopilotError('InvalidInput', {
        what: `Agent "${id}"`,
        problem: `team ${this.definition.name} has no such agent; ${hint}`,
      });
    }
    if (!override) return shared;

    const template = override.instructions === undefined ? undefined : compile(override.instructions, id);
    const instructions = override.instructions ?? shared.definition.instructions;
    const variables = template ? [...template.variables] : shared.definition.variables;
    const definition = { ...shared.definition, ...override, instructions, variables };
    return {
      definition,
      modelNames: override.model === undefined ? shared.modelNames : listOf(override.model),
      settings: settingsOf(definition),
      ...(shared.output === undefined ? {} : { output: shared.output }),
      toolSchemas: shared.toolSchemas,
      system: template ? (context) => render(template, context, id) : shared.system,
    };
  }

  /** What an agent has to do without now: MCP servers that are not there, and tools that cannot be used. */
  lacks(agent: string): readonly Lack[] {
    return this.#tools.lacks(agent);
  }

  /** The schema of the tool `server.tool`, or undefined if its server lists no such tool. */
  mcpSchema(name: string): ToolSchema | undefined {
    return this.#tools.mcpSchema(name);
  }

  /** Calls the tool `server.tool` of an MCP server. @throws as {@link McpServers.call} */
  callMcp(...args: Parameters<TeamTools['callMcp']>): ReturnType<TeamTools['callMcp']> {
    return this.#tools.callMcp(...args);
  }

  /**
   * Closes every connection, even if another one fails to close. Calls in progress fail. May be called twice.
   * @throws AggregateError with the failures
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const closings = await Promise.allSettled([this.models.close(), this.#tools.close()]);
    const errors = closings.flatMap((closing) => (closing.status === 'rejected' ? [closing.reason as unknown] : []));
    if (errors.length > 0)
      throw new AggregateError(errors, `team ${this.id} did not close: ${errors.map(String).join('; ')}`);
  }
}

function makeAgent(
  definition: AgentDefinition,
  team: TeamDefinition,
  toolSchemas: readonly ToolSchema[],
  modelName: string | undefined,
): Agent {
  const template = compile(definition.instructions, definition.id);
  return {
    definition,
    modelNames: listOf(modelName ?? definition.model ?? team.model),
    settings: settingsOf(definition),
    ...(definition.output === undefined ? {} : { output: openForm(definition.output, definition.id) }),
    toolSchemas,
    system: (context) => render(template, context, definition.id),
  };
}

function listOf(models: string | readonly string[]): readonly string[] {
  return typeof models === 'string' ? [models] : models;
}

function settingsOf({ temperature, effort, limits }: AgentDefinition): Agent['settings'] {
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(effort === undefined ? {} : { effort }),
    ...(limits.outputTokens === undefined ? {} : { maxOutputTokens: limits.outputTokens }),
  };
}

function openForm(schema: Readonly<Record<string, unknown>>, agent: string): OutputForm {
  try {
    return openOutput(schema);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CopilotError('InvalidInput', { what: `The output of agent "${agent}"`, problem: error.message });
  }
}

function compile(instructions: string, agent: string): Template {
  return asInvalidInput(agent, () => compileTemplate(instructions));
}

function render(template: Template, context: Readonly<Record<string, Json>>, agent: string): string {
  return asInvalidInput(agent, () => template.render(context));
}

function asInvalidInput<T>(agent: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw new CopilotError('InvalidInput', {
      what: `The template of agent "${agent}"`,
      problem: `line ${error.line}: ${error.message}`,
    });
  }
}
