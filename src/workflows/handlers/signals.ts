/** Signals: they work from the Web UI and from scripts that wait for nothing, and never fail. */
import { setDefaultSignalHandler, setHandler, uuid4 } from '@temporalio/workflow';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import { receive } from '../input-check.ts';
import { unusableSignal } from './message-filter.ts';
import type { LiveSession } from '../session/live-session.ts';
import { oneLine } from '../views/details.ts';
import { resume, suspend } from './status.ts';

const MAX_NAME = 100;

export function acceptSignals(session: LiveSession): void {
  // A signal, since it must work from the Web UI and from a script that waits for nothing.
  setHandler(messages.suspend, (payload) => {
    const received = receive(payloads.SuspendPayload, payload ?? undefined);
    if (received.problem !== undefined) return session.note(`Signal "suspend" was ignored: ${received.problem}.`);
    suspend(session, received.data?.reason);
    if (received.data?.now) session.stopCalls();
  });

  // A signal, for the same reason; what it brings is a message like any other.
  setHandler(messages.continueSession, (payload) => {
    const received = receive(payloads.ContinuePayload, payload ?? undefined);
    if (received.problem !== undefined) return session.note(`Signal "continue" was ignored: ${received.problem}.`);
    if (session.isClosing) return session.note('Signal "continue" was ignored: the session is completed.');
    const text = received.data?.message;
    resume(session, text === undefined);
    if (text === undefined) return;
    if (session.isQueueFull) {
      return session.note(
        `The message of a "continue" signal was dropped: ${session.state.queue.length} messages wait already.`,
      );
    }
    session.enqueue({ messageId: uuid4(), text });
    session.touch();
  });

  // A signal, since one command of the `temporal` CLI sends it to all sessions of an old build.
  setHandler(messages.move, () => void (session.isMoveWanted = true));

  setHandler(unusableSignal, (name, problem) => session.note(`Signal "${named(name)}" was ignored: ${problem}.`));
  // The last, since it takes all that came before there was a handler.
  setDefaultSignalHandler((name) => session.note(`Signal "${named(name)}" was ignored: there is no such signal.`));
}

/** Whoever sends a signal chooses its name, of up to 1,000 bytes. */
function named(name: string): string {
  return oneLine(name, MAX_NAME);
}
