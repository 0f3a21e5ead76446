/** The first state of a session, and the bounds that keep the carried state small. */
import { MAX_RECENT_TURNS, MAX_RECENT_TURNS_TEXT } from '../../../contracts/limits.ts';
import { utf8Bytes } from '../../../contracts/json.ts';
import { SessionExport } from '../../../contracts/export.ts';
import { type SessionInput, SessionStart, type SessionState, type Turn } from '../../../contracts/session.ts';
import { advance, EMPTY_TRANSCRIPT, type Message, placeholder } from '../../../contracts/transcript.ts';
import { isSettled, type TurnView } from '../../../contracts/turn.ts';
import { accept, check } from '../../input-check.ts';
import { DurableContext } from '../../context/context.ts';

/**
 * The state that a run begins with.
 * @param isContinued whether an earlier run gave this input: what that carries is taken as it is, and from nobody else
 * @throws InvalidInput where the input is of no known form
 */
export function restore(input: SessionInput, now: string, isContinued: boolean): SessionState {
  if (isContinued && 'carried' in input) return { ...input.carried, runs: input.carried.runs + 1 };
  // Others than our clients may start a session, with whatever they like.
  const { start } = Object(input) as { readonly start?: unknown }; // an empty object where there is none
  return freshState(accept(SessionStart, start, 'Input of the workflow'), now);
}

function freshState({ from, ...start }: SessionStart, now: string): SessionState {
  const file = from === undefined ? undefined : check(SessionExport, from, 'Exported session');
  const context = file ? DurableContext.fromJSON(file.context) : new DurableContext();
  context.update(start.context, now);
  const state: SessionState = {
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
    requests: [],
    requestCount: 0,
    decisions: [],
    grants: [],
    segments: [],
    ratings: [],
    responses: { count: 0, totalMs: 0 },
    progressSeq: 0,
    runs: 1,
  };
  return file ? continued(state, file) : state;
}

/** A new session that knows what the exported one knew. */
function continued(state: SessionState, { session, conversation, turns, usage, ratings }: SessionExport): SessionState {
  const recent = turns.filter(({ status }) => isSettled(status)).map((view) => turnOf(view, conversation));
  const numbers = [...turns, ...conversation].map((item) => Number(/^turn-(\d+)$/.exec(idOf(item) ?? '')?.[1] ?? 0));
  const known: SessionState = {
    ...state,
    version: session.version,
    turnCount: session.turnCount,
    // The next turn must not take an id that is taken.
    messageCount: Math.max(0, ...numbers),
    recent,
    remembered: recent.map(({ messageId, id }) => [messageId, id]),
    usage,
    ratings: [...(ratings ?? [])],
    ...(session.saved ? { saved: session.saved } : {}),
  };
  appendMessages(known, conversation);
  return known;
}

const idOf = (item: TurnView | Message): string | undefined =>
  'id' in item ? item.id : 'turnId' in item ? item.turnId : undefined;

function turnOf(view: TurnView, conversation: readonly Message[]): Turn {
  const text = conversation.find((message) => message.role === 'user' && message.turnId === view.id)?.text ?? '';
  return {
    ...view,
    text,
    task: text,
    phase: 'idle',
    next: { kind: 'end', outcome: { status: 'interrupted', reply: view.reply } },
    steps: view.steps.map((step) => ({
      ...step,
      notes: '',
      artifacts: [],
      key: step.number,
      tries: step.attempts,
      alongside: false,
      redos: 0,
    })),
    works: [],
    isInTranscript: true,
  } as Turn; // zod types an absent key as one that may be undefined
}

/** Puts another conversation in the place of the live one. */
export function replaceMessages(state: SessionState, messages: readonly Message[]): void {
  const address = { ...EMPTY_TRANSCRIPT, epoch: state.transcript.address.epoch + 1 };
  state.transcript = { address, messages: [], bytes: 0 };
  appendMessages(state, messages);
}

/** Appends to the live transcript. */
export function appendMessages(state: SessionState, messages: readonly Message[]): void {
  const { transcript } = state;
  transcript.address = advance(transcript.address, messages);
  transcript.messages.push(...messages);
  transcript.bytes += bytesOf(messages);
}

/** Takes the oldest messages out of the live transcript. */
export function dropMessages(state: SessionState, count: number): void {
  putInPlace(state, count, placeholder(count));
}

/** Puts a summary in the place of the oldest messages. */
export function summariseMessages(state: SessionState, count: number, summary: string): void {
  putInPlace(state, count, placeholder(count, summary));
}

function putInPlace(state: SessionState, count: number, first: Message): void {
  const { address, messages } = state.transcript;
  const live: Message[] = [first, ...messages.slice(count)];
  state.transcript = {
    address: advance({ epoch: address.epoch + 1, length: 0, check: 0 }, live),
    messages: live,
    bytes: bytesOf(live),
  };
}

/** Keeps an ended turn for readers, and forgets the oldest. */
export function rememberTurn(state: SessionState, turn: Turn): void {
  turn.works = [];
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
