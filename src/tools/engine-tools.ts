/** Tools that the session answers itself: here is only what a model reads of them. */
import { z } from 'zod';
import { ASK_USER, REMEMBER } from '../contracts/activities.ts';
import { CopilotError } from '../contracts/errors.ts';
import type { Tool } from '../contracts/tool.ts';

const AskUserInput = z.strictObject({
  question: z.string().min(1).describe('One question, understandable alone; say what the answer changes.'),
});

/** Asks the person, and waits for the answer without holding anything: minutes or days. */
export const askUser: Tool<typeof AskUserInput> = {
  name: ASK_USER,
  description:
    'Asks the person who gave the task, and gives you the answer. Only for what you cannot find out and must not guess.',
  effects: 'none',
  category: 'conversation',
  timeoutMs: 1_000,
  input: AskUserInput,
  run: () => Promise.reject(answeredElsewhere(ASK_USER)),
};

const RememberInput = z.strictObject({
  key: z.string().min(1).describe('Name of the fact, such as `preferred_units`; an old value of it is replaced.'),
  value: z.json().describe('The fact: text, number, list or object. Short; keep long material in files.'),
});

/** Writes to the session's context, where every later turn and every agent's instructions find it. */
export const remember: Tool<typeof RememberInput> = {
  name: REMEMBER,
  description:
    'Keeps a fact for the rest of the session, also for other agents and later turns: a preference of the person, a decision, a result that will be needed again.',
  effects: 'none',
  category: 'conversation',
  timeoutMs: 1_000,
  input: RememberInput,
  run: () => Promise.reject(answeredElsewhere(REMEMBER)),
};

function answeredElsewhere(tool: string): CopilotError {
  return new CopilotError('ToolFailed', { tool, problem: 'only a session can answer it' });
}
