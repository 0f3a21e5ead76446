/** Queries: they read what the session knows, and add nothing to its history. */
import { setHandler } from '@temporalio/workflow';
import { attached, AttachPayload } from '../../contracts/attached.ts';
import * as messages from '../../contracts/messages.ts';
import { EMPTY_TRANSCRIPT } from '../../contracts/transcript.ts';
import type { LiveSession } from '../session/live-session.ts';
import { check } from '../input-check.ts';
import { exportOf, loadedSession } from '../views/export.ts';
import { allTurns, planView, totalUsage, turnView, wholeRequest } from '../views/views.ts';

export function answerQueries(session: LiveSession): void {
  const { state } = session;
  setHandler(messages.info, () => session.info);
  setHandler(messages.transcript, (from = 0, thread) => {
    const running = state.current?.works.find((work) => work.thread.id === thread)?.thread;
    const source = thread === undefined ? state.transcript : running;
    return {
      address: source?.address ?? EMPTY_TRANSCRIPT,
      from,
      messages: source?.messages.slice(from) ?? [],
    };
  });
  setHandler(messages.turns, (from = 0) =>
    allTurns(state)
      .filter(({ number }) => number === 0 || number >= from)
      .map((turn) => turnView(turn, state)),
  );
  setHandler(messages.plan, () => planView(state));
  setHandler(messages.context, () => session.context.view());
  setHandler(messages.usage, () => ({ total: totalUsage(state), byAgent: state.usage }));
  setHandler(messages.team, () => state.team);
  setHandler(messages.request, (id) => wholeRequest(id, state));
  setHandler(messages.formVerdict, (key) => session.forms.verdictOf(key));
  setHandler(messages.decisions, () => state.decisions);
  setHandler(messages.segments, () => state.segments);
  setHandler(messages.progress, (from, readsHeartbeats) => session.view.progressFrom(from, readsHeartbeats));
  setHandler(messages.isReadByHeartbeat, (activityId) => session.view.isReadByHeartbeat(activityId));
  setHandler(attached, (signs) => session.clients.note(check(AttachPayload, signs, 'attached')));
  const { context } = session;
  setHandler(messages.snapshots, () => context.snapshots);
  setHandler(messages.snapshot, (wanted) => context.snapshot(wanted));
  setHandler(messages.changes, () => context.changes);
  setHandler(messages.contextSize, () => context.measure());
  setHandler(messages.contextDiff, (from, to) => context.diff(from, to));
  setHandler(messages.load, () => loadedSession(session));
  setHandler(messages.exportSession, () => exportOf(session));
}
