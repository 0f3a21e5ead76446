/** The first state of a session, and the bounds that keep the carried state small. */
import { MAX_RECENT_TURNS, TRANSCRIPT_KEEP_TOKENS, TRANSCRIPT_LIMIT_TOKENS } from '../contracts/limits.ts';
import { type SessionInput, SessionStart, type SessionState, type Turn } from '../contracts/session.ts';
import { advance, EMPTY_TRANSCRIPT, type Message } from '../contracts/transcript.ts';
import { DurableContext } from './context.ts';

/** The state that a run begins with. @throws ZodError where the input is of no known form */
export function restore(input: SessionInput, now: string): SessionState {
  return 'carried' in input ? { ...input.carried, runs: input.carried.runs + 1 } : freshState(SessionStart.parse(input.start), now);
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
    transcript: { address: EMPTY_TRANSCRIPT, messages: [] },
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
  if (tokens(transcript.messages) <= TRANSCRIPT_LIMIT_TOKENS) return;
  let from = transcript.messages.length - 1;
  while (from > 0 && tokens(transcript.messages.slice(from - 1)) <= TRANSCRIPT_KEEP_TOKENS) from -= 1;
  const kept = transcript.messages.slice(from);
  const remark: Message = { role: 'user', text: `[${from} earlier messages of this conversation are not shown here.]` };
  const live = [remark, ...kept];
  state.transcript = {
    address: advance({ epoch: transcript.address.epoch + 1, length: 0, check: 0 }, live),
    messages: live,
  };
}

/** Keeps an ended turn for readers, and forgets the oldest. */
export function rememberTurn(state: SessionState, turn: Turn): void {
  delete turn.thread;
  state.recent.push(turn);
  if (state.recent.length > MAX_RECENT_TURNS) state.recent.shift();
}

/** About four characters a token, which is what model providers state for English text. */
function tokens(messages: readonly Message[]): number {
  return messages.reduce((sum, { text }) => sum + Math.ceil(text.length / 4), 0);
}
