/** How the outside reaches a session: queries read, signals never fail, updates are checked before they enter history. */
import { currentUpdateInfo, setDefaultSignalHandler, setHandler, uuid4, workflowInfo } from '@temporalio/workflow';
import { toFailure } from '../contracts/errors.ts';
import * as messages from '../contracts/messages.ts';
import type { StatusChange } from '../contracts/messages.ts';
import { NO_USAGE } from '../contracts/json.ts';
import { EMPTY_TRANSCRIPT } from '../contracts/transcript.ts';
import type { TurnView } from '../contracts/turn.ts';
import { check, problemOf } from './check.ts';
import type { LiveSession } from './live-session.ts';
import { allTurns, planView, totalUsage, turnView } from './views.ts';

export function answerQueries(session: LiveSession): void {
  const { state } = session;
  setHandler(messages.info, () => session.info);
  setHandler(messages.transcript, (from = 0, thread) => {
    const running = state.current?.thread;
    const source = thread === undefined ? state.transcript : running?.id === thread ? running : undefined;
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
  setHandler(messages.context, () => session.context.toJSON());
  setHandler(messages.usage, () => ({ total: totalUsage(state), byAgent: state.usage }));
  setHandler(messages.team, () => state.team);
  setHandler(messages.progress, (from) => session.progress(from));
}

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

export function acceptUpdates(session: LiveSession): void {
  // An update, since the sender wants to know that the message is in, and then the outcome.
  setHandler(
    messages.send,
    async (message): Promise<TurnView> => {
      const messageId = idOf(message);
      const knownId = session.rememberedTurnId(messageId);
      const turn =
        knownId === undefined ? session.enqueue({ messageId, text: message.text }) : session.findTurn(knownId);
      if (!turn) return forgottenTurn(session, knownId ?? '', messageId);
      session.touch();
      return await session.follow(turn);
    },
    { validator: (message) => checkSend(session, message) },
  );

  // An update, since it waits; refused, at no cost in history, where too many wait already.
  setHandler(
    messages.awaitTurn,
    async ({ turnId }) => {
      const turn = session.findTurn(turnId);
      return turn ? await session.follow(turn) : forgottenTurn(session, turnId, '');
    },
    {
      validator: (payload) => {
        const { turnId } = check(messages.AwaitTurnPayload, payload, 'awaitTurn');
        const turn = session.findTurn(turnId);
        const number = Number(/^turn-(\d+)$/.exec(turnId)?.[1] ?? Number.NaN);
        if (!turn && !(number <= session.state.messageCount)) {
          throw toFailure('InvalidInput', { what: `turnId "${turnId}"`, problem: 'this session has no such turn' });
        }
        if (!session.canWait) throw toFailure('TooManyWaiting', {});
      },
    },
  );

  // An update, since the caller wants to know whether there was anything to stop.
  setHandler(messages.interrupt, (): StatusChange => ({ changed: session.interrupt(), status: session.state.status }), {
    validator: (payload) => void check(messages.InterruptPayload, payload, 'interrupt'),
  });

  // An update, since the caller wants to know what holds now.
  setHandler(
    messages.changeStatus,
    ({ status, reason }): StatusChange => {
      const changed =
        status === 'suspended'
          ? suspend(session, reason)
          : status === 'active'
            ? resume(session, true)
            : complete(session);
      return { changed, status: session.state.status };
    },
    { validator: (payload) => void check(messages.ChangeStatusPayload, payload, 'changeStatus') },
  );
}

function checkSend(session: LiveSession, payload: unknown): void {
  const message = check(messages.SendPayload, payload, 'message');
  // A message that came before is answered, whatever holds now.
  if (session.rememberedTurnId(idOf(message)) !== undefined) return;
  const { status, queue } = session.state;
  if (session.isClosing) throw toFailure('SessionClosed', { sessionId: workflowInfo().workflowId, status });
  if (status === 'suspended') {
    const wayOut = `Continue it first: copilot continue ${workflowInfo().workflowId}`;
    throw toFailure('WrongState', { needs: 'active', status, wayOut });
  }
  if (session.isQueueFull) throw toFailure('QueueFull', { waiting: queue.length });
}

/** The id that the sender chose; without one, the update's own. */
function idOf({ messageId }: messages.SendPayload): string {
  return messageId ?? currentUpdateInfo()?.id ?? uuid4();
}

function suspend(session: LiveSession, reason?: string): boolean {
  const { state } = session;
  if (state.status !== 'active') return false;
  state.status = 'suspended';
  if (reason !== undefined) state.suspendReason = reason;
  session.record({ type: 'session', status: 'suspended', ...(reason === undefined ? {} : { reason }) });
  session.touch();
  session.publish();
  return true;
}

/** Makes a suspended session active, and where it is asked for takes up the turn that failed last. */
function resume(session: LiveSession, takeUpFailed: boolean): boolean {
  const { state } = session;
  if (session.isClosing) return false;
  const wasSuspended = state.status === 'suspended';
  state.status = 'active';
  delete state.suspendReason;
  const tookUp = takeUpFailed && session.resumeFailed();
  if (!wasSuspended && !tookUp) return false;
  state.lastActiveAt = new Date().toISOString();
  session.record({ type: 'session', status: 'active' });
  session.touch();
  session.publish();
  return true;
}

function complete(session: LiveSession): boolean {
  if (session.isClosing) return false;
  session.state.status = 'completed';
  delete session.state.suspendReason;
  session.interrupt();
  session.record({ type: 'session', status: 'completed' });
  session.touch();
  return true;
}

/** A turn that ended so long ago that only its reply is left, in the live transcript, if that. */
function forgottenTurn(session: LiveSession, id: string, messageId: string): TurnView {
  const said = session.state.transcript.messages.find(
    (message) => message.role === 'assistant' && message.turnId === id,
  );
  return {
    id,
    number: 0,
    messageId,
    status: 'completed',
    reply: said?.text ?? '',
    questions: [],
    steps: [],
    artifacts: [],
    usage: NO_USAGE,
  };
}
