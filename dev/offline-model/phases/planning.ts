/** Plans: one step for each action of a task; and what a reviewer has to say about one. */
import { z } from 'zod';
import type { PlannedStep, PlanProposal, PlanReview } from '../../../src/contracts/turn.ts';
import { actionsOf, kindOf, remarksOf, type Action } from '../actions.ts';
import { agentFor, agentsIn, chooseAgent, type Agent } from '../agents.ts';
import { fileNames, TABLE_FILE, words } from '../language.ts';
import { takeFlaw } from '../phrases/flaws.ts';
import { groupsOf, isPlan, type Group } from '../phrases/order.ts';
import type { Prompt } from '../prompt.ts';
import { subjectOf, targetOf } from '../skills/writing.ts';
import { textOf } from '../wire.ts';

const MAX_STEPS = 12;

const Proposal = z.object({
  steps: z.array(
    z.object({
      agent: z.string(),
      task: z.string(),
      notes: z.string().default(''),
      alongside: z.boolean().default(false),
    }),
  ),
});

export function plan(prompt: Prompt): PlanProposal {
  const agents = agentsIn(prompt.system);
  const { task, before, feedback } = conversationOf(prompt);
  const planned = toSteps(task, agents);
  const steps = feedback.reduce((current, remark) => revise(current, remark, task, agents), before ?? planned);
  const limit = Number(/\b(\d+) are allowed\b/.exec(feedback.at(-1) ?? '')?.[1] ?? MAX_STEPS);
  return { steps: merged(steps.length > 0 ? steps : planned, limit) };
}

/** Approves unless the plan is empty, repeats itself, or writes no file that the task names. */
export function review(prompt: Prompt): PlanReview {
  const text = prompt.messages.map(textOf).join('\n');
  const plan = /^# Plan\s*\n([^]*)$/m.exec(text)?.[1] ?? text;
  const steps =
    jsonSteps(plan)?.map(({ task }) => task) ??
    [...plan.matchAll(/^ *\d+[.)] +(?:\([^)\n]*\) *)?(\S.*)$/gm)].map(([, task = '']) => task);
  if (steps.length === 0) return { approved: false, feedback: 'The plan has no steps.' };
  const keys = steps.map((step) => words(step).join(' '));
  const repeated = keys.findIndex((key, index) => keys.indexOf(key) < index);
  if (repeated >= 0)
    return { approved: false, feedback: `Step ${repeated + 1} repeats an earlier step: remove step ${repeated + 1}.` };
  const missed = outputsOf(prompt.task).filter((file) => !steps.some((step) => step.includes(file)));
  if (missed.length > 0) return { approved: false, feedback: `No step writes ${missed.join(' and ')}.` };
  return { approved: true, feedback: '' };
}

/** Files that a task asks to be written. */
function outputsOf(task: string): string[] {
  return [
    ...new Set(
      actionsOf(task)
        .filter(({ kind, files }) => kind === 'write' && files.length > 0)
        .map(targetOf),
    ),
  ];
}

interface PlanningConversation {
  readonly task: string;
  /** The plan that the feedback is about. */
  readonly before: readonly PlannedStep[] | undefined;
  readonly feedback: readonly string[];
}

/** The task stands before the first plan in the conversation, feedback behind each plan. */
function conversationOf({ messages, request }: Prompt): PlanningConversation {
  const feedback: string[] = [];
  let at = messages.findLastIndex(({ role }) => role === 'user');
  let before: PlannedStep[] | undefined;
  for (; at >= 2; at -= 2) {
    const [answer, remark] = [messages[at - 1], messages[at]];
    const steps = answer?.role === 'assistant' ? jsonSteps(textOf(answer)) : undefined;
    if (!steps || !remark) break;
    // Only the latest plan counts, and what was said about it.
    if (feedback.length === 0) {
      before = steps;
      feedback.push(feedbackIn(textOf(remark)));
    }
  }
  const task = messages[at];
  return { task: before && task ? takeFlaw(textOf(task)).text : request, before, feedback };
}

/** Without the engine's words around it. */
function feedbackIn(text: string): string {
  return text
    .replace(/^[^\n]*?(?:did not approve|not approved|wants? changes?|feedback)[^\n:]*:\s*/i, '')
    .replace(/\nWrite the whole plan again[^]*$/i, '')
    .trim();
}

function jsonSteps(text: string): PlannedStep[] | undefined {
  try {
    return Proposal.safeParse(JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1))).data?.steps;
  } catch {
    return undefined;
  }
}

function toSteps(task: string, agents: readonly Agent[]): PlannedStep[] {
  if (isPlan(task)) return groupsOf(task, () => true).map((group) => asSaid(group, agents));
  const actions = unique(
    actionsOf(task).flatMap((action, index, all) => withInvestigation(action, all.slice(0, index))),
  );
  const notes = remarksOf(task).join(' ');
  const tables = fileNames(task).filter((file) => TABLE_FILE.test(file));
  return actions.map((action) => ({
    agent: agentOf(action, agents),
    task: inFull(action, tables),
    notes,
    alongside: action.alongside ?? false,
  }));
}

/** A step that the person has written. */
function asSaid({ text, isAlongside }: Group, agents: readonly Agent[]): PlannedStep {
  const actions = actionsOf(text);
  const work = actions.find(({ kind }) => kind !== 'fail' && kind !== 'say') ?? actions[0];
  return { agent: work ? agentOf(work, agents) : '', task: capital(text), notes: '', alongside: isAlongside };
}

function agentOf(action: Pick<Action, 'kind' | 'text'>, agents: readonly Agent[]): string {
  return agentFor(agents, action) ?? agents[0]?.id ?? '';
}

/** A report on something that no step before finds out needs a step that does. */
function withInvestigation(action: Action, before: readonly Action[]): Action[] {
  if (action.kind !== 'write' || before.some(({ kind }) => kind !== 'write' && kind !== 'say')) return [action];
  const subject = subjectOf(action, targetOf(action));
  if (subject?.kind !== 'table') return [action];
  const { alongside = false, ...write } = action;
  return [{ ...subject, text: `Find ${subject.text}`, alongside }, write];
}

/** Understandable alone: with the file that it reads or writes. */
function inFull(action: Action, tables: readonly string[]): string {
  // Every character of these counts.
  if (action.kind === 'call' || action.kind === 'shell' || action.kind === 'handoff') return capital(action.text);
  const text = capital(action.text.replace(/[\s.,;:!?]+$/, ''));
  const [table] = tables;
  if (action.kind === 'table' && action.files.length === 0 && tables.length === 1 && table !== undefined)
    return `${text} in ${table}`;
  if (action.kind === 'plot' && !action.files.some((file) => TABLE_FILE.test(file)) && table !== undefined)
    return `${text} from ${table}`;
  if (action.kind === 'write' && action.files.length === 0) return `${text} to ${targetOf(action)}`;
  return text;
}

function unique(actions: readonly Action[]): Action[] {
  return [
    ...new Map(
      actions.map((action) => [`${action.kind} ${words(action.text).join(' ')} ${action.files.join(' ')}`, action]),
    ).values(),
  ];
}

/** Takes out, adds or hands over steps as the feedback says; what it does not speak of stays. */
function revise(
  steps: readonly PlannedStep[],
  feedback: string,
  task: string,
  agents: readonly Agent[],
): PlannedStep[] {
  const dropped = new Set(
    [...feedback.matchAll(/\b(?:remove|drop|delete|skip|omit|without)\s+(?:the\s+)?step\s+(\d+)/gi)].map(([, number]) =>
      Number(number),
    ),
  );
  const kept = steps
    .filter((_, index) => !dropped.has(index + 1))
    .map((step, index) => reassigned(step, index + 1, feedback, agents));
  const missing = outputsOf(task).filter(
    (file) => feedback.includes(file) && !kept.some((step) => step.task.includes(file)),
  );
  const wanted = actionsOf(feedback)
    .map((action) => ({
      ...action,
      text: action.text.replace(
        /^add (?:a|another|one)?\s*(?:last |final |first )?step\s*(?:that|to|which|:)?\s*/i,
        '',
      ),
    }))
    .filter(({ text, kind }) => kind !== 'say' && !/\bstep \d+|\bno step\b/i.test(text) && kindOf(text) !== 'say');
  const added = wanted.filter(
    ({ text }) => !kept.some((step) => words(step.task).join(' ').includes(words(text).join(' '))),
  );
  const known = new Set(agents.map(({ id }) => id));
  return [
    ...kept,
    ...added.map((action) => ({
      agent: agentOf(action, agents),
      task: inFull(
        action,
        fileNames(task).filter((file) => TABLE_FILE.test(file)),
      ),
      notes: '',
    })),
    ...missing.map((file) => ({
      agent: chooseAgent(agents, 'write', file) ?? '',
      task: `Write the results to ${file}`,
      notes: '',
    })),
  ].map((step) =>
    known.size === 0 || known.has(step.agent)
      ? step
      : { ...step, agent: agentOf({ kind: kindOf(step.task), text: step.task }, agents) },
  );
}

/** "Use the researcher for step 2", "step 2 should go to the researcher". */
function reassigned(step: PlannedStep, number: number, feedback: string, agents: readonly Agent[]): PlannedStep {
  const sentence =
    feedback.split(/(?<=[.!?])\s+|\n|,/).find((part) => new RegExp(`\\bstep ${number}\\b`, 'i').test(part)) ?? '';
  const agent = agents.find(({ id }) => words(sentence).includes(id));
  return agent ? { ...step, agent: agent.id } : step;
}

/** The last step takes over what is beyond the limit. */
function merged(steps: readonly PlannedStep[], limit: number): PlannedStep[] {
  const last = steps[limit - 1];
  if (steps.length <= limit || !last) return [...steps];
  const rest = steps.slice(limit - 1);
  return [...steps.slice(0, limit - 1), { ...last, task: rest.map(({ task }) => task).join('. Then ') }];
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
