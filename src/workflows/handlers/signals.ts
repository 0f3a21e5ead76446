/** Signals: they work from the Web UI and from scripts that wait for nothing, and never fail. */
import { setDefaultSignalHandler, setHandler, uuid4, workflowInfo } from '@temporalio/workflow';
import { CopilotError } from '../../contracts/errors.ts';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import { listen, ListenPayload } from '../../contracts/webhooks.ts';
import { receive } from '../input-check.ts';
import { openQuestion, takeMessage } from './conversation.ts';
import { undecodableSignal } from './message-filter.ts';
import type { LiveSession } from '../session/live-session.ts';
import { oneLine } from '../views/details.ts';

const MAX_NAME = 100;

export function acceptSignals(session: LiveSession): void {
  // A signal, since it must work from the Web UI and from a script that waits for nothing.
  setHandler(messages.suspend, (payload) => {
    const received = receive(payloads.SuspendPayload, payload ?? undefined);
    if (received.problem !== undefined) return session.view.note(`Signal "suspend" was ignored: ${received.problem}.`);
    session.lifecycle.suspend(received.data?.reason);
    if (received.data?.now) session.calls.pause();
  });

  // A signal, for the same reason; what it brings is a message like any other.
  setHandler(messages.continueSession, (payload) => {
    const received = receive(payloads.ContinuePayload, payload ?? undefined);
    if (received.problem !== undefined) return session.view.note(`Signal "continue" was ignored: ${received.problem}.`);
    if (session.isClosing) return session.view.note('Signal "continue" was ignored: the session is completed.');
    const text = received.data?.message;
    session.lifecycle.resume(text === undefined);
    if (text === undefined) return;
    const { fullness } = session.queue;
    if (fullness) {
      const { message } = new CopilotError('QueueFull', fullness);
      return session.view.note(`The message of a "continue" signal was dropped: ${message}`);
    }
    session.queue.add({ messageId: uuid4(), text });
    session.view.touch();
  });

  // A signal, since a workflow can send another one nothing else.
  setHandler(messages.ask, (payload) => {
    const received = receive(payloads.AskPayload, payload);
    if (received.problem !== undefined) return session.view.note(`Signal "ask" was ignored: ${received.problem}.`);
    takeQuestion(session, received.data);
  });

  // A signal, since an activity sends it to all sessions of an owner and waits for none.
  setHandler(listen, (payload) => {
    const received = receive(ListenPayload, payload);
    if (received.problem !== undefined) return session.view.note(`Signal "listen" was ignored: ${received.problem}.`);
    session.listeners.listen(received.data);
  });

  // A signal, since one command of the `temporal` CLI sends it to all sessions of an old build.
  setHandler(messages.move, () => void (session.continuation.isRequested = true));

  setHandler(undecodableSignal, (name, problem) =>
    session.view.note(`Signal "${shortName(name)}" was ignored: ${problem}.`),
  );
  // Set last, since it also takes all signals that came before there was a handler.
  setDefaultSignalHandler((name) =>
    session.view.note(`Signal "${shortName(name)}" was ignored: there is no such signal.`),
  );
}

/** A message waits while the session is suspended: a workflow has the time, and nobody to read a refusal. */
function takeQuestion(session: LiveSession, question: payloads.AskPayload): void {
  const { askers, lifecycle, queue, state } = session;
  const { from } = question;
  if (question.kind === 'result') {
    askers.awaitResult(from);
    if (question.complete) lifecycle.close('completed');
    return;
  }
  const { message } = question;
  const { messageId } = message;
  const known = queue.turnIdOf(messageId);
  if (known !== undefined) return askers.awaitTurn(from, messageId, known);
  if (session.isClosing) {
    const details = { sessionId: workflowInfo().workflowId, status: state.status };
    return askers.refuse(from, messageId, { type: 'SessionClosed', details });
  }
  const { fullness } = queue;
  if (fullness && !openQuestion(session)) {
    return askers.refuse(from, messageId, { type: 'QueueFull', details: fullness });
  }
  const turn = takeMessage(session, messageId, message);
  session.view.touch();
  if (turn) askers.awaitTurn(from, messageId, turn.id);
}

/** The sender of a signal chooses its name, of up to 1,000 bytes. */
function shortName(name: string): string {
  return oneLine(name, MAX_NAME);
}
