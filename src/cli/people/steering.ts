/** `copilot steer`, `unqueue` and `rate`. */
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { type CommonFlags, readMessage, withClient } from '../connected.ts';
import { parseWholeNumber } from '../numbers.ts';
import { printResult } from '../terminal.ts';
import { showTurn, turnForm } from '../conversation/turns.ts';
import { userName } from './decisions.ts';

export async function runSteer(
  id: string,
  message: string,
  flags: CommonFlags & { readonly wait?: boolean },
): Promise<void> {
  const text = (await readMessage(message)) ?? '';
  await withClient(async (client) => {
    const session = client.session(id);
    const from = flags.wait ? await session.position() : 0;
    const { changed, status, turn } = await session.interrupt({ message: text });
    if (flags.wait && turn) return await showTurn(session, turn, from, flags);
    const view = turn === undefined ? {} : { turn: turnForm(turn) };
    printResult(flags.json, { sessionId: id, changed, status, ...view }, () =>
      [
        changed ? 'The running turn was stopped.' : 'No turn was running.',
        ...(turn ? [`${turn.id} ${turn.status}`] : []),
      ].join('\n'),
    );
  });
}

/** @param message id of the message, or of its turn */
export async function runUnqueue(id: string, message: string, { json }: CommonFlags): Promise<void> {
  await withClient(async (client) => {
    const session = client.session(id);
    const { changed, status } = await session.unqueue(await messageIdOf(session, message));
    printResult(json, { sessionId: id, changed, status }, () =>
      changed ? `${message} is taken back` : `${message} does not wait: nothing changed`,
    );
  });
}

async function messageIdOf(session: SessionHandle, message: string): Promise<string> {
  if (!message.startsWith('turn-')) return message;
  return (await session.turns()).find(({ id }) => id === message)?.messageId ?? message;
}

/** @param turn its id or number */
async function turnIdOf(session: SessionHandle, turn: string): Promise<string> {
  return (await session.turns()).find(({ number }) => String(number) === turn)?.id ?? turn;
}

export async function runRate(
  id: string,
  rating: string,
  flags: CommonFlags & { readonly turn?: string; readonly comment?: string; readonly by?: string },
): Promise<void> {
  const { json, turn, comment, by = userName() } = flags;
  await withClient(async (client) => {
    const session = client.session(id);
    const turnId = turn === undefined ? undefined : await turnIdOf(session, turn);
    const analytics = await session.rate(parseWholeNumber('rating', rating), { turnId, comment, by });
    printResult(json, { sessionId: id, ...analytics }, () => {
      const { ratings, rating: mean } = analytics;
      return `${id} is rated ${mean?.toFixed(1) ?? '-'} (${ratings.length} ${ratings.length === 1 ? 'rating' : 'ratings'})`;
    });
  });
}
