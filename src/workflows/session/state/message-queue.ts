/** The messages that wait for their turn, and the ids of those that came before. */
import type { ErrorDetails } from '../../../contracts/errors.ts';
import { imagesField } from '../../../contracts/image.ts';
import { NO_USAGE } from '../../../contracts/json.ts';
import { utf8Bytes } from '../../../contracts/utf8.ts';
import { MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES, MAX_REMEMBERED_MESSAGES } from '../../../contracts/limits.ts';
import { type QueuedMessage, titleOf } from '../../../contracts/session.ts';
import type { RunningTurn, SessionState, Turn } from '../../../contracts/session-state.ts';
import type { LiveSession } from '../live-session.ts';
import { keepEndedTurn } from './ended-turns.ts';

export class MessageQueue {
  readonly #session: LiveSession;
  readonly #state: SessionState;

  constructor(session: LiveSession, state: SessionState) {
    this.#session = session;
    this.#state = state;
  }

  /** Details of `QueueFull` if no more messages are taken. */
  get fullness(): ErrorDetails | undefined {
    const { queue } = this.#state;
    if (queue.length >= MAX_QUEUED_MESSAGES) return { waiting: queue.length };
    const bytes = queue.reduce((sum, { text }) => sum + utf8Bytes(text), 0);
    return bytes > MAX_QUEUED_BYTES ? { waiting: queue.length, bytes, limit: MAX_QUEUED_BYTES } : undefined;
  }

  /** The id of the turn that this message became, even if that turn itself is no longer kept. */
  turnIdOf(messageId: string): string | undefined {
    return this.#state.remembered.find(([known]) => known === messageId)?.[1];
  }

  /** Makes {@link turnIdOf} find the message, so that sending it again changes nothing. */
  remember(messageId: string, turnId: string): void {
    const { remembered } = this.#state;
    remembered.push([messageId, turnId]);
    if (remembered.length > MAX_REMEMBERED_MESSAGES) remembered.shift();
  }

  /** @param isFirst puts it before all others */
  add({ messageId, text, images = [], trace }: QueuedMessage, isFirst = false): RunningTurn {
    const { attached = [] } = this.#state;
    delete this.#state.attached;
    const turn = {
      ...queuedTurn(`turn-${(this.#state.messageCount += 1)}`, messageId, text),
      ...imagesField([...attached, ...images]),
      ...(trace === undefined ? {} : { trace }),
    };
    if (isFirst) this.#state.queue.unshift(turn);
    else this.#state.queue.push(turn);
    this.remember(messageId, turn.id);
    this.#nameSession(text);
    this.#session.view.record({ type: 'queued', turnId: turn.id, messageId });
    return turn;
  }

  /** Takes a waiting message back. @returns whether it was waiting */
  takeBack(messageId: string): boolean {
    const { queue } = this.#state;
    const index = queue.findIndex((turn) => turn.messageId === messageId);
    const [turn] = index < 0 ? [] : queue.splice(index, 1);
    if (!turn) return false;
    this.#interrupt(turn);
    const { view } = this.#session;
    view.record({ type: 'turn-ended', turnId: turn.id, number: turn.number, status: 'interrupted' });
    view.touch();
    view.publish();
    return true;
  }

  /** Takes all messages back when the session closes. */
  clear(): void {
    for (const turn of this.#state.queue.splice(0)) this.#interrupt(turn);
  }

  /** The first message names a session that nobody has named. */
  #nameSession(text: string): void {
    if (this.#state.isNamed) return;
    this.#state.isNamed = true;
    this.#state.name = titleOf(text) ?? this.#state.name;
  }

  #interrupt(turn: Turn): void {
    turn.state = { status: 'interrupted' };
    keepEndedTurn(this.#state, turn);
  }
}

/** A turn that waits for its place. */
export function queuedTurn(id: string, messageId: string, text: string): Turn {
  return {
    id,
    messageId,
    text,
    number: 0,
    state: { status: 'queued' },
    phase: 'idle',
    route: null,
    agent: null,
    task: text,
    steps: [],
    works: [],
    answers: [],
    usage: NO_USAGE,
    spent: {},
    raised: {},
    models: {},
    waitedMs: 0,
    waitingSince: null,
    isShortened: false,
    reply: '',
    artifacts: [],
    effects: [],
    unknownCalls: [],
    takenUp: 0,
    transcribed: 0,
    startedAt: null,
    endedAt: null,
  };
}
