/** Calls with outside effects whose outcome nobody knows. A person says what happened; the engine repeats nothing. */
import { section } from '../../../contracts/briefs.ts';
import type { CallEnd, RunningTurn, UnsettledCall } from '../../../contracts/session-state.ts';
import { toolFacts } from '../../../contracts/team.ts';
import type { Message } from '../../../contracts/transcript.ts';
import type { LiveSession } from '../../session/live-session.ts';
import { ContinuesAsNew } from '../../session/continue-as-new.ts';
import type { Answer } from '../../session/state/requests.ts';
import type { AgentWork } from '../../session/turn/agent-work.ts';
import { oneLine } from '../../views/details.ts';
import { answerTo, describeArguments, type PlannedCall, runTool, withEdit } from './run-call.ts';

export type Ask = () => Promise<Answer>;

/** Asks everything and waits for all answers, so that the failure of one leaves no other behind. */
export async function everyAnswer(questions: readonly (Ask | undefined)[]): Promise<(Answer | undefined)[]> {
  const ends = await Promise.allSettled(questions.map(async (ask) => await ask?.()));
  const reasons = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
  const reason = reasons.find((other) => !(other instanceof ContinuesAsNew)) ?? reasons[0];
  if (reason !== undefined) throw reason;
  return ends.map((end) => (end.status === 'fulfilled' ? end.value : undefined));
}

interface Round {
  readonly work: AgentWork;
  readonly planned: readonly PlannedCall[];
  readonly ends: readonly CallEnd[];
}

/**
 * The answers to all calls of a round. People are asked about those whose outcome is unknown.
 * @throws ContinuesAsNew while people are asked; the work then keeps how the other calls ended
 */
export async function settleCalls(
  session: LiveSession,
  turn: RunningTurn,
  { work, planned, ends }: Round,
): Promise<Message[]> {
  let known = ends;
  for (;;) {
    const open = known.map((end) => ('unsettled' in end ? end.unsettled : undefined));
    if (open.every((call) => call === undefined)) break;
    work.keepEnds(known);
    const verdicts = await everyAnswer(open.map((call) => call && (() => askOutcome(session, turn, work, call))));
    known = await Promise.all(
      known.map(async (end, index) => {
        const [one, call, verdict] = [planned[index], open[index], verdicts[index]];
        return one && call && verdict ? await applyVerdict(session, turn, one, call, verdict) : end;
      }),
    );
  }
  return known.flatMap((end) => ('answer' in end ? [end.answer] : []));
}

async function askOutcome(
  session: LiveSession,
  turn: RunningTurn,
  { state: { agent, step } }: AgentWork,
  call: UnsettledCall,
): Promise<Answer> {
  const { tool, arguments: argumentsText, editedBy: _, ...unknown } = call;
  const facts = toolFacts(session.state.team.definition, tool);
  const what = oneLine(`${tool} ${describeArguments(argumentsText)}`);
  const again = unknown.attempt > 1 ? ` (attempt ${unknown.attempt})` : '';
  return await session.requests.ask(turn, {
    key: `outcome/${unknown.key}/${unknown.attempt}`,
    kind: 'outcome',
    question: `Did ${what} take effect? It was begun at ${unknown.startedAt}${again}, and ${unknown.problem}.`,
    options: ['done', 'not-done', 'try-again'],
    onExpiry: {
      outcome: 'deny',
      words: 'the call is not repeated, and the agent is told that nobody knows whether it took effect',
    },
    ...(facts
      ? { tool: { name: facts.name, category: facts.category, arguments: argumentsText, covers: { tools: [] } } }
      : {}),
    unknown,
    agent,
    ...(step === undefined ? {} : { step }),
  });
}

/** What the person's word means for the call. An expired request leaves it open: the same call asks again. */
async function applyVerdict(
  session: LiveSession,
  turn: RunningTurn,
  planned: PlannedCall,
  unsettled: UnsettledCall,
  { decision, by, text }: Answer,
): Promise<CallEnd> {
  const { call, work } = planned;
  const said = text === undefined ? '' : ` ${by} says: ${text}`;
  const answer = (words: string): CallEnd => answerTo(call, withEdit(words, unsettled));
  switch (decision) {
    case 'done':
      session.turns.settleCall(unsettled.key);
      session.turns.addEffect(work.state.part, oneLine(`${call.name} ${describeArguments(unsettled.arguments)}`));
      return answer(text ?? `This call took effect, as ${by} found out. Its result is lost.`);
    case 'not-done':
      session.turns.settleCall(unsettled.key);
      return answer(`This call did not take effect, as ${by} found out.${said}`);
    case 'try-again':
      return await runTool(session, turn, { ...planned, call: { ...call, arguments: unsettled.arguments } }, unsettled);
    default:
      return answer(
        'Nobody knows whether this call took effect, and it was not repeated. Do not make it again. Say in your answer that its outcome is unknown.',
      );
  }
}

/** What earlier attempts at the same work did outside, for the agent that begins it again. `part` as for the first attempt. */
export function effectsBefore({ effects, unknownCalls }: RunningTurn, part: string): string[] {
  const isOfPart = (name: string): boolean => name === part || name.startsWith(`${part}.`);
  const done = effects.filter((effect) => isOfPart(effect.part)).map(({ what }) => `- ${what}`);
  const open = unknownCalls.map(({ tool, arguments: text }) => `- ${oneLine(`${tool} ${describeArguments(text)}`)}`);
  return [
    ...(done.length === 0
      ? []
      : [section('effects', `Repeat none of it unless you are asked to.\n${done.join('\n')}`)]),
    ...(open.length === 0 ? [] : [section('unknown', open.join('\n'))]),
  ];
}
