/** The final answer of a plan: as its last step gave it, or written from the summaries of all steps. */
import { section } from '../../contracts/briefs.ts';
import type { NextStep, RunningTurn, TurnOutcome } from '../../contracts/session-state.ts';
import type { LiveSession } from '../session/live-session.ts';
import { answeringAgent } from '../session/policies.ts';
import { writeTurnReports } from './reports.ts';
import type { WorkResult } from './agent/engine-tools.ts';
import { completed, runRounds } from './agent/rounds.ts';

/** @param reply of the last step */
export async function writeFinalAnswer(
  session: LiveSession,
  turn: RunningTurn,
  reply: string | undefined,
): Promise<NextStep> {
  const outcome: TurnOutcome =
    reply === undefined ? completed(await summariseSteps(session, turn)) : { status: 'completed', reply };
  await writeTurnReports(session, turn);
  return { kind: 'end', outcome };
}

function summariseSteps(session: LiveSession, turn: RunningTurn): Promise<WorkResult> {
  const agent = answeringAgent(session.state);
  const steps = turn.steps.map(({ number, task, status, summary }) => `## ${number}. ${task} [${status}]\n${summary}`);
  const files = turn.artifacts.map((path) => `- ${path}`);
  return runRounds(session, turn, {
    phase: 'answer',
    agent,
    part: 'answer',
    first: {
      role: 'user',
      text: [
        section('task', turn.task),
        section('steps', steps.join('\n\n')),
        section('files', files.join('\n') || 'None.'),
      ].join('\n\n'),
    },
  });
}
