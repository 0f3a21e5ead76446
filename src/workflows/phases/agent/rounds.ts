/** The loop of an agent at work: a round of the model, then the tools it asked for, until it is done. */
import { CancelledFailure, isCancellation } from '@temporalio/workflow';
import type { RunAgentResult, StepReport } from '../../../contracts/activities.ts';
import { fromFailure, toFailure } from '../../../contracts/errors.ts';
import type { Turn, Work } from '../../../contracts/session.ts';
import { advance, type Message } from '../../../contracts/transcript.ts';
import { activities } from '../../activities.ts';
import type { LiveSession } from '../../session/live-session.ts';
import { MoveOn } from '../../session/state/requests.ts';
import { keepBudget } from '../../session/state/spending.ts';
import { agentCall, findAgent, label } from './call.ts';
import { answerCalls } from './tool-calls.ts';
import { boundWork, closeWork, forgetResults, openWork, type Task, toolsOf } from './work.ts';

/** Rounds of an agent after which the context is kept by itself. */
const CHECKPOINT_ROUNDS = 5;

/**
 * Runs the loop, or goes on with it where the run before left it.
 * @throws LimitReached after the agent's last round; MoveOn between two rounds; whatever a model call ends with
 */
export async function runRounds(session: LiveSession, turn: Turn, task: Task): Promise<StepReport> {
  const work = openWork(turn, task);
  for (;;) {
    if (work.calls.length === 0) {
      requireRound(session, turn, work);
      const reply = await think(session, turn, work);
      if (!reply) continue;
      take(work, reply);
      if (work.calls.length === 0) {
        if (reply.problem === undefined) return end(session, turn, work, { status: 'done', summary: reply.text });
        correct(work, reply.problem);
        continue;
      }
    }
    const report = await answerCalls(session, turn, work);
    work.calls = [];
    if (report) return end(session, turn, work, report);
  }
}

/** Makes sure that there may be another round, here and now. */
function requireRound(session: LiveSession, turn: Turn, work: Work): void {
  const { limits } = session.state.team.definition;
  const limit = findAgent(session, work.agent).limits.rounds ?? limits.rounds;
  if (work.rounds >= limit) throw toFailure('LimitReached', { limit, what: `rounds of agent ${work.agent}` });
  boundWork(turn, work);
  if (session.mustMove) throw new MoveOn();
}

function take(work: Work, { text, toolCalls, problem }: RunAgentResult): void {
  const said: Message = { role: 'assistant', text, ...(toolCalls.length === 0 ? {} : { toolCalls: [...toolCalls] }) };
  const { thread, tail } = work;
  thread.address = advance(thread.address, [...tail, said]);
  thread.messages.push(...tail, said);
  work.rounds += 1;
  work.tail = [];
  work.calls = [...toolCalls];
  if (problem === undefined) delete work.problem;
  else work.problem = problem;
}

const UNUSABLE = 'That answer cannot be used: ';

/** Tells the agent once that its answer does not have the form that it must have. @throws InvalidModelOutput the next time */
function correct(work: Work, problem: string): void {
  if (work.thread.messages.at(-2)?.text.startsWith(UNUSABLE)) {
    throw toFailure('InvalidModelOutput', { what: `answer of agent ${work.agent}`, problem });
  }
  work.tail.push({ role: 'user', text: `${UNUSABLE}${problem}. Answer again with the whole JSON object, corrected.` });
}

const NOTHING = 'Your answer was empty. Answer in words, or call a tool.';

function isNothing({ text, toolCalls }: RunAgentResult): boolean {
  return text.trim() === '' && toolCalls.length === 0;
}

/** Tells the agent once that it said nothing. @throws InvalidModelOutput the next time */
function askAgain(work: Work): void {
  if (work.tail.at(-1)?.text === NOTHING) {
    throw toFailure('InvalidModelOutput', { what: `answer of agent ${work.agent}`, problem: 'it is empty' });
  }
  work.tail.push({ role: 'user', text: NOTHING });
}

function end(session: LiveSession, turn: Turn, work: Work, report: StepReport): StepReport {
  for (const [key, value] of Object.entries(work.remembered)) session.phaseContext.remember(key, value);
  closeWork(turn, work);
  return report;
}

/** One round of the model; undefined where it came to nothing, and another one may do better. */
async function think(session: LiveSession, turn: Turn, work: Work): Promise<RunAgentResult | undefined> {
  try {
    const reply = await callModel(session, turn, work);
    if (!isNothing(reply)) return reply;
    askAgain(work);
  } catch (error) {
    const mayForget = !isCancellation(error) && fromFailure(error)?.type === 'ContextOverflow';
    if (!mayForget || !forgetResults(work)) throw error;
  }
  // The next round has a name of its own.
  work.rounds += 1;
  return undefined;
}

/** One call of the model. Its text so far can be followed while it runs. */
async function callModel(session: LiveSession, turn: Turn, work: Work): Promise<RunAgentResult> {
  const { phase, agent, part, step, tail } = work;
  if (session.hasBudget) await keepBudget(session, turn, step);
  const round = work.rounds + 1;
  session.context.maybeCheckpoint(round, CHECKPOINT_ROUNDS, new Date().toISOString(), { turn: turn.number });
  const at = { turnId: turn.id, ...(step === undefined ? {} : { step }) };
  const name = label(turn, `${part}/${round}`, `${step === undefined ? phase : `step ${step}`} · ${agent}`);
  const { activityId } = name;
  const { id, address } = work.thread;
  const input = {
    ...agentCall(session, turn, agent),
    phase,
    thread: { id, address },
    tail,
    tools: toolsOf(session, work),
  };
  const isPartial = (result: RunAgentResult) => result.finish === 'interrupted';
  const reply = await session.call(
    () => {
      session.record({ type: 'model-started', ...at, activityId, agent });
      return activities.runAgent(name, input);
    },
    { isPartial },
  );
  session.countUsage(turn, agent, reply);
  session.record({ type: 'model-ended', ...at, activityId, text: reply.text });
  if (isPartial(reply)) {
    if (phase !== 'step') turn.reply = reply.text;
    throw new CancelledFailure('interrupted');
  }
  return reply;
}
