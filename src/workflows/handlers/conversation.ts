/** Updates that move the conversation: checked before they enter history, each with an answer. */
import { currentUpdateInfo, setHandler, uuid4, workflowInfo } from '@temporalio/workflow';
import { toFailure } from '../../contracts/errors.ts';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import type { RunningTurn } from '../../contracts/session-state.ts';
import type { TurnView } from '../../contracts/turn.ts';
import { accept } from '../input-check.ts';
import type { LiveSession } from '../session/live-session.ts';
import type { RequestView } from '../session/state/requests.ts';
import { refuseUndecodableUpdates } from './message-filter.ts';
import { forgottenTurn } from '../views/views.ts';
import { TurnWaiters } from '../session/turn-waiters.ts';

export function acceptMessages(session: LiveSession): void {
  refuseUndecodableUpdates();
  const waiters = new TurnWaiters(session);

  // An update, since the sender wants to know that the message is in, and then the outcome.
  setHandler(
    messages.send,
    (message): TurnView | Promise<TurnView> => {
      const messageId = messageIdOf(message);
      const knownId = session.queue.turnIdOf(messageId);
      const turn = knownId === undefined ? takeMessage(session, messageId, message) : session.turns.find(knownId);
      if (!turn) return forgottenTurn(session.state, knownId ?? '', messageId);
      session.view.touch();
      return waiters.outcomeOf(turn);
    },
    { validator: (message) => checkSend(session, message) },
  );

  // An update, since it waits. It is refused, at no cost in history, if too many wait already.
  setHandler(
    messages.awaitTurn,
    ({ turnId }) => {
      const turn = session.turns.find(turnId);
      return turn ? waiters.outcomeOf(turn) : forgottenTurn(session.state, turnId, '');
    },
    {
      validator: (payload) => {
        const { turnId } = accept(payloads.AwaitTurnPayload, payload, 'awaitTurn');
        const turn = session.turns.find(turnId);
        const number = Number(/^turn-(\d+)$/.exec(turnId)?.[1] ?? Number.NaN);
        if (!turn && !(number <= session.state.messageCount)) {
          throw toFailure('InvalidInput', { what: `turnId "${turnId}"`, problem: 'this session has no such turn' });
        }
        if (waiters.isFull) throw toFailure('TooManyWaiting', {});
      },
    },
  );
}

function checkSend(session: LiveSession, payload: unknown): void {
  const message = accept(payloads.SendPayload, payload, 'message');
  // A message that came before is answered in every state of the session.
  if (session.queue.turnIdOf(messageIdOf(message)) !== undefined) return;
  requireActive(session);
  const { fullness } = session.queue;
  if (fullness && !openQuestion(session)) throw toFailure('QueueFull', fullness);
}

/** @throws SessionClosed, WrongState */
export function requireActive(session: LiveSession): void {
  const { status } = session.state;
  if (session.isClosing) throw toFailure('SessionClosed', { sessionId: workflowInfo().workflowId, status });
  if (status === 'suspended') {
    const wayOut = `Continue it first: copilot continue ${workflowInfo().workflowId}`;
    throw toFailure('WrongState', { needs: 'active', status, wayOut });
  }
}

/** The question that the running turn asks, if it asks one. */
export function openQuestion({ requests }: LiveSession): RequestView | undefined {
  return requests.waiting.find(({ kind }) => kind === 'input');
}

/** A new message: the answer to what the running turn asks, or a turn of its own. */
export function takeMessage(
  session: LiveSession,
  messageId: string,
  { text, images = [], trace }: payloads.SendPayload,
): RunningTurn | undefined {
  const question = openQuestion(session);
  if (!question) return session.queue.add({ messageId, text, images, trace });
  session.queue.remember(messageId, question.turnId);
  session.requests.decide({
    requestId: question.id,
    decision: 'answer',
    text,
    images,
    by: session.state.user ?? 'the sender',
  });
  return session.turns.find(question.turnId);
}

/** The id that the sender chose; without one, the update's own. */
export function messageIdOf({ messageId }: payloads.SendPayload): string {
  return messageId ?? currentUpdateInfo()?.id ?? uuid4();
}
