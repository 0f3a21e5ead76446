/** The loop of an agent: a round of the model, then the tools that it called, until it is done. */
import { CancelledFailure, isCancellation } from '@temporalio/workflow';
import { MAKE_PLAN, type RunAgentResult } from '../../../contracts/activities.ts';
import { fromFailure, toFailure } from '../../../contracts/errors.ts';
import type { RunningTurn, TurnOutcome } from '../../../contracts/session-state.ts';
import type { Message, UserMessage } from '../../../contracts/transcript.ts';
import { activities } from '../../activities.ts';
import type { LiveSession } from '../../session/live-session.ts';
import { hasBudget, policiesOf } from '../../session/policies.ts';
import { ContinuesAsNew } from '../../session/continue-as-new.ts';
import type { AgentWork, Task } from '../../session/turn/agent-work.ts';
import { keepBudget } from './budget.ts';
import { agentCall, countAnswer, findAgent, labelCall, setRoute } from './call.ts';
import { mayAnswer, offeredTools, type WorkResult } from './engine-tools.ts';
import { answerCalls } from './tool-calls.ts';

/** Rounds of an agent between two automatic snapshots of the context. */
const CHECKPOINT_ROUNDS = 5;

/**
 * Runs the loop. If the run before left it in the middle, it goes on from there.
 * @throws LimitReached after the agent's last round; ContinuesAsNew between two rounds; whatever a model call ends with
 */
export async function runRounds(session: LiveSession, turn: RunningTurn, task: Task): Promise<WorkResult> {
  const work = session.works.open(turn, task);
  for (;;) {
    if (work.state.calls.length === 0) {
      requireRound(session, turn, work);
      const reply = await runRound(session, turn, work);
      if (!reply) continue;
      work.takeReply(reply);
      noteRoute(session, turn, work, reply);
      if (reply.toolCalls.length === 0) {
        if (reply.problem !== undefined) askForRepair(work, reply.problem);
        else if (reply.finish === 'length' && work.state.begun === undefined) askForRest(work, reply);
        else return endWork(session, work, lastWords(work, reply));
        continue;
      }
    }
    const report = await answerCalls(session, turn, work);
    if (report) return endWork(session, work, report);
  }
}

/** @throws LimitReached if the agent has no more rounds; ContinuesAsNew if the next round belongs into the next run */
function requireRound(session: LiveSession, turn: RunningTurn, work: AgentWork): void {
  const { agent, rounds } = work.state;
  const { limits } = session.state.team.definition;
  const limit = findAgent(session, agent).limits.rounds ?? limits.rounds;
  if (rounds >= limit) throw toFailure('LimitReached', { limit, what: `rounds of agent ${agent}` });
  work.bound(turn.works.length);
  if (session.continuation.isOverdue) throw new ContinuesAsNew();
}

/** Tells the agent once that its answer does not have the form that it must have. @throws InvalidModelOutput the next time */
function askForRepair(work: AgentWork, problem: string): void {
  const { agent, thread } = work.state;
  // The last message is the answer itself; the one before it may have asked for the repair.
  if (isNotice(thread.messages.at(-2), 'unusable-answer')) {
    throw toFailure('InvalidModelOutput', { what: `answer of agent ${agent}`, problem });
  }
  const text = `That answer cannot be used: ${problem}. Answer again with the whole JSON object, corrected.`;
  work.tell({ role: 'user', kind: 'unusable-answer', text });
}

/** Tells the agent once that it said nothing. @throws InvalidModelOutput the next time */
function askForWords(work: AgentWork): void {
  const { agent, tail } = work.state;
  if (isNotice(tail.at(-1), 'empty-answer')) {
    throw toFailure('InvalidModelOutput', { what: `answer of agent ${agent}`, problem: 'it is empty' });
  }
  const text = 'Your answer was empty. Answer in words, or call a tool.';
  work.tell({ role: 'user', kind: 'empty-answer', text });
}

/** An agent that routes has decided with its first reply: what is no plan is a direct answer. */
function noteRoute(session: LiveSession, turn: RunningTurn, { state }: AgentWork, { toolCalls }: RunAgentResult): void {
  if (!state.routes || turn.route !== null || toolCalls.some(({ name }) => name === MAKE_PLAN)) return;
  setRoute(session, turn, { kind: 'one-shot', agent: state.agent, task: turn.task, reason: 'it needs no plan' });
}

/** Has the agent go on with an answer that its limit cut off. That happens once. */
function askForRest(work: AgentWork, { text }: RunAgentResult): void {
  work.keepBeginning(text);
  work.tell({
    role: 'user',
    kind: 'cut-answer',
    text: 'Your answer was cut off because it was too long. Go on exactly where it stopped. Repeat nothing.',
  });
}

/** What people read behind an answer that is not complete. */
const MARKS: Partial<Record<RunAgentResult['finish'], string>> = {
  length: '[The answer is cut off here: the model reached the limit of its length.]',
  filtered: "[The answer is cut off here: the provider's filter stopped it.]",
  refused: '[The model declined to answer.]',
};

/** The agent's last text, with its beginning if it was written in two pieces, and a mark if it is not complete. */
function lastWords({ state }: AgentWork, { text, finish, providerData }: RunAgentResult): WorkResult {
  const { begun = '', phase } = state;
  const mark = MARKS[finish];
  const status = phase === 'step' && (finish === 'filtered' || finish === 'refused') ? 'failed' : 'done';
  if (mark !== undefined) return { status, summary: `${begun}${text}\n\n${mark}`.trim() };
  const isOwn = begun === '' && providerData !== undefined;
  return { status, summary: begun + text, ...(isOwn ? { providerData } : {}) };
}

function isNotice(message: Message | undefined, kind: UserMessage['kind']): boolean {
  return message?.role === 'user' && message.kind === kind;
}

function endWork(session: LiveSession, work: AgentWork, report: WorkResult): WorkResult {
  const { part, remembered } = work.state;
  for (const [key, value] of Object.entries(remembered)) session.phaseContext.remember(key, value);
  session.works.close(part);
  return report;
}

/** One round of the model; undefined if it gave nothing and another one may do better. */
async function runRound(session: LiveSession, turn: RunningTurn, work: AgentWork): Promise<RunAgentResult | undefined> {
  try {
    const reply = await callModel(session, turn, work);
    // A filter or a refusal often leaves no text at all.
    const isStopped = reply.finish === 'filtered' || reply.finish === 'refused';
    if (isStopped || reply.text.trim() !== '' || reply.toolCalls.length > 0) return reply;
    askForWords(work);
  } catch (error) {
    const mayForget = !isCancellation(error) && fromFailure(error)?.type === 'ContextOverflow';
    if (!mayForget || !work.forgetResults()) throw error;
  }
  work.skipRound();
  return undefined;
}

/** One call of the model. Its text so far can be followed while it runs. */
async function callModel(session: LiveSession, turn: RunningTurn, work: AgentWork): Promise<RunAgentResult> {
  const { phase, agent, part, step, rounds, tail, thread } = work.state;
  if (hasBudget(session.state)) await keepBudget(session, turn, step);
  const round = rounds + 1;
  session.context.maybeCheckpoint(round, CHECKPOINT_ROUNDS, new Date().toISOString(), { turn: turn.number });
  const at = { turnId: turn.id, ...(step === undefined ? {} : { step }) };
  const name = labelCall(turn, `${part}/${round}`, `${step === undefined ? phase : `step ${step}`} · ${agent}`);
  const { activityId } = name;
  const { id, address } = thread;
  const { workspace } = session.state.config;
  const input = {
    ...agentCall(session, turn, agent),
    phase,
    ...(step === undefined ? {} : { step }),
    thread: { id, address },
    tail,
    tools: offeredTools(session, work.state),
    ...(mayAnswer(session, turn, step) ? { mayAnswer: true } : {}),
    policies: policiesOf(session.state),
    ...(workspace === undefined ? {} : { workspace }),
  };
  const isPartial = (result: RunAgentResult) => result.finish === 'interrupted';
  const reply = await session.calls.run(
    () => {
      session.view.record({ type: 'model-started', ...at, activityId, agent });
      return activities.runAgent(name, input);
    },
    { isPartial },
  );
  countAnswer(session, agent, reply);
  for (const warning of reply.warnings ?? []) session.view.noteOnce(warning);
  const { text, reasoning } = reply;
  session.view.record({
    type: 'model-ended',
    ...at,
    activityId,
    text,
    ...(reasoning === undefined ? {} : { reasoning }),
  });
  if (isPartial(reply)) {
    if (phase !== 'step') session.turns.setReply(reply.text);
    throw new CancelledFailure('interrupted');
  }
  return reply;
}

/** The outcome of a turn whose reply is an agent's last text. */
export function completed({ summary: reply, providerData }: WorkResult): TurnOutcome {
  return { status: 'completed', reply, ...(providerData === undefined ? {} : { providerData }) };
}
