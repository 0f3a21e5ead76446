/** Tools that the session itself carries out. Only their descriptions for the model are here. */
import { z } from 'zod';
import { ASK_USER, REMEMBER } from '../contracts/activities.ts';
import { CopilotError } from '../contracts/errors.ts';
import { defineTool } from './definition/define-tool.ts';

const AskUserInput = z.strictObject({
  question: z.string().min(1).describe('Clear without context.'),
});

/** Asks the person. The session waits for the answer, for days if need be, without holding any resource. */
export const askUser = defineTool({
  name: ASK_USER,
  description:
    'Asks the person one question and returns the answer. Only for what you cannot find out and must not guess.',
  effects: 'none',
  category: 'conversation',
  timeoutMs: 1_000,
  limits: 'waits for a person as long as `approvals.inputTimeoutMs`',
  parameters: AskUserInput,
  run: () => Promise.reject(sessionOnly(ASK_USER)),
});

const RememberInput = z.strictObject({
  key: z.string().min(1).describe('Such as preferred_units.'),
  value: z.unknown().describe('Short: text, number, list or object.'),
});

/** Writes to the session's context, which later turns and the instructions of all agents can use. */
export const remember = defineTool({
  name: REMEMBER,
  description:
    'Keeps a fact for later turns and other agents: a wish of the person, a decision, a result that is needed again.',
  effects: 'none',
  category: 'conversation',
  timeoutMs: 1_000,
  limits: 'the context of a session has 256 KiB',
  parameters: RememberInput,
  run: () => Promise.reject(sessionOnly(REMEMBER)),
});

function sessionOnly(tool: string): CopilotError {
  return new CopilotError('ToolFailed', { tool, problem: 'only a session can carry it out' });
}
