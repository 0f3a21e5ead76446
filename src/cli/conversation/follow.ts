/** `copilot follow`, and following one turn for commands with `--wait`. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FollowEvent } from '../../client/follow/follower.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import type { TurnView } from '../../contracts/turn.ts';
import { type ShowFlags, thisCli, withClient } from '../connected.ts';
import { ProgressText } from './progress-text.ts';
import { endText, untilDeleted } from './session-end.ts';
import { remark, sayJson } from '../terminal.ts';

/** How long the last events of an ended turn may take to arrive. */
const LAST_EVENTS_MS = 3_000;
/** How long to wait for events of requests, which may have come before. */
const REQUESTS_MS = 1_000;
const LOOK_MS = 20;

export async function runFollow(id: string, flags: ShowFlags & { readonly fromStart?: boolean }): Promise<void> {
  await withClient(async (client) => {
    const text = new ProgressText({ sessionId: id, showsThinking: flags.thinking ?? false });
    const stop = new AbortController();
    process.once('SIGINT', () => stop.abort());
    const session = client.session(id);
    // A session that does not exist is an error here. If it is gone later, somebody has deleted it.
    await session.describe();
    const from = flags.fromStart ? { from: 0 } : {};
    for await (const event of untilDeleted(session.follow({ signal: stop.signal, as: thisCli(), ...from }))) {
      if (flags.json) sayJson(event);
      else text.show(event);
    }
    text.endLine();
    if (!stop.signal.aborted && !flags.json) remark(await endText(session));
  });
}

/**
 * Waits for a turn and shows its events meanwhile.
 * @param from number of the turn's first event, or of an earlier one
 */
export async function watchTurn(
  session: SessionHandle,
  turnId: string,
  { from, show, signal }: { from: number; show: (event: FollowEvent) => void; signal?: AbortSignal },
): Promise<TurnView> {
  const stop = new AbortController();
  const asked = new Set<string>();
  let hasEnded = false;
  const ended = (async () => {
    for await (const event of session.follow({ from, signal: stop.signal, as: thisCli() })) {
      if (!('turnId' in event) || event.turnId === turnId) show(event);
      if (event.type === 'request') asked.add(event.request.id);
      if (event.type === 'turn-ended' && event.turnId === turnId) return;
    }
  })().finally(() => (hasEnded = true));
  // The outcome comes from `awaitTurn`, so a failure to follow is ignored.
  ended.catch(() => undefined);
  try {
    const turn = await session.awaitTurn(turnId, { signal });
    const { status, requests = [] } = turn;
    const isShown = (): boolean => (requests.length > 0 ? requests.every(({ id }) => asked.has(id)) : hasEnded);
    const deadline = Date.now() + (requests.length > 0 ? REQUESTS_MS : LAST_EVENTS_MS);
    while (status !== 'suspended' && !hasEnded && !isShown() && Date.now() < deadline) await sleep(LOOK_MS);
    return turn;
  } finally {
    stop.abort();
  }
}
