/** Signals: they work from the Web UI and from scripts that wait for nothing, and never fail. */
import { setDefaultSignalHandler, setHandler, uuid4 } from '@temporalio/workflow';
import * as messages from '../../contracts/messages.ts';
import { problemOf } from '../check.ts';
import type { LiveSession } from '../live-session.ts';
import { resume, suspend } from './status.ts';

export function acceptSignals(session: LiveSession): void {
  // A signal, since it must work from the Web UI and from a script that waits for nothing.
  setHandler(messages.suspend, (payload) => {
    const parsed = messages.SuspendPayload.safeParse(payload ?? undefined);
    if (!parsed.success) return session.note(`Signal "suspend" was ignored: ${problemOf(parsed.error)}.`);
    suspend(session, parsed.data?.reason);
    if (parsed.data?.now) session.stopCalls();
  });

  // A signal, for the same reason; what it brings is a message like any other.
  setHandler(messages.continueSession, (payload) => {
    const parsed = messages.ContinuePayload.safeParse(payload ?? undefined);
    if (!parsed.success) return session.note(`Signal "continue" was ignored: ${problemOf(parsed.error)}.`);
    if (session.isClosing) return session.note('Signal "continue" was ignored: the session is completed.');
    const text = parsed.data?.message;
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

  setDefaultSignalHandler((name) => session.note(`Signal "${name}" was ignored: there is no such signal.`));
}
