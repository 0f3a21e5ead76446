/** Steps of a plan as data: how one begins, and how a turn goes back to one. */
import type { Turn } from '../../../contracts/session.ts';
import type { NextStep, PlannedStep, Step } from '../../../contracts/turn.ts';

/** A step that has not run, with a key that is its first number. */
export function newStep({ agent, task, notes, alongside = false }: PlannedStep, number: number, key = number): Step {
  return {
    agent,
    task,
    notes,
    number,
    key,
    status: 'pending',
    attempts: 0,
    tries: 0,
    summary: '',
    artifacts: [],
    alongside,
    redos: 0,
  };
}

/** Goes back to a step: it and all after it run again. */
export function restarted(turn: Turn, number: number): NextStep {
  delete turn.restartAt;
  delete turn.resumeAt;
  for (const step of turn.steps.slice(number - 1)) Object.assign(step, { status: 'pending', attempts: 0 });
  return { kind: 'step', number };
}
