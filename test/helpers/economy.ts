/**
 * What turns of a team cost in calls of a model and in tokens, counted on the requests that its server really got. The
 * script goes by the forms and tools on offer, so that any team can be measured.
 */
import type { CopilotClient, TurnView } from '../../src/client.ts';
import type { ChatRequest } from './chat-wire.ts';
import type { ModelServer, ScriptedReply } from './model-server.ts';
import { countTokens } from './tokens.ts';

export interface TurnCost {
  readonly what: string;
  readonly turn: TurnView;
  readonly calls: number;
  /** Tokens of all requests, and of the first: texts, calls and schemas of tools, by OpenAI's encoding `o200k_base`. */
  readonly tokens: number;
  readonly firstTokens: number;
}

export interface Economy {
  readonly turns: readonly TurnCost[];
  /** The least share of a request that the next one repeats word for word from its beginning: between rounds of an agent. */
  readonly stableOverRounds: number;
  /** The same between the first requests of one turn and the next. */
  readonly stableOverTurns: number;
}

const PLAN = ['Compute one', 'Compute two', 'Compute three'].map((task) => ({ agent: 'engineer', task, notes: '' }));
const MESSAGES = {
  'a direct answer': 'Hello, what can you help me with?',
  'an answer with one tool': 'Compute 19 * 23, please.',
  'a plan of three steps, one tool each': 'Plan three sums, and carry them out.',
  'a direct answer after that': 'Thank you. What was the last one?',
};

/** One session, a turn of each kind. */
export async function measureEconomy(copilot: CopilotClient, model: ModelServer): Promise<Economy> {
  model.respond(respond);
  const session = await copilot.create({ mode: 'copilot' });
  const turns: TurnCost[] = [];
  const firsts: string[] = [];
  const shares: number[] = [];
  for (const [what, message] of Object.entries(MESSAGES)) {
    const from = model.requests.length;
    const turn = await session.send(message);
    const bodies = model.requests.slice(from).map(({ body }) => body);
    const tokens = bodies.map(tokensOf);
    const sum = tokens.reduce((total, count) => total + count, 0);
    turns.push({ what, turn, calls: bodies.length, tokens: sum, firstTokens: tokens[0] ?? 0 });
    firsts.push(...bodies.slice(0, 1).map(serialised));
    shares.push(...sharesOf(bodies.filter(sameAsBefore).map((body) => [bodies[bodies.indexOf(body) - 1], body])));
  }
  return {
    turns,
    stableOverRounds: Math.min(...shares),
    stableOverTurns: Math.min(...firsts.slice(1).map((text, index) => repeatedShare(firsts[index] ?? '', text))),
  };
}

/** Whether a request goes on in the conversation of the one before it. */
function sameAsBefore(body: ChatRequest): boolean {
  return body.messages.at(-1)?.role === 'tool';
}

function sharesOf(pairs: readonly (readonly [ChatRequest | undefined, ChatRequest])[]): number[] {
  return pairs.flatMap(([before, body]) => (before ? [repeatedShare(serialised(before), serialised(body))] : []));
}

/** Share of `before` that stands at the beginning of `after`. */
function repeatedShare(before: string, after: string): number {
  let length = 0;
  while (length < before.length && before[length] === after[length]) length += 1;
  return length / before.length;
}

/** Tools stand before the messages in a model's prompt. */
function serialised({ tools = [], messages }: ChatRequest): string {
  return JSON.stringify(tools) + JSON.stringify(messages).slice(0, -1);
}

function tokensOf({ tools = [], messages }: ChatRequest): number {
  const texts = messages.map(({ content }) => (typeof content === 'string' ? content : JSON.stringify(content ?? '')));
  const calls = messages.flatMap((message) => ('tool_calls' in message ? [JSON.stringify(message.tool_calls)] : []));
  const schemas = tools.map((tool) => JSON.stringify(tool.function));
  return [...texts, ...calls, ...schemas].reduce((sum, text) => sum + countTokens(text), 0);
}

function respond(request: ChatRequest): ScriptedReply {
  const { messages, tools = [] } = request;
  const said = JSON.stringify(messages.findLast(({ role }) => role === 'user')?.content ?? '');
  const hasResult = messages.at(-1)?.role === 'tool';
  const find = (name: string) => tools.find((tool) => tool.function.name === name);
  const call = (name: string, args: object): ScriptedReply => ({ toolCalls: [{ name, arguments: args }] });
  const wantsPlan = said.includes('Plan three');
  const form = JSON.stringify(request.response_format ?? '');
  if (form.includes('"route"')) {
    const route = wantsPlan ? 'planned' : 'one-shot';
    return { json: { route, primaryAgent: 'engineer', refinedTask: '', questions: [], reason: 'scripted' } };
  }
  if (form.includes('"plan"')) return { json: { steps: PLAN } };
  if (form.includes('"review"')) return { json: { approved: true, feedback: '' } };
  const report = find('report_step');
  if (report && hasResult) {
    const mayAnswer = JSON.stringify(report).includes('"answer"');
    const summary = 'The sum is 437.';
    return call('report_step', { status: 'done', summary, ...(mayAnswer ? { answer: 'The sums are 437.' } : {}) });
  }
  if (wantsPlan && find('make_plan')) return call('make_plan', { steps: PLAN });
  if (!hasResult && (report || said.includes('Compute'))) return call('calculate', { expression: '19 * 23' });
  return { text: 'It is 437.' };
}
