/** Updates that move the conversation: checked before they enter history, each with an answer. */
import { currentUpdateInfo, setHandler, uuid4, workflowInfo } from '@temporalio/workflow';
import { toFailure } from '../../contracts/errors.ts';
import { NO_USAGE } from '../../contracts/json.ts';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import type { OpenRequest } from '../../contracts/request.ts';
import type { Turn } from '../../contracts/session.ts';
import type { TurnView } from '../../contracts/turn.ts';
import { accept } from '../input-check.ts';
import type { LiveSession } from '../session/live-session.ts';
import { refuseUnusable } from './message-filter.ts';

export function acceptUpdates(session: LiveSession): void {
  refuseUnusable();

  // An update, since the sender wants to know that the message is in, and then the outcome.
  setHandler(
    messages.send,
    (message): TurnView | Promise<TurnView> => {
      const messageId = idOf(message);
      const knownId = session.rememberedTurnId(messageId);
      const turn = knownId === undefined ? take(session, messageId, message) : session.findTurn(knownId);
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
        const { turnId } = accept(payloads.AwaitTurnPayload, payload, 'awaitTurn');
        const turn = session.findTurn(turnId);
        const number = Number(/^turn-(\d+)$/.exec(turnId)?.[1] ?? Number.NaN);
        if (!turn && !(number <= session.state.messageCount)) {
          throw toFailure('InvalidInput', { what: `turnId "${turnId}"`, problem: 'this session has no such turn' });
        }
        if (!session.canWait) throw toFailure('TooManyWaiting', {});
      },
    },
  );
}

function checkSend(session: LiveSession, payload: unknown): void {
  const message = accept(payloads.SendPayload, payload, 'message');
  // A message that came before is answered, whatever holds now.
  if (session.rememberedTurnId(idOf(message)) !== undefined) return;
  requireActive(session);
  const { queue } = session.state;
  if (!openQuestion(session) && session.isQueueFull) throw toFailure('QueueFull', { waiting: queue.length });
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

/** The question that the running turn asks, where it asks one. */
function openQuestion({ requests }: LiveSession): OpenRequest | undefined {
  return requests.waiting.find(({ kind }) => kind === 'input');
}

/** A new message: the answer to what the running turn asks, or a turn of its own. */
function take(session: LiveSession, messageId: string, { text }: payloads.SendPayload): Turn | undefined {
  const question = openQuestion(session);
  if (!question) return session.enqueue({ messageId, text });
  session.rememberMessage(messageId, question.turnId);
  session.requests.decide({ requestId: question.id, decision: 'answer', text, by: session.state.user ?? 'the sender' });
  return session.findTurn(question.turnId);
}

/** The id that the sender chose; without one, the update's own. */
export function idOf({ messageId }: payloads.SendPayload): string {
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
