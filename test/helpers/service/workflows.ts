/** Workflows of a service whose worker hosts sessions. */
import { ApplicationFailure, condition, continueAsNew, proxyActivities } from '@temporalio/workflow';
import { openSession, startSession } from '../../../src/workflows/sessions.ts';
import type * as own from './activities.ts';

const { archive, plan } = proxyActivities<typeof own>({ startToCloseTimeout: '30s' });

export interface Order {
  readonly id: string;
  /** Of the session, from the second run on. */
  readonly sessionId?: string;
  readonly replies?: readonly string[];
}

export interface Handled {
  readonly replies: readonly string[];
  readonly status: string;
  readonly archived: string;
  readonly turns: number;
}

/** Starts a session, asks it, continues as new, asks it again, and ends it. */
export async function handleOrder({ id, sessionId, replies = [] }: Order): Promise<Handled> {
  if (sessionId === undefined) {
    const session = await startSession({ id: `session-of-${id}`, user: 'service', mode: 'one-shot' });
    const turn = await session.send(await plan(id), { messageId: 'first' });
    return await continueAsNew<typeof handleOrder>({ id, sessionId: session.id, replies: [turn.reply] });
  }
  const session = openSession(sessionId);
  // A run that knows nothing of the first answer gets it by sending the message again.
  const again = await session.send('the same message', { messageId: 'first' });
  const second = await session.send('Anything else?', { messageId: 'second' });
  const { info } = await session.complete();
  return {
    replies: [...replies, again.reply, second.reply],
    status: info.status,
    archived: await archive(id),
    turns: info.turns,
  };
}

/** Asks a session that waits for a person's approval, and continues as new before the answer. */
export async function askApproval({ id, sessionId }: Order): Promise<string> {
  if (sessionId === undefined) {
    const session = await startSession({ id: `session-of-${id}`, user: 'service', mode: 'hitl-interactive' });
    void session.send('Write the file', { messageId: 'write' }).catch(() => undefined);
    return await continueAsNew<typeof askApproval>({ id, sessionId: session.id });
  }
  const turn = await openSession(sessionId).send('Write the file', { messageId: 'write' });
  return `${turn.status}: ${turn.reply}`;
}

/** What a session that cannot be used says. */
export async function askInVain(what: 'team' | 'closed' | 'missing' | 'id', id: string): Promise<string> {
  try {
    if (what === 'team') await startSession({ team: 'no-such-team' });
    if (what === 'id') await startSession({ id });
    await openSession(what === 'missing' ? 'no-such-session' : id).send('Hello', { messageId: `late-${id}` });
    return 'answered';
  } catch (error) {
    return error instanceof Error && 'type' in error ? String(error.type) : String(error);
  }
}

/** What is said of calls that no session could read, each with the type of its error. */
export async function askWrongly(): Promise<string[]> {
  const session = await startSession({ mode: 'one-shot' });
  const calls = [
    () => session.send(''),
    () => session.send('x'.repeat(3_000_000)),
    () => session.send('Hello', { messageId: '' }),
    () => session.suspend('x'.repeat(1_001)),
    async () => openSession('no id').send('Hello'),
  ];
  const said = [];
  for (const call of calls) {
    try {
      await call();
      said.push('answered');
    } catch (error) {
      said.push(error instanceof ApplicationFailure ? `${error.type}: ${error.message}` : String(error));
    }
  }
  await session.complete();
  return said;
}

/** Waits for the end of a session that somebody else ends. */
export async function awaitEnd(id: string): Promise<string> {
  const { info } = await openSession(id).result();
  return info.status;
}

/** Asks a session that continues as new while it works on the answer. */
export async function askAcrossRuns(id: string): Promise<{ status: string; runs: number }> {
  const session = await startSession({ id, mode: 'planning-control', config: { historyLimit: 40 } });
  const { status } = await session.send('Write them', { messageId: 'write' });
  const { info } = await session.complete();
  return { status, runs: info.runs };
}

/** Starts a session, and never ends; or goes on in a new run. */
export async function holdSession(
  id: string,
  parentClosePolicy: 'ABANDON' | 'REQUEST_CANCEL',
  continues: boolean,
): Promise<void> {
  await startSession({ id, mode: 'one-shot', parentClosePolicy, ifExists: 'use' });
  if (continues) return await continueAsNew<typeof holdSession>(id, parentClosePolicy, false);
  await condition(() => false);
}

/** Asks a session that workers of another task queue host. */
export async function askElsewhere(taskQueue: string): Promise<string> {
  const session = await startSession({ taskQueue, team: taskQueue, mode: 'one-shot' });
  const { reply } = await session.send('Who are you?');
  const { info } = await session.complete();
  return `${reply}, ${info.status}`;
}
