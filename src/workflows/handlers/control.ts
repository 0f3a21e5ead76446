/** Updates that stop what runs or waits, and that change the session's status. */
import { setHandler } from '@temporalio/workflow';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import type { StatusChange } from '../../contracts/messages.ts';
import { accept } from '../input-check.ts';
import type { LiveSession } from '../session/live-session.ts';
import { rememberTurn } from '../session/state/initial-state.ts';
import { complete, resume, suspend } from './status.ts';
import { idOf, requireActive } from './conversation.ts';

export function acceptControl(session: LiveSession): void {
  // An update, since the caller wants to know whether there was anything to stop.
  setHandler(
    messages.interrupt,
    ({ message }): StatusChange => {
      const messageId = message && idOf(message);
      const isSentAgain = messageId !== undefined && session.rememberedTurnId(messageId) !== undefined;
      // Sent again, perhaps into the next run, it must not stop the turn that it began.
      const changed = !isSentAgain && session.interrupt();
      if (message && messageId !== undefined && !isSentAgain) {
        session.enqueue({ messageId, text: message.text }, true);
        session.touch();
      }
      return { changed, status: session.state.status };
    },
    {
      validator: (payload) => {
        const { message } = accept(payloads.InterruptPayload, payload, 'interrupt');
        // A message that goes first needs a session that will run it, like any other.
        if (message) requireActive(session);
      },
    },
  );

  // An update, since the sender wants to know whether the message was still waiting.
  setHandler(
    messages.unqueue,
    ({ messageId }): StatusChange => ({ changed: unqueue(session, messageId), status: session.state.status }),
    { validator: (payload) => void accept(payloads.UnqueuePayload, payload, 'unqueue') },
  );

  // An update, since the caller wants to know what holds now.
  setHandler(
    messages.changeStatus,
    ({ status, reason, now = false }): StatusChange => {
      const changed =
        status === 'suspended'
          ? suspend(session, reason)
          : status === 'active'
            ? resume(session, true)
            : status === 'completed' && complete(session);
      if (now && session.state.status === 'suspended') session.stopCalls();
      return { changed, status: session.state.status };
    },
    { validator: (payload) => void accept(payloads.ChangeStatusPayload, payload, 'changeStatus') },
  );
}

/** Takes a waiting message back. @returns whether it was waiting */
function unqueue(session: LiveSession, messageId: string): boolean {
  const { state } = session;
  const index = state.queue.findIndex((turn) => turn.messageId === messageId);
  const turn = state.queue[index];
  if (!turn) return false;
  state.queue.splice(index, 1);
  turn.status = 'interrupted';
  rememberTurn(state, turn);
  session.record({ type: 'turn-ended', turnId: turn.id, number: turn.number, status: turn.status });
  session.touch();
  session.publish();
  return true;
}
