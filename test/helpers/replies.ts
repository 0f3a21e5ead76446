/** Replies of the scripted model as the turn engine reads them. */
import type { RouteDecision } from '../../src/contracts/turn.ts';
import type { ScriptedReply } from './model-server.ts';

/** A round that calls tools. */
export const calling = (...toolCalls: (readonly [name: string, args: object])[]): ScriptedReply => ({
  toolCalls: toolCalls.map(([name, args]) => ({ name, arguments: args })),
});

/** The end of a step; `result` is for an agent whose results have a form. */
export const reporting = (status: 'done' | 'failed', summary: string, result?: object): ScriptedReply =>
  calling(['report_step', { status, summary, ...(result === undefined ? {} : { result }) }]);

/** The end of a step that went well. */
export const done = (summary = 'done'): ScriptedReply => reporting('done', summary);

/** The router's decision for a direct answer of the writer to the message as it is. Tests change parts of it. */
export const DIRECT_ROUTE: RouteDecision = {
  route: 'one-shot',
  primaryAgent: 'writer',
  refinedTask: '',
  questions: [],
  reason: 'scripted',
};
