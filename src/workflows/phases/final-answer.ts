/** The final answer of a plan, written from the summaries of its steps. */
import type { NextStep, RunningTurn } from '../../contracts/session-state.ts';
import type { LiveSession } from '../session/live-session.ts';
import { writeTurnReports } from './reports.ts';
import { completed, runRounds } from './agent/rounds.ts';

export async function writeFinalAnswer(session: LiveSession, turn: RunningTurn): Promise<NextStep> {
  const { agent } = session.state.team.definition.answering;
  const steps = turn.steps.map(({ number, task, status, summary }) => `## ${number}. ${task} [${status}]\n${summary}`);
  const files = turn.artifacts.map((path) => `- ${path}`);
  const result = await runRounds(session, turn, {
    phase: 'answer',
    agent,
    part: 'answer',
    first: {
      role: 'user',
      text: `# Task\n${turn.task}\n\n# Steps\n${steps.join('\n\n')}\n\n# Files written\n${files.join('\n') || 'None.'}`,
    },
  });
  await writeTurnReports(session, turn);
  return { kind: 'end', outcome: completed(result) };
}
