/**
 * Where the events that a follower was given end, so that another follower goes on there: over other processes, runs of
 * the session, and texts that are half written. It is computed from the events alone.
 */
import { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import type { FollowEvent } from './follower.ts';
import { type Shown, extendShown, nothingShown } from './shown-text.ts';

const ShownText = z.strictObject({ start: z.int().min(0), end: z.int().min(0), hash: z.int().min(0) });

/** A model call whose text was given in part. */
const CallPosition = z.strictObject({
  id: z.string(),
  turnId: z.string(),
  step: z.int().optional(),
  attempt: z.int().min(1),
  /** Whether the follower joined during the call, so that text before the first excerpt is not missed. */
  isEarly: z.boolean().optional(),
  text: ShownText,
  reasoning: ShownText,
});
export type CallPosition = z.infer<typeof CallPosition>;

const Position = z.strictObject({
  session: z.string(),
  next: z.int().min(0),
  turns: z.array(z.string()),
  calls: z.array(CallPosition),
  told: z.array(z.tuple([z.string(), z.int()])),
});
/** What a cursor says: the number of the next event, the turns and calls that run there, and the reported attempts. */
export type Position = z.infer<typeof Position>;

/** @throws CopilotError `InvalidInput` if no follower gave this text */
export function parseCursor(cursor: string): Position {
  try {
    return Position.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch (cause) {
    const problem = 'it is no cursor of a follower; pass one that `cursor()` gave';
    throw new CopilotError('InvalidInput', { what: 'after', problem }, { cause });
  }
}

/** Keeps the position behind the events that were given. */
export class Cursor {
  readonly #session: string;
  #next: number;
  readonly #turns: Set<string>;
  readonly #calls: Map<string, CallPosition>;
  readonly #told: Map<string, number>;

  constructor({ session, next, turns, calls, told }: Position) {
    this.#session = session;
    this.#next = next;
    this.#turns = new Set(turns);
    this.#calls = new Map(calls.map((call) => [call.id, call]));
    this.#told = new Map(told);
  }

  get position(): Position {
    return {
      session: this.#session,
      next: this.#next,
      turns: [...this.#turns],
      calls: [...this.#calls.values()],
      told: [...this.#told],
    };
  }

  toString(): string {
    return Buffer.from(JSON.stringify(this.position)).toString('base64url');
  }

  /** Moves behind an event. */
  pass(event: FollowEvent): void {
    if ('seq' in event) this.#next = event.seq + 1;
    switch (event.type) {
      case 'turn-started':
        this.#turns.add(event.turnId);
        return;
      case 'model-started':
        this.#calls.set(event.activityId, newCall(event));
        this.#begin(event);
        return;
      case 'tool-started':
        this.#begin(event);
        return;
      case 'token':
      case 'reasoning':
        this.#extend(event);
        return;
      case 'reset':
        this.#calls.set(event.activityId, newCall({ ...this.#calls.get(event.activityId), ...event }));
        return;
      case 'retry':
        this.#told.set(event.activityId, event.attempt);
        return;
      case 'model-ended':
        this.#calls.delete(event.activityId);
        return;
      case 'turn-ended':
        this.#turns.delete(event.turnId);
        this.#calls.clear();
        for (const id of this.#told.keys()) if (id.startsWith(`${event.turnId}/`)) this.#told.delete(id);
        return;
      default:
    }
  }

  /** A repeated step has calls with the same ids as before. */
  #begin({ turnId, activityId }: { readonly turnId: string; readonly activityId: string }): void {
    this.#turns.add(turnId);
    this.#told.delete(activityId);
  }

  #extend(event: Extract<FollowEvent, { type: 'token' | 'reasoning' }>): void {
    const { activityId, attempt, offset, text } = event;
    const call = this.#calls.get(activityId) ?? newCall(event);
    const kind = event.type === 'token' ? 'text' : 'reasoning';
    const shown = call[kind].end === 0 ? { ...nothingShown(), start: offset, end: offset } : call[kind];
    this.#calls.set(activityId, { ...call, attempt, [kind]: extendShown(shown, text) });
  }
}

type Begun = Pick<CallPosition, 'turnId'> & { readonly activityId: string; readonly step?: number | undefined } & {
  readonly attempt?: number;
};

function newCall({ activityId: id, turnId, step, attempt = 1 }: Begun): CallPosition {
  const shown: Shown = nothingShown();
  return { id, turnId, ...(step === undefined ? {} : { step }), attempt, text: shown, reasoning: shown };
}
