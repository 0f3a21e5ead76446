/** The status of the session. README.md has the table of all changes. */
import type { SessionState } from '../../../contracts/session-state.ts';
import type { LiveSession } from '../live-session.ts';

/** Each method returns whether it changed anything. */
export class SessionLifecycle {
  readonly #session: LiveSession;
  readonly #state: SessionState;

  constructor(session: LiveSession, state: SessionState) {
    this.#session = session;
    this.#state = state;
  }

  suspend(reason?: string): boolean {
    const { view } = this.#session;
    if (this.#state.status !== 'active') return false;
    this.#state.status = 'suspended';
    this.#state.suspension = { at: new Date().toISOString(), reason: reason ?? null };
    view.record({ type: 'session', status: 'suspended', ...(reason === undefined ? {} : { reason }) });
    view.touch();
    view.publish();
    return true;
  }

  /** Makes a suspended session active; with `takeUpFailed` it also takes up the turn that failed last. */
  resume(takeUpFailed: boolean): boolean {
    const { isClosing, requests, turns, view } = this.#session;
    const { status, suspension } = this.#state;
    if (isClosing) return false;
    this.#state.status = 'active';
    if (suspension) requests.postpone(Date.now() - Date.parse(suspension.at));
    this.#state.suspension = null;
    const tookUp = takeUpFailed && turns.resumeFailed();
    if (status !== 'suspended' && !tookUp) return false;
    this.#state.lastActiveAt = new Date().toISOString();
    view.record({ type: 'session', status: 'active' });
    view.touch();
    view.publish();
    return true;
  }

  /** Ends the session, and the running turn with what it has. */
  close(status: 'completed' | 'expired'): boolean {
    const { calls, isClosing, turns, view } = this.#session;
    if (isClosing) return false;
    this.#state.status = status;
    turns.interrupt();
    calls.stopAll();
    view.record({ type: 'session', status });
    view.touch();
    return true;
  }
}
