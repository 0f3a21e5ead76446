/** A turn: one message of a person until its outcome. */
import { z } from 'zod';
import { Images } from './image.ts';
import { Usage } from './json.ts';
import type { PendingRequest } from './request.ts';
import type { TeamDefinition } from './team.ts';

/**
 * The status that callers see; `TurnState` in `session-state.ts` says what is stored. Three are computed for a turn that is open:
 * `suspended`: its session is suspended; `continue` goes on with it. `awaiting-approval`: it waits for a decision.
 * `awaiting-input`: it asks something, and the next message is the answer.
 */
export const TurnStatus = z.enum([
  'queued',
  'running',
  'suspended',
  'awaiting-approval',
  'awaiting-input',
  'completed',
  'failed',
  'interrupted',
]);
export type TurnStatus = z.infer<typeof TurnStatus>;

/** Whether a turn has an outcome that nothing but a person changes. */
export function isSettled(status: TurnStatus): boolean {
  return status !== 'queued' && status !== 'running';
}

export const Phase = z.enum([
  'init',
  'routing',
  'one-shot',
  'planning',
  'executing',
  'awaiting-approval',
  'awaiting-input',
  'idle',
]);
export type Phase = z.infer<typeof Phase>;

export const Route = z.enum(['one-shot', 'planned', 'clarify']);
export type Route = z.infer<typeof Route>;

/** What the router decides; the schema its model must answer with. Its bounds end the answer of a model that does not. */
export const RouteDecision = z.object({
  route: Route.describe('one-shot: answer directly; planned: needs several steps; clarify: ask back first'),
  primaryAgent: z.string().max(100).describe('id of the agent that should lead'),
  refinedTask: z.string().max(50_000).default('').describe('the task in full, understandable without the conversation'),
  questions: z.array(z.string().max(1_000)).max(5).default([]).describe('what to ask the person; only for clarify'),
  reason: z.string().max(1_000).default('').describe('why this route, in one sentence'),
});
export type RouteDecision = z.output<typeof RouteDecision>;

/** A step as the planner writes it. */
export const PlannedStep = z.object({
  agent: z.string().min(1).max(100).describe('id of the agent that does it'),
  task: z.string().min(1).max(20_000).describe('what to do, understandable alone; names the files it reads and writes'),
  notes: z.string().max(4_000).default('').describe('hints for the agent, may be empty'),
  alongside: z
    .boolean()
    .default(false)
    .describe('true: needs nothing of the step before it, and may run at the same time'),
});
export type PlannedStep = z.output<typeof PlannedStep>;

export const PlanProposal = z.object({ steps: z.array(PlannedStep).max(100) });
export type PlanProposal = z.output<typeof PlanProposal>;

/** What is wrong with a plan that has the right form; undefined if a team can carry it out. */
export function checkPlan(
  steps: readonly PlannedStep[],
  { agents, planning }: Pick<TeamDefinition, 'agents' | 'planning'>,
): string | undefined {
  if (steps.length === 0) return 'a plan needs at least one step';
  if (steps.length > planning.maxSteps) return `it has ${steps.length} steps, and ${planning.maxSteps} are allowed`;
  const unknown = steps.find(({ agent }) => !Object.hasOwn(agents, agent));
  return unknown && `there is no agent "${unknown.agent}"; choose among ${Object.keys(agents).join(', ')}`;
}

export const PlanReview = z.object({
  approved: z.boolean(),
  feedback: z.string().max(8_000).default('').describe('what to change; empty when approved'),
});
export type PlanReview = z.output<typeof PlanReview>;

const StepStatus = z.enum(['pending', 'in-progress', 'completed', 'failed', 'skipped']);

export const Step = z.object({
  number: z.int().describe('from 1'),
  agent: z.string(),
  task: z.string(),
  notes: z.string(),
  status: StepStatus,
  attempts: z.int(),
  summary: z.string(),
  artifacts: z.array(z.string()),
  /** Names the step in its calls and requests; unlike `number` it never changes. */
  key: z.int(),
  /** All attempts, including those before `continue` or a restart. */
  tries: z.int(),
  /** Whether it may run at the same time as the step before it. */
  alongside: z.boolean(),
  /** Times that a person had it done again. */
  redos: z.int(),
  /** What the person wants done differently. */
  feedback: z.string().optional(),
  startedAt: z.string().optional(),
  endedAt: z.string().optional(),
});
export type Step = z.infer<typeof Step>;

export const TurnError = z.object({ type: z.string(), message: z.string() });
export type TurnError = z.infer<typeof TurnError>;

/** A turn as callers see it. */
export const TurnView = z.object({
  id: z.string(),
  /** Position in the conversation, from 1; 0 while it is queued. */
  number: z.int(),
  messageId: z.string(),
  status: TurnStatus,
  route: Route.optional(),
  /** Why this route was taken, and by whom: the model, the model after a repair, the heuristic or the mode. */
  routeReason: z.string().optional(),
  reply: z.string(),
  /** What the turn asks the person, with `awaiting-input`. */
  questions: z.array(z.string()),
  steps: z.array(Step.pick({ number: true, agent: true, task: true, status: true, attempts: true, summary: true })),
  /** Images that the person sent with it. */
  images: Images.optional(),
  /** Files written in this turn, relative to the workspace. */
  artifacts: z.array(z.string()),
  usage: Usage,
  /** US dollars, if the team has prices for its models. */
  cost: z.number().optional(),
  /** What waits for a person, with `awaiting-approval` and `awaiting-input`. */
  requests: z.array(z.custom<PendingRequest>()).optional(),
  error: TurnError.optional(),
  startedAt: z.string().optional(),
  endedAt: z.string().optional(),
});
export type TurnView = z.infer<typeof TurnView>;
