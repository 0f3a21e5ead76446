/** Tools that the session itself carries out. Only their descriptions for the model are here. */
import { z } from 'zod';
import { ASK_USER, REMEMBER } from '../contracts/activities.ts';
import { CopilotError } from '../contracts/errors.ts';
import type { Tool } from '../contracts/tool.ts';

const AskUserInput = z.strictObject({
  question: z.string().min(1).describe('One question that is clear without context. Say what the answer changes.'),
});

/** Asks the person. The session waits for the answer, for days if need be, without holding any resource. */
export const askUser: Tool<typeof AskUserInput> = {
  name: ASK_USER,
  description:
    'Asks the person who gave the task and returns the answer. Use it only for what you cannot find out and must not guess.',
  effects: 'none',
  category: 'conversation',
  timeoutMs: 1_000,
  input: AskUserInput,
  run: () => Promise.reject(sessionOnly(ASK_USER)),
};

const RememberInput = z.strictObject({
  key: z.string().min(1).describe('Name of the fact, such as `preferred_units`. An earlier value is replaced.'),
  value: z.json().describe('The fact: text, number, list or object. Keep it short; put long material into files.'),
});

/** Writes to the session's context, which later turns and the instructions of all agents can use. */
export const remember: Tool<typeof RememberInput> = {
  name: REMEMBER,
  description:
    'Keeps a fact for the rest of the session, for other agents and later turns too: a preference of the person, a decision, or a result that will be needed again.',
  effects: 'none',
  category: 'conversation',
  timeoutMs: 1_000,
  input: RememberInput,
  run: () => Promise.reject(sessionOnly(REMEMBER)),
};

function sessionOnly(tool: string): CopilotError {
  return new CopilotError('ToolFailed', { tool, problem: 'only a session can carry it out' });
}
