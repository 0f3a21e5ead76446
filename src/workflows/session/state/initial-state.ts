/** The state that a run begins with. */
import { workflowInfo } from '@temporalio/workflow';
import { isReservedKey } from '../../../contracts/context.ts';
import { toFailure } from '../../../contracts/errors.ts';
import { SessionExport } from '../../../contracts/export.ts';
import type { SessionStart } from '../../../contracts/session.ts';
import type { SessionInput, SessionState, Turn, TurnState } from '../../../contracts/session-state.ts';
import { EMPTY_TRANSCRIPT, type Message } from '../../../contracts/transcript.ts';
import { isSettled, type TurnView } from '../../../contracts/turn.ts';
import type { Listeners } from '../../../contracts/webhooks.ts';
import { DurableContext } from '../../context/context.ts';
import { check } from '../../input-check.ts';
import { acceptStart, withSharedTeam } from './shared-teams.ts';
import { appendMessages } from './conversation.ts';
import { queuedTurn } from './message-queue.ts';

/**
 * @param isContinued whether this session's run before gave the input. Only then carried state is taken, unchecked.
 * @throws InvalidInput if the input has no known form
 */
export function initialState(input: SessionInput, now: string, isContinued: boolean): SessionState {
  if (isContinued && 'carried' in input) return { ...withSharedTeam(input.carried), runs: input.carried.runs + 1 };
  return freshState(acceptStart(input), now);
}

function freshState({ from, ...start }: SessionStart, now: string): SessionState {
  const file = from === undefined ? undefined : check(SessionExport, from, 'Exported session');
  const context = file ? DurableContext.fromJSON(file.context) : new DurableContext();
  for (const key of Object.keys(start.context)) if (isReservedKey(key)) throw toFailure('ReservedKey', { key });
  context.update(start.context, now);
  const state: SessionState = {
    schemaVersion: 1,
    name: start.name || workflowInfo().workflowId,
    isNamed: start.isNamed && start.name !== '',
    user: start.user ?? null,
    mode: start.mode,
    team: start.team,
    config: start.config,
    nextTeam: null,
    createdAt: now,
    status: 'active',
    suspension: null,
    saved: null,
    version: 1,
    updatedAt: now,
    lastActiveAt: now,
    turnCount: 0,
    messageCount: 0,
    queue: [],
    ...(start.images === undefined ? {} : { attached: start.images }),
    current: null,
    recent: [],
    askers: [],
    listeners: firstListeners(start, now),
    remembered: [],
    transcript: { address: EMPTY_TRANSCRIPT, messages: [], bytes: 0 },
    context: context.toJSON(),
    ephemeral: {},
    usage: {},
    notes: [],
    requests: [],
    requestCount: 0,
    decisions: [],
    grants: [],
    segments: [],
    ratings: [],
    responses: { count: 0, totalMs: 0 },
    progressSeq: 0,
    lastWorker: null,
    runs: 1,
  };
  return file ? continued(state, file) : state;
}

/** Who started a session without our client did not look whether somebody listens, so the session tries it. */
function firstListeners({ listeners = { own: true, all: true }, user }: SessionStart, now: string): Listeners {
  return { own: listeners.own && user !== undefined ? now : null, all: listeners.all ? now : null };
}

/** A new session that knows what the exported one knew. */
function continued(state: SessionState, { session, conversation, turns, usage, ratings }: SessionExport): SessionState {
  const recent = turns.filter(({ status }) => isSettled(status)).map((view) => turnOf(view, conversation));
  const numbers = [...turns, ...conversation].map((item) => Number(/^turn-(\d+)$/.exec(idOf(item) ?? '')?.[1] ?? 0));
  const known: SessionState = {
    ...state,
    version: session.version,
    turnCount: session.turnCount,
    // The next turn must have an id of its own.
    messageCount: Math.max(0, ...numbers),
    recent,
    remembered: recent.map(({ messageId, id }) => [messageId, id]),
    usage,
    ratings: [...ratings],
    saved: session.saved,
  };
  appendMessages(known, conversation);
  return known;
}

const idOf = (item: TurnView | Message): string | undefined =>
  'id' in item ? item.id : 'turnId' in item ? item.turnId : undefined;

function turnOf(view: TurnView, conversation: readonly Message[]): Turn {
  const said = conversation.find((message) => message.role === 'user' && message.turnId === view.id);
  return {
    ...queuedTurn(view.id, view.messageId, said?.text ?? ''),
    number: view.number,
    state: stateOf(view),
    route: view.route === undefined ? null : { kind: view.route, reason: view.routeReason ?? '' },
    steps: view.steps.map((step) => ({
      ...step,
      notes: '',
      artifacts: [],
      key: step.number,
      tries: step.attempts,
      alongside: false,
      redos: 0,
    })),
    usage: view.usage,
    reply: view.reply,
    artifacts: view.artifacts,
    transcribed: 1,
    startedAt: view.startedAt ?? null,
    endedAt: view.endedAt ?? null,
  };
}

/** A turn that was open in the other session does not go on in this one. */
function stateOf({ status, error }: TurnView): TurnState {
  if (status === 'completed') return { status };
  if (status !== 'failed') return { status: 'interrupted' };
  return { status, error: error ?? { type: 'Internal', message: 'the turn failed' }, resumeAt: null };
}
