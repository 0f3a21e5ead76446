/**
 * A scripted model that calls the tools a message names: `use everything.echo with {"message": "hi"}`. Several of these,
 * joined by `, then `, become a plan with a step for each.
 */
import { wireName } from '../../src/models/tool-names.ts';
import type { ModelServer, ScriptedReply } from './model-server.ts';
import { calling } from './replies.ts';
import { playTeam, type ScriptedCall } from './team-script.ts';

const USE = /^use (\S+) with (\{.*\})$/;

export function playToolCalls(model: ModelServer): void {
  playTeam(model, { instead: replyByName });
}

/** Undefined for calls of other phases, and for messages that name no tool. */
export function replyByName(call: ScriptedCall): ScriptedReply | undefined {
  const { phase, last, lastRole, task } = call;
  const wishes = last.split(', then ');
  const steps = wishes.map((task) => ({ agent: 'engineer', task, notes: '' }));
  if (phase === 'planning') return { json: { steps } };
  if (phase === 'inline' && lastRole !== 'tool' && wishes.length > 1) return calling(['make_plan', { steps }]);
  // The brief of the final answer has the summaries of the steps.
  if (phase === 'answer') return { text: last };
  if (phase !== 'one-shot' && phase !== 'inline' && phase !== 'step') return undefined;
  const [, name = '', args = '{}'] = USE.exec(phase === 'step' ? task : lastUserText(call)) ?? [];
  if (name === '') return undefined;
  if (lastRole !== 'tool') return { toolCalls: [{ name: wireName(name), arguments: args }] };
  const text = `${name} gave: ${last}`;
  return phase === 'step'
    ? { toolCalls: [{ name: 'report_step', arguments: { status: 'done', summary: text } }] }
    : { text };
}

function lastUserText({ messages }: ScriptedCall): string {
  return messages.findLast(([role]) => role === 'user')?.[1] ?? '';
}
