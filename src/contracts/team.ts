/** A team: agents, their tools and hand-offs, the planning settings. Written as YAML, used as one definition. */
import { z } from 'zod';

/** Names of agents, teams and modes: they appear in ids, paths and prompts. */
export const Name = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'use lower-case letters, digits and "-", 63 at most');

export const AgentLimits = z.strictObject({
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
  model: z.string().min(1).optional(),
  temperature: z.number().min(0).max(2).optional(),
  tools: z.array(z.string()).default([]),
  handoffs: z.array(Name).default([]),
  /** JSON schema of the agent's answers, where they must have a form. */
  output: z.record(z.string(), z.unknown()).optional(),
  limits: AgentLimits.default({}),
});
export type AgentFile = z.infer<typeof AgentFile>;

/** A preset of the turn engine. */
export const ModePreset = z.strictObject({
  description: z.string().default(''),
  /** Who decides between a direct answer and a plan: the router, or always the one or the other. */
  route: z.enum(['router', 'one-shot', 'planned']),
});
export type ModePreset = z.infer<typeof ModePreset>;

/** The modes that every team has. */
export const BUILT_IN_MODES = {
  copilot: { description: 'The router answers directly, plans, or asks back', route: 'router' },
  'planning-control': { description: 'Every message becomes a plan', route: 'planned' },
  'one-shot': { description: 'Every message is answered directly', route: 'one-shot' },
} as const satisfies Record<string, ModePreset>;

/** `agents/<team>/team.yaml`. */
export const TeamFile = z.strictObject({
  description: z.string().min(1).max(1_000),
  /** Model of agents that name none. `COPILOT_MODEL` replaces it and theirs. */
  model: z.string().min(1),
  routing: z.strictObject({ agent: Name }),
  planning: z.strictObject({
    agent: Name,
    reviewer: Name.optional(),
    /** Rounds of review and revision; 0 records the plan as it is. */
    reviews: z.int().min(0).max(5).default(1),
    /** Most steps of a plan. */
    maxSteps: z.int().min(1).max(50).default(20),
  }),
  /** Who answers where no route names an agent, and who writes the final answer of a plan. */
  answering: z.strictObject({ agent: Name }),
  limits: z
    .strictObject({
      /** Model rounds of one step or one-shot turn. */
      rounds: z.int().min(1).max(100).default(16),
      /** Attempts of a step before the turn fails. */
      stepAttempts: z.int().min(1).max(10).default(3),
    })
    .default({ rounds: 16, stepAttempts: 3 }),
  modes: z.record(Name, ModePreset).default({}),
});
export type TeamFile = z.infer<typeof TeamFile>;

const DefinedTool = z.object({
  name: z.string(),
  effects: z.enum(['none', 'external']),
  category: z.enum(['read', 'write', 'code', 'network', 'conversation']),
  timeoutMs: z.int(),
});

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
export const ResolvedTeam = z.object({ digest: z.string(), definition: TeamDefinition });
export type ResolvedTeam = z.infer<typeof ResolvedTeam>;

/** What a session changes in one agent, for itself only. */
export const AgentOverride = z.strictObject({
  model: z.string().min(1).optional(),
  temperature: z.number().min(0).max(2).optional(),
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
