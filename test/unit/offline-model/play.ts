/** Plays the engine against the offline model: its requests in their form, and the real tools where a workspace is given. */
import assert from 'node:assert/strict';
import type { ChatMessage, ChatReply, ChatRequest } from '../../../dev/offline-model/chat.ts';
import { replyTo } from '../../../dev/offline-model/model.ts';
import { PlanProposal, RouteDecision } from '../../../src/contracts/turn.ts';

const MAX_ROUNDS = 10;
const AGENTS = `You route.
- one-shot: a single thing.

Agents of this team:
- engineer: Computes data, runs code and commands, reads files.
- researcher: Reads web pages.
- writer: Writes texts.
- charter: Draws charts.

Answer in JSON.`;

export type PlayedCall = readonly [tool: string, args: Readonly<Record<string, unknown>>];

export function routeOf(text: string): RouteDecision {
  return RouteDecision.parse(JSON.parse(reply('route', [user(text)]).text));
}

export function planOf(text: string, ...more: readonly ChatMessage[]): PlanProposal['steps'] {
  return PlanProposal.parse(JSON.parse(reply('plan', [user(text), ...more]).text)).steps;
}

/** The first call of an agent that routes; it has these tools, and may hand over to every agent. */
export function inlineCallOf(text: string, tools: readonly string[], ...more: readonly ChatMessage[]): ChatReply {
  const offered = [
    'make_plan',
    'ask_user',
    ...tools,
    ...['engineer', 'researcher', 'charter'].map((id) => `transfer_to_${id}`),
  ];
  return replyTo({
    model: 'any',
    messages: [{ role: 'system', content: AGENTS }, user(text), ...more],
    tools: offered.map((name) => ({ function: { name } })),
  });
}

export function user(content: string): ChatMessage {
  return { role: 'user', content };
}

/**
 * A direct answer, or a step if `report_step` is among the tools.
 * @param run what a tool gives
 */
export async function playAgent(
  text: string,
  tools: readonly string[],
  run: (...call: PlayedCall) => string | Promise<string>,
): Promise<{ calls: PlayedCall[]; text: string; report: Readonly<Record<string, unknown>> | undefined }> {
  const messages: ChatMessage[] = [{ role: 'system', content: 'You work.' }, user(text)];
  const calls: PlayedCall[] = [];
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    const said = replyTo({ model: 'any', messages, tools: tools.map((name) => ({ function: { name } })) });
    const [call] = said.calls;
    if (!call || call.tool === 'report_step') return { calls, text: said.text, report: call?.args };
    assert.ok(tools.includes(call.tool), `${call.tool} is not offered`);
    calls.push([call.tool, call.args]);
    const id = `call_${round}`;
    messages.push(
      {
        role: 'assistant',
        content: said.text,
        tool_calls: [{ id, function: { name: call.tool, arguments: JSON.stringify(call.args) } }],
      },
      { role: 'tool', tool_call_id: id, content: await run(call.tool, call.args) },
    );
  }
  throw new Error(`not done after ${MAX_ROUNDS} rounds`);
}

function reply(form: 'route' | 'plan', messages: readonly ChatMessage[]): ChatReply {
  const request: ChatRequest = {
    model: 'any',
    messages: [{ role: 'system', content: AGENTS }, ...messages],
    response_format: { json_schema: { name: form, schema: {} } },
  };
  return replyTo(request);
}
