/** The first state of a session, and the bounds that keep the carried state small. */
import {
  KEPT_TRANSCRIPT_BYTES,
  MAX_RECENT_TURNS,
  MAX_RECENT_TURNS_TEXT,
  MAX_TRANSCRIPT_BYTES,
} from '../contracts/limits.ts';
import { utf8Bytes } from '../contracts/json.ts';
import { type SessionInput, SessionStart, type SessionState, type Turn } from '../contracts/session.ts';
import { advance, EMPTY_TRANSCRIPT, type Message } from '../contracts/transcript.ts';
import { check } from './check.ts';
import { DurableContext } from './context.ts';

/** The state that a run begins with. @throws InvalidInput where the input is of no known form */
export function restore(input: SessionInput | undefined, now: string): SessionState {
  if (input && 'carried' in input) return { ...input.carried, runs: input.carried.runs + 1 };
  // Clients check before they start a session; this is for whoever starts the workflow by other means.
  return freshState(check(SessionStart, input?.start, 'Input of the workflow'), now);
}

function freshState(start: SessionStart, now: string): SessionState {
  const context = new DurableContext();
  for (const [key, value] of Object.entries(start.context)) context.set(key, value);
  return {
    schemaVersion: 1,
    name: start.name,
    ...(start.user === undefined ? {} : { user: start.user }),
    mode: start.mode,
    team: start.team,
    config: start.config,
    createdAt: now,
    status: 'active',
    version: 1,
    updatedAt: now,
    lastActiveAt: now,
    turnCount: 0,
    messageCount: 0,
    queue: [],
    recent: [],
    remembered: [],
    transcript: { address: EMPTY_TRANSCRIPT, messages: [], bytes: 0 },
    context: context.toJSON(),
    usage: {},
    notes: [],
    progressSeq: 0,
    runs: 1,
  };
}

/** Appends to the live transcript, and lets the oldest messages go when it has grown past its limit. */
export function appendMessages(state: SessionState, messages: readonly Message[]): void {
  const { transcript } = state;
  transcript.address = advance(transcript.address, messages);
  transcript.messages.push(...messages);
  transcript.bytes += bytesOf(messages);
  if (transcript.bytes <= MAX_TRANSCRIPT_BYTES) return;
  let from = transcript.messages.length - 1;
  while (from > 0 && bytesOf(transcript.messages.slice(from - 1)) <= KEPT_TRANSCRIPT_BYTES) from -= 1;
  const remark: Message = { role: 'user', text: `[${from} earlier messages of this conversation are not shown here.]` };
  const live = [remark, ...transcript.messages.slice(from)];
  state.transcript = {
    address: advance({ epoch: transcript.address.epoch + 1, length: 0, check: 0 }, live),
    messages: live,
    bytes: bytesOf(live),
  };
}

/** Keeps an ended turn for readers, and forgets the oldest. */
export function rememberTurn(state: SessionState, turn: Turn): void {
  delete turn.thread;
  state.recent.push(turn);
  while (state.recent.length > MAX_RECENT_TURNS || (state.recent.length > 1 && isTooLarge(state.recent)))
    state.recent.shift();
}

function isTooLarge(turns: readonly Turn[]): boolean {
  return JSON.stringify(turns).length > MAX_RECENT_TURNS_TEXT;
}

function bytesOf(messages: readonly Message[]): number {
  return messages.reduce((sum, { text }) => sum + utf8Bytes(text), 0);
}
