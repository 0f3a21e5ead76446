/** Updates that move the conversation: checked before they enter history, each with an answer. */
import { currentUpdateInfo, setHandler, uuid4, workflowInfo } from '@temporalio/workflow';
import { toFailure } from '../../contracts/errors.ts';
import { NO_USAGE } from '../../contracts/json.ts';
import * as messages from '../../contracts/messages.ts';
import type { StatusChange } from '../../contracts/messages.ts';
import type { TurnView } from '../../contracts/turn.ts';
import { check } from '../check.ts';
import type { LiveSession } from '../live-session.ts';
import { complete, resume, suspend } from './status.ts';

export function acceptUpdates(session: LiveSession): void {
  // An update, since the sender wants to know that the message is in, and then the outcome.
  setHandler(
    messages.send,
    (message): TurnView | Promise<TurnView> => {
      const messageId = idOf(message);
      const knownId = session.rememberedTurnId(messageId);
      const turn =
        knownId === undefined ? session.enqueue({ messageId, text: message.text }) : session.findTurn(knownId);
      if (!turn) return forgottenTurn(session, knownId ?? '', messageId);
      session.touch();
      return session.follow(turn);
    },
    { validator: (message) => checkSend(session, message) },
  );

  // An update, since it waits; refused, at no cost in history, where too many wait already.
  setHandler(
    messages.awaitTurn,
    ({ turnId }) => {
      const turn = session.findTurn(turnId);
      return turn ? session.follow(turn) : forgottenTurn(session, turnId, '');
    },
    {
      validator: (payload) => {
        const { turnId } = check(messages.AwaitTurnPayload, payload, 'awaitTurn');
        const turn = session.findTurn(turnId);
        const number = Number(/^turn-(\d+)$/.exec(turnId)?.[1] ?? Number.NaN);
        if (!turn && !(number <= session.state.messageCount)) {
          throw toFailure('InvalidInput', { what: `turnId "${turnId}"`, problem: 'this session has no such turn' });
        }
        if (!session.canWait) throw toFailure('TooManyWaiting', {});
      },
    },
  );

  // An update, since the caller wants to know whether there was anything to stop.
  setHandler(messages.interrupt, (): StatusChange => ({ changed: session.interrupt(), status: session.state.status }), {
    validator: (payload) => void check(messages.InterruptPayload, payload, 'interrupt'),
  });

  // An update, since the caller wants to know what holds now.
  setHandler(
    messages.changeStatus,
    ({ status, reason }): StatusChange => {
      const changed =
        status === 'suspended'
          ? suspend(session, reason)
          : status === 'active'
            ? resume(session, true)
            : complete(session);
      return { changed, status: session.state.status };
    },
    { validator: (payload) => void check(messages.ChangeStatusPayload, payload, 'changeStatus') },
  );
}

function checkSend(session: LiveSession, payload: unknown): void {
  const message = check(messages.SendPayload, payload, 'message');
  // A message that came before is answered, whatever holds now.
  if (session.rememberedTurnId(idOf(message)) !== undefined) return;
  const { status, queue } = session.state;
  if (session.isClosing) throw toFailure('SessionClosed', { sessionId: workflowInfo().workflowId, status });
  if (status === 'suspended') {
    const wayOut = `Continue it first: copilot continue ${workflowInfo().workflowId}`;
    throw toFailure('WrongState', { needs: 'active', status, wayOut });
  }
  if (session.isQueueFull) throw toFailure('QueueFull', { waiting: queue.length });
}

/** The id that the sender chose; without one, the update's own. */
function idOf({ messageId }: messages.SendPayload): string {
  return messageId ?? currentUpdateInfo()?.id ?? uuid4();
}

/** A turn that ended so long ago that only its reply is left, in the live transcript, if that. */
function forgottenTurn(session: LiveSession, id: string, messageId: string): TurnView {
  const said = session.state.transcript.messages.find(
    (message) => message.role === 'assistant' && message.turnId === id,
  );
  return {
    id,
    number: 0,
    messageId,
    status: 'completed',
    reply: said?.text ?? '',
    questions: [],
    steps: [],
    artifacts: [],
    usage: NO_USAGE,
  };
}
