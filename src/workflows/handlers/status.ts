/** The transitions that people ask for; the table stands in `session.ts`. */
import type { LiveSession } from '../session/live-session.ts';

/** @returns whether it changed anything, like all of these */
export function suspend(session: LiveSession, reason?: string): boolean {
  const { state } = session;
  if (state.status !== 'active') return false;
  state.status = 'suspended';
  state.suspendedAt = new Date().toISOString();
  if (reason !== undefined) state.suspendReason = reason;
  session.record({ type: 'session', status: 'suspended', ...(reason === undefined ? {} : { reason }) });
  session.touch();
  session.publish();
  return true;
}

/** Makes a suspended session active, and where it is asked for takes up the turn that failed last. */
export function resume(session: LiveSession, takeUpFailed: boolean): boolean {
  const { state } = session;
  if (session.isClosing) return false;
  const wasSuspended = state.status === 'suspended';
  state.status = 'active';
  if (state.suspendedAt !== undefined) session.requests.postpone(Date.now() - Date.parse(state.suspendedAt));
  delete state.suspendedAt;
  delete state.suspendReason;
  const tookUp = takeUpFailed && session.resumeFailed();
  if (!wasSuspended && !tookUp) return false;
  state.lastActiveAt = new Date().toISOString();
  session.record({ type: 'session', status: 'active' });
  session.touch();
  session.publish();
  return true;
}

export function complete(session: LiveSession): boolean {
  if (session.isClosing) return false;
  session.close('completed');
  return true;
}
