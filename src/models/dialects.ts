/** What the models of one provider turned out to take: for as long as it is open, or for one turn of a conversation. */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Dialect, learn, type Lesson, type Refused } from './dialect.ts';
import type { ModelRequest } from './model.ts';

/** Turns whose lessons are kept. A turn that was forgotten learns them again. */
const MAX_TURNS = 1_000;

/** One request, in the dialect that is known or tried at the moment. */
export interface Attempt {
  readonly dialect: Dialect;
  /** Changes the dialect. @returns undefined if no other words can help */
  learn(refused: Refused): Lesson | undefined;
  /** Remembers what was learnt, since the model has answered. */
  keep(): void;
}

export class Dialects {
  readonly #lasting = new Map<string, Dialect>();
  readonly #turns = new LRUCache<string, Dialect>({ max: MAX_TURNS });

  /** @param first what is taken of a model that was not asked yet */
  attempt(model: string, request: ModelRequest, first: Dialect): Attempt {
    const known = this.#lasting.get(model) ?? first;
    const ofTurn = this.#ofTurn(model, request);
    let dialect = ofTurn ?? known;
    // Without what is about this request alone, and without what is about this turn.
    let turn = dialect;
    let lasting = known;
    let isOfTurn = ofTurn !== undefined;
    return {
      get dialect() {
        return dialect;
      },
      learn: (refused) => {
        const lesson = learn(dialect, refused);
        if (!lesson) return undefined;
        ({ dialect } = lesson);
        if (lesson.holdsFor !== 'request') turn = taught(turn, lesson, refused);
        if (lesson.holdsFor === undefined) lasting = taught(lasting, lesson, refused);
        isOfTurn ||= lesson.holdsFor === 'turn';
        return lesson;
      },
      keep: () => {
        if (lasting !== known) this.#lasting.set(model, lasting);
        const key = isOfTurn && turn !== ofTurn ? turnKeys(model, request)[0] : undefined;
        if (key !== undefined) this.#turns.set(key, turn);
      },
    };
  }

  #ofTurn(model: string, request: ModelRequest): Dialect | undefined {
    if (this.#turns.size === 0) return undefined;
    return turnKeys(model, request)
      .map((key) => this.#turns.get(key))
      .find((dialect) => dialect !== undefined);
  }
}

/** The same lesson for a dialect that knows less. */
function taught(dialect: Dialect, { gaveUp }: Lesson, refused: Refused): Dialect {
  const lesson = learn(dialect, refused);
  return lesson?.gaveUp === gaveUp ? lesson.dialect : dialect;
}

/**
 * What stays the same for all requests of a turn: the message that began it, and the first reply to it. Lessons of the
 * very first request are found by the message alone.
 */
function turnKeys(model: string, { cacheKey, messages }: ModelRequest): string[] {
  const at = messages.findLastIndex(({ role }) => role === 'user');
  const asked = [model, cacheKey, at, messages[at]?.text];
  const reply = messages[at + 1];
  const calls = reply?.role === 'assistant' ? reply.toolCalls : undefined;
  return [...(reply === undefined ? [] : [[...asked, reply.text, calls]]), asked].map((key) =>
    createHash('sha256').update(JSON.stringify(key)).digest('base64url'),
  );
}
