/** Updates that stop what runs or waits, and that change the session's status. */
import { setHandler } from '@temporalio/workflow';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import type { StatusChange } from '../../contracts/messages.ts';
import { accept } from '../input-check.ts';
import type { LiveSession } from '../session/live-session.ts';
import { messageIdOf, requireActive } from './conversation.ts';

export function acceptControl(session: LiveSession): void {
  // An update, since the caller wants to know whether there was anything to stop.
  setHandler(
    messages.interrupt,
    ({ message, turnId }): StatusChange => {
      const messageId = message && messageIdOf(message);
      const isSentAgain = messageId !== undefined && session.queue.turnIdOf(messageId) !== undefined;
      // A message that is sent again, perhaps into the next run, must not stop the turn that it began.
      const changed = !isSentAgain && session.turns.interrupt(turnId);
      if (message && messageId !== undefined && !isSentAgain) {
        session.queue.add({ ...message, messageId }, true);
        session.view.touch();
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
    ({ messageId }): StatusChange => ({ changed: session.queue.takeBack(messageId), status: session.state.status }),
    { validator: (payload) => void accept(payloads.UnqueuePayload, payload, 'unqueue') },
  );

  // An update, since the caller wants to know what holds now.
  setHandler(
    messages.changeStatus,
    ({ status, reason, now = false }): StatusChange => {
      const changed =
        status === 'suspended'
          ? session.lifecycle.suspend(reason)
          : status === 'active'
            ? session.lifecycle.resume(true)
            : status === 'completed' && session.lifecycle.close('completed');
      if (now && session.state.status === 'suspended') session.calls.pause();
      return { changed, status: session.state.status };
    },
    { validator: (payload) => void accept(payloads.ChangeStatusPayload, payload, 'changeStatus') },
  );
}
