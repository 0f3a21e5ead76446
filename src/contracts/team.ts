/** A team: agents, their tools and hand-offs, the planning settings. Written as YAML, used as one definition. */
import { z } from 'zod';
import { frozen } from './json.ts';
import { MAX_WAIT_MS } from './limits.ts';
import { areFew, Rule, SubjectKind, TOO_MANY_RULES } from './rules.ts';

/** Names of agents, teams and modes: they appear in ids, paths and prompts. */
export const Name = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'use lower-case letters, digits and "-", 63 at most');

/** `name` at the default provider or `provider/name`, and in a list those to fall back to. */
const ModelNames = z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(5).readonly()]);

/** What models that reason take; each takes some of them, and the nearest is used. */
export const ReasoningEffort = z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']);
export type ReasoningEffort = z.infer<typeof ReasoningEffort>;

const AgentLimits = z.strictObject({
  /** Model rounds of one step or one-shot turn. */
  rounds: z.int().min(1).max(100).optional(),
  /** Longest reply of the model, in tokens. */
  outputTokens: z.int().min(1).optional(),
});

/** `agents/<team>/<agent>.yaml`. */
export const AgentFile = z.strictObject({
  /** Shown to people; default the file's name. */
  name: z.string().min(1).max(100).optional(),
  /** What this agent is good at, in one or two sentences: router and planner choose by it. */
  description: z.string().min(1).max(1_000),
  /** System prompt: a Handlebars template over the session's context, e.g. `{{initial_task}}`. */
  instructions: z.string().min(1).max(50_000),
  /** A model, or a list: the next one is asked if the first does not serve the agent. Default: the team's. */
  model: ModelNames.optional(),
  /** Default: the model's own. Models that reason refuse one, and then go without. */
  temperature: z.number().min(0).max(2).optional(),
  /** How much the model thinks before it answers. Default: the model's own. */
  effort: ReasoningEffort.optional(),
  tools: z.array(z.string()).default([]),
  handoffs: z.array(Name).default([]),
  /** JSON schema of an object: the form of the agent's direct and final answers, and of the result of its steps. */
  output: z.record(z.string(), z.unknown()).optional(),
  limits: AgentLimits.default({}),
});
export type AgentFile = z.infer<typeof AgentFile>;

const TOOL_CATEGORIES = frozen(['read', 'write', 'code', 'shell', 'network', 'conversation']);
/** What approval policies speak of. */
export const ToolCategory = z.enum(TOOL_CATEGORIES);
export type ToolCategory = z.infer<typeof ToolCategory>;

/** `allow`: runs at once. `ask`: a person decides about each call. `deny`: agents are not offered such tools. */
export const ToolPolicy = z.enum(['allow', 'ask', 'deny']);
export type ToolPolicy = z.infer<typeof ToolPolicy>;

/** What waits for a person. Every key may be left out: session, then mode, then team, then the default decide. */
export const Approvals = z.strictObject({
  /** Whether a plan waits to be approved. Default false. */
  plan: z.boolean().optional(),
  /** Whether each step waits before it begins. Default false. */
  beforeStep: z.boolean().optional(),
  /** Whether each step's result waits to be accepted. Default false. */
  afterStep: z.boolean().optional(),
  /** By category of tool. Default `ask` for code and shell, `allow` for the others. */
  tools: z.partialRecord(ToolCategory, ToolPolicy).optional(),
  /** By rule, such as `shell: git status*`. What they match, and which one counts: docs/teams.md. */
  rules: z.record(Rule, ToolPolicy).refine(areFew, TOO_MANY_RULES).optional(),
  /** Milliseconds until a request expires. Default 30 minutes. */
  timeoutMs: z.int().min(1_000).max(MAX_WAIT_MS).optional(),
  /** Milliseconds that an agent's question waits for an answer. Default 60 minutes. */
  inputTimeoutMs: z.int().min(1_000).max(MAX_WAIT_MS).optional(),
});
export type Approvals = z.infer<typeof Approvals>;

/** What one turn may use. At each limit it pauses, and a person decides whether it goes on. Default: no limit. */
export const Budget = z.strictObject({
  /** Tokens in and out. */
  tokens: z.int().min(1).optional(),
  /** US dollars, by the team's `prices`. */
  cost: z.number().positive().optional(),
  toolCalls: z.int().min(1).optional(),
  /** Milliseconds since the turn began, without those spent waiting for people. */
  wallTimeMs: z.int().min(1_000).optional(),
  /** Calls of a model. */
  rounds: z.int().min(1).optional(),
});
export type Budget = z.infer<typeof Budget>;

/** US dollars for a million tokens. */
const Price = z.strictObject({
  input: z.number().min(0),
  output: z.number().min(0),
  /** Input read from the provider's cache. Default: as `input`. */
  cached: z.number().min(0).optional(),
  /** Input written to it. Default: as `input`. */
  cacheWrite: z.number().min(0).optional(),
});
export type Price = z.infer<typeof Price>;

const McpTools = {
  /** Category of all tools of this server. Default `network`. */
  category: ToolCategory.optional(),
  /** `none` if calls may be repeated freely. Default `external`. */
  effects: z.enum(['none', 'external']).optional(),
  /** Longest call. Default 60 s. */
  timeoutMs: z.int().min(100).max(3_600_000).optional(),
  /** Longest start, until its tools are listed. Default 30 s. */
  startTimeoutMs: z.int().min(100).max(600_000).optional(),
  /**
   * Whether the team needs it. Default true: a server that does not start fails the turn. With `false` the team works
   * without its tools until it starts.
   */
  required: z.boolean().optional(),
};

/**
 * A server of the Model Context Protocol (https://modelcontextprotocol.io). Its tools are called `server.tool`; an agent
 * lists them one by one, or `server.*` for all. `${NAME}` in values of `env` and `headers` is filled in on the worker
 * from its environment, so that no secret stands in a team. A worker opens those only that its own agents folder
 * names, or has named: docs/security.md.
 */
export const McpServer = z.union([
  z.strictObject({
    command: z.string().min(1),
    args: z.array(z.string()).optional(),
    env: z.record(z.string(), z.string()).optional(),
    ...McpTools,
  }),
  z.strictObject({
    /** Streamable HTTP. */
    url: z.url({ protocol: /^https?$/ }),
    headers: z.record(z.string(), z.string()).optional(),
    ...McpTools,
  }),
]);
export type McpServer = z.infer<typeof McpServer>;

/** A preset of the turn engine. */
export const ModePreset = z.strictObject({
  description: z.string().default(''),
  /** Who decides between a direct answer and a plan: the router, or without one the answering agent; or always the one or the other. */
  route: z.enum(['router', 'one-shot', 'planned']),
  approvals: Approvals.optional(),
  budget: Budget.optional(),
});
export type ModePreset = z.infer<typeof ModePreset>;

/** The modes that every team has. */
export const BUILT_IN_MODES = frozen({
  copilot: { description: 'Answers directly, plans, or asks back', route: 'router' },
  'planning-control': { description: 'Every message becomes a plan', route: 'planned' },
  'one-shot': { description: 'Every message is answered directly', route: 'one-shot' },
  'hitl-interactive': {
    description: 'Every message becomes a plan; a person approves it, each step, and each result',
    route: 'planned',
    approvals: { plan: true, beforeStep: true, afterStep: true },
  },
}) satisfies Record<string, ModePreset>;

/** `agents/<team>/team.yaml`. */
export const TeamFile = z.strictObject({
  description: z.string().min(1).max(1_000),
  /** Model of agents that name none. `COPILOT_MODEL` replaces it and theirs. */
  model: ModelNames,
  /** Without an agent, the answering agent decides itself: it answers, plans or asks back. */
  routing: z.strictObject({ agent: Name.optional() }).default({}),
  planning: z.strictObject({
    agent: Name,
    reviewer: Name.optional(),
    /** Rounds of review and revision; 0 records the plan as it is. */
    reviews: z.int().min(0).max(5).default(1),
    /** Plans of fewer steps are not reviewed. */
    reviewFrom: z.int().min(1).max(50).default(3),
    /** Most steps of a plan. */
    maxSteps: z.int().min(1).max(50).default(20),
  }),
  /** Who answers if no route names an agent, and who writes the final answer of a plan. */
  answering: z.strictObject({ agent: Name }),
  limits: z
    .strictObject({
      /** Model rounds of one step or one-shot turn. */
      rounds: z.int().min(1).max(100).default(16),
      /** Attempts of a step before the turn fails. */
      stepAttempts: z.int().min(1).max(10).default(3),
      /** Hand-offs between agents in one step or direct answer. Default 5. */
      handoffs: z.int().min(0).max(20).optional(),
    })
    .default({ rounds: 16, stepAttempts: 3 }),
  modes: z.record(Name, ModePreset).default({}),
  // Optional without defaults, here and below: what a team does not say is not in its digest either.
  approvals: Approvals.optional(),
  budget: Budget.optional(),
  /** By name of the model as the API gives it. */
  prices: z.record(z.string(), Price).optional(),
  mcp: z.record(Name, McpServer).optional(),
  /** When older messages are summarised for the models; their originals stay readable. */
  compaction: z
    .strictObject({
      /** Tokens of the live conversation. Default 48,000. */
      atTokens: z.int().min(500).max(200_000).optional(),
      /** Tokens of the newest messages that stay as they are. Default 12,000. */
      keepTokens: z.int().min(100).max(100_000).optional(),
    })
    .optional(),
});
export type TeamFile = z.infer<typeof TeamFile>;

const DefinedTool = z.object({
  name: z.string(),
  effects: z.enum(['none', 'external']),
  category: ToolCategory,
  timeoutMs: z.int().min(1).max(MAX_WAIT_MS),
  /** What patterns of its rules are compared with. */
  subject: SubjectKind.optional(),
});
export type DefinedTool = z.infer<typeof DefinedTool>;

export const AgentDefinition = AgentFile.extend({
  id: Name,
  name: z.string(),
  /** Context keys that the instructions use: only these are sent to the agent's activities. */
  variables: z.array(z.string()),
});
export type AgentDefinition = z.infer<typeof AgentDefinition>;

/** A team as a session is pinned to it: everything in one plain JSON value. */
export const TeamDefinition = TeamFile.extend({
  schemaVersion: z.literal(1),
  name: Name,
  agents: z.record(Name, AgentDefinition),
  /** Facts of each tool that an agent names, as they were when the team was loaded. */
  tools: z.record(z.string(), DefinedTool),
});
export type TeamDefinition = z.infer<typeof TeamDefinition>;

/** A definition and the sha-256 of its canonical JSON (keys sorted), in hex. */
export const ResolvedTeam = z.object({ digest: z.string().max(200), definition: TeamDefinition });
export type ResolvedTeam = z.infer<typeof ResolvedTeam>;

/** What a session changes in one agent, for itself only. */
export const AgentOverride = z.strictObject({
  model: ModelNames.optional(),
  /** Default: the model's own. Models that reason refuse one, and then go without. */
  temperature: z.number().min(0).max(2).optional(),
  /** How much the model thinks before it answers. Default: the model's own. */
  effort: ReasoningEffort.optional(),
  instructions: z.string().min(1).max(50_000).optional(),
});
export type AgentOverride = z.infer<typeof AgentOverride>;

/** The preset of a mode of this team, or undefined. */
export function findMode(definition: Pick<TeamDefinition, 'modes'>, mode: string): ModePreset | undefined {
  // Own members only: `constructor` is a valid name and no mode.
  for (const modes of [definition.modes, BUILT_IN_MODES as Record<string, ModePreset>]) {
    if (Object.hasOwn(modes, mode)) return modes[mode];
  }
  return undefined;
}

/** Why a budget cannot be kept with this team, or undefined. */
export function budgetProblem(
  definition: Pick<TeamDefinition, 'prices' | 'name'>,
  budget?: Budget | null,
): string | undefined {
  if (budget?.cost === undefined || Object.keys(definition.prices ?? {}).length > 0) return undefined;
  return `team ${definition.name} has no prices for its models; add \`prices\` to its team.yaml, or limit tokens`;
}

/**
 * What the definition says of a tool, or undefined if it has no such tool. The worker's own facts decide what happens to
 * a call: a definition may come from anywhere.
 */
export function toolFacts(
  { tools, mcp }: Pick<TeamDefinition, 'tools' | 'mcp'>,
  name: string,
): DefinedTool | undefined {
  return Object.hasOwn(tools, name) ? tools[name] : mcpFacts({ mcp }, name);
}

/** Facts of a tool of an MCP server, from the server's declaration. */
export function mcpFacts({ mcp = {} }: Pick<TeamDefinition, 'mcp'>, name: string): DefinedTool | undefined {
  const id = name.slice(0, name.indexOf('.'));
  const server = name.includes('.') && Object.hasOwn(mcp, id) ? mcp[id] : undefined;
  return (
    server && {
      name,
      effects: server.effects ?? 'external',
      category: server.category ?? 'network',
      timeoutMs: server.timeoutMs ?? DEFAULT_MCP_TIMEOUT_MS,
    }
  );
}

const DEFAULT_MCP_TIMEOUT_MS = 60_000;
