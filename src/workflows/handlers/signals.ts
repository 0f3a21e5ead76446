/** Signals: they work from the Web UI and from scripts that wait for nothing, and never fail. */
import { setDefaultSignalHandler, setHandler, uuid4 } from '@temporalio/workflow';
import { CopilotError } from '../../contracts/errors.ts';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import { receive } from '../input-check.ts';
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

  // A signal, since one command of the `temporal` CLI sends it to all sessions of an old build.
  setHandler(messages.move, () => void (session.nextRun.isWanted = true));

  setHandler(undecodableSignal, (name, problem) =>
    session.view.note(`Signal "${shortName(name)}" was ignored: ${problem}.`),
  );
  // Set last, since it also takes all signals that came before there was a handler.
  setDefaultSignalHandler((name) =>
    session.view.note(`Signal "${shortName(name)}" was ignored: there is no such signal.`),
  );
}

/** The sender of a signal chooses its name, of up to 1,000 bytes. */
function shortName(name: string): string {
  return oneLine(name, MAX_NAME);
}
