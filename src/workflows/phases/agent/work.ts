/** What an agent is in the middle of: opened once, found again by the next run. */
import { ASK_USER, HANDOFF_PREFIX, REMEMBER } from '../../../contracts/activities.ts';
import { utf8Bytes } from '../../../contracts/json.ts';
import { MAX_WORK_BYTES } from '../../../contracts/limits.ts';
import type { Turn, Work } from '../../../contracts/session.ts';
import { advance, EMPTY_TRANSCRIPT, type Message, type ToolCall } from '../../../contracts/transcript.ts';
import type { LiveSession } from '../../session/live-session.ts';
import { toolPolicy } from '../../session/policies.ts';
import { findAgent } from './call.ts';

export interface Task extends Pick<Work, 'phase' | 'agent' | 'part' | 'step'> {
  readonly first: Message;
}

/** The work of this name in the turn: as it stood in the run before, or new. */
export function openWork(turn: Turn, { phase, agent, part, step, first }: Task): Work {
  const found = turn.works.find((work) => work.part === part);
  if (found) return found;
  const work: Work = {
    part,
    phase,
    ...(step === undefined ? {} : { step }),
    agent,
    handoffs: 0,
    rounds: 0,
    thread: { id: `${turn.id}/${part}`, address: EMPTY_TRANSCRIPT, messages: [] },
    tail: [first],
    calls: [],
    remembered: {},
  };
  turn.works.push(work);
  return work;
}

export function closeWork(turn: Turn, { part }: Pick<Work, 'part'>): void {
  turn.works = turn.works.filter((work) => work.part !== part);
}

const LEFT_OUT = '[Left out, since there was too much to read. Call the tool again where you need its result.]';

/** Keeps the work within its share of what may go along to the next run: the oldest tool results are left out first. */
export function boundWork(turn: Turn, work: Work): void {
  const share = MAX_WORK_BYTES / turn.works.length;
  const { messages } = work.thread;
  // No UTF-16 unit takes more bytes than this; counting them takes time in each replay.
  if (3 * [...messages, ...work.tail].reduce((sum, message) => sum + unitsOf(message), 0) <= share) return;
  work.tail = shortened(work.tail, share / 2);
  const bytes = [...messages, ...work.tail].map(bytesOf);
  let total = bytes.reduce((sum, size) => sum + size, 0);
  if (total <= share) return;
  // More than has to be, so that this does not come again with each round.
  const forgotten = messages.findIndex((_, index) => (total -= bytes[index] ?? 0) <= share / 2);
  leaveOut(work, forgotten < 0 ? messages.length : forgotten + 1);
}

/** Leaves out all tool results but the newest. @returns whether there were any */
export function forgetResults(work: Work): boolean {
  return leaveOut(work, work.thread.messages.length);
}

/** The thread is another one then, which its epoch says. */
function leaveOut({ thread }: Work, count: number): boolean {
  const { messages, address } = thread;
  let hasChanged = false;
  messages.slice(0, count).forEach((message, index) => {
    if (message.role !== 'tool' || message.text.length <= LEFT_OUT.length) return;
    messages[index] = { ...message, text: LEFT_OUT };
    hasChanged = true;
  });
  if (hasChanged) thread.address = advance({ ...EMPTY_TRANSCRIPT, epoch: address.epoch + 1 }, messages);
  return hasChanged;
}

/** Cut in equal parts where together they are too long: a round may have any number of calls. */
function shortened(tail: readonly Message[], maxBytes: number): Message[] {
  if (tail.reduce((sum, message) => sum + bytesOf(message), 0) <= maxBytes) return [...tail];
  // No character takes more than three bytes for each UTF-16 unit.
  const max = Math.floor(maxBytes / tail.length / 3);
  return tail.map((message) =>
    message.role !== 'tool' || message.text.length <= max
      ? message
      : { ...message, text: `${message.text.slice(0, max)}\n\n[Cut after ${max} characters.]` },
  );
}

function bytesOf(message: Message): number {
  return utf8Bytes(message.text) + callsOf(message).reduce((sum, call) => sum + utf8Bytes(call.arguments), 0);
}

function unitsOf(message: Message): number {
  return message.text.length + callsOf(message).reduce((sum, call) => sum + call.arguments.length, 0);
}

function callsOf(message: Message): readonly ToolCall[] {
  return message.role === 'assistant' ? (message.toolCalls ?? []) : [];
}

/** Names of the tools on offer: the agent's own as far as policies allow, and its hand-offs. */
export function toolsOf(session: LiveSession, { phase, agent }: Pick<Work, 'phase' | 'agent'>): string[] {
  // The final answer is written from what the steps report.
  if (phase === 'answer') return [];
  const { tools, handoffs } = findAgent(session, agent);
  return [
    ...tools.filter((name) => toolPolicy(session.state, name) !== 'deny'),
    ...handoffs.map((id) => HANDOFF_PREFIX + id),
  ];
}

/** Whether the engine itself answers calls of this tool. */
export function isEngineTool(name: string): boolean {
  return name === ASK_USER || name === REMEMBER || name.startsWith(HANDOFF_PREFIX);
}
