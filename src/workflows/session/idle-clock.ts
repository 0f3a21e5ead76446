/** Lets an active session expire that nobody has used for a while. */
import { condition, sleep } from '@temporalio/workflow';
import { DEFAULT_IDLE_TIMEOUT_MS } from '../../contracts/limits.ts';
import type { LiveSession } from './live-session.ts';

/** One long timer that is checked when it fires. A new timer for each turn would cost two events a turn. */
export async function watchIdleness(session: LiveSession): Promise<void> {
  for (;;) {
    const leftMs = idleTimeLeftMs(session);
    if (leftMs === undefined || session.isClosing) return;
    if (leftMs <= 0) {
      session.lifecycle.close('expired');
      return;
    }
    await sleep(leftMs);
    // While the session is suspended or busy, `condition` waits without adding events.
    await condition(() => session.isIdle || session.isClosing);
  }
}

/** Milliseconds until the session may expire, if nothing happens before; undefined if it never does. */
function idleTimeLeftMs({ state, isIdle }: LiveSession): number | undefined {
  const { idleTimeoutMs = DEFAULT_IDLE_TIMEOUT_MS } = state.config;
  if (idleTimeoutMs === null) return undefined;
  return isIdle ? Date.parse(state.lastActiveAt) + idleTimeoutMs - Date.now() : idleTimeoutMs;
}
