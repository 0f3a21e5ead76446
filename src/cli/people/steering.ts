/** `copilot steer`, `unqueue` and `rate`. */
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { type CommonFlags, readMessage, withClient } from '../connected.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { parseWholeNumber } from '../numbers.ts';
import { changeSessions, type ManyFlags, shiftArguments } from '../session/many.ts';
import { printResult } from '../terminal.ts';
import { showTurn, turnForm } from '../conversation/turns.ts';
import { userName } from './decisions.ts';

export async function runSteer(
  first: string | undefined,
  second: string | undefined,
  flags: ManyFlags & { readonly wait?: boolean },
): Promise<void> {
  const [id, message] = shiftArguments(flags, first, second);
  const text = (await readMessage(required(message, 'message'))) ?? '';
  if (id === undefined || flags.all) {
    return await changeSessions(id, flags, {
      verb: 'steer',
      fits: ['active'],
      work: async (session) => {
        const { changed, status, turn } = await session.interrupt({ message: text });
        return { changed, status, ...(turn ? { turn: turnForm(turn) } : {}) };
      },
      show: (sessionId, { changed }) => `${sessionId}: ${changed ? 'its turn was stopped' : 'no turn was running'}`,
    });
  }
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
  first: string | undefined,
  second: string | undefined,
  flags: ManyFlags & { readonly turn?: string; readonly comment?: string; readonly by?: string },
): Promise<void> {
  const [id, given] = shiftArguments(flags, first, second);
  const rating = parseWholeNumber('rating', required(given, 'rating'));
  const { turn, comment, by = userName() } = flags;
  await changeSessions(id, flags, {
    verb: 'rate',
    fits: ['active', 'suspended'],
    work: async (session) => {
      const turnId = turn === undefined ? undefined : await turnIdOf(session, turn);
      return await session.rate(rating, { turnId, comment, by });
    },
    show: (sessionId, { ratings, rating: mean }) =>
      `${sessionId} is rated ${mean?.toFixed(1) ?? '-'} (${ratings.length} ${ratings.length === 1 ? 'rating' : 'ratings'})`,
  });
}

/** @throws CopilotError `InvalidInput` */
function required(argument: string | undefined, what: string): string {
  if (argument !== undefined) return argument;
  throw new CopilotError('InvalidInput', { what, problem: 'it is missing; give it after the session' });
}
