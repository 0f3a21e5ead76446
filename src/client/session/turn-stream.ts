/** A message that is being answered: the events of its turn, and the turn. */
import type { TurnView } from '../../contracts/turn.ts';
import type { FollowEvent } from '../follow/follower.ts';

/** What `stream` gives. The message is sent at once; iterate over it for the events, or only ask for the result. */
export interface TurnStream extends AsyncIterable<FollowEvent> {
  /** The turn as it was when the session had stored the message. Rejects as `send` does. */
  readonly turn: Promise<TurnView>;
  /** The settled turn, as `send` returns it: completed, failed, interrupted, suspended, or waiting for a person. */
  result(): Promise<TurnView>;
}

export function streamTurn(
  turn: Promise<TurnView>,
  follow: (turnId: string) => AsyncGenerator<FollowEvent, void, undefined>,
  awaitTurn: (turnId: string) => Promise<TurnView>,
): TurnStream {
  // Whoever asks for the turn gets the error; nobody has to.
  turn.catch(() => undefined);
  return {
    turn,
    result: async () => await awaitTurn((await turn).id),
    async *[Symbol.asyncIterator]() {
      yield* follow((await turn).id);
    },
  };
}
