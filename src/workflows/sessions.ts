/**
 * The public entry `durable-copilot/workflows`: sessions for the workflows of a service. It is workflow code.
 *
 *     const session = await startSession({ team: 'support' });
 *     const turn = await session.send('Summarise the ticket');
 *     const { context } = await session.complete();
 *
 * A workflow that continues as new goes on with the same session by its id: `openSession(id)`.
 */
import { ActivityFailure, ApplicationFailure, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ChildWorkflowCancellationType,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  setHandler,
  startChild,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import { toFailure } from '../contracts/errors.ts';
import type { ImageReference } from '../contracts/image.ts';
import { ask, continueSession, SESSION_WORKFLOW, suspend } from '../contracts/messages.ts';
import { FOUND_ID, FOUND_ID_HINT, MAX_MESSAGE_ID, MAX_REASON, messageProblem } from '../contracts/message-text.ts';
import type { AskPayload } from '../contracts/payloads.ts';
import type { SessionOptions, SessionResult } from '../contracts/session.ts';
import { type SessionAnswer, sessionAnswer } from '../contracts/session-answer.ts';
import { startAttributes } from '../contracts/start-attributes.ts';
import type { TurnView } from '../contracts/turn.ts';
import { serviceActivities } from './activities.ts';

export type { SessionOptions, SessionResult } from '../contracts/session.ts';
export type { TurnView } from '../contracts/turn.ts';

/** A session may be terminated or deleted, and then nobody answers. It is asked again after this time. */
const ASK_AGAIN = '1h';

export interface HostedSessions {
  /** Task queue of the workers that host sessions. Default: that of this workflow. */
  readonly taskQueue?: string;
}

export interface StartSessionOptions extends SessionOptions, HostedSessions {
  /**
   * What becomes of the session when this workflow ends. `ABANDON`, the default: it goes on, until it is completed or
   * expires. `REQUEST_CANCEL`: it completes and is archived. Continuing as new ends a run, too, so a workflow that
   * does so needs `ABANDON`.
   */
  readonly parentClosePolicy?: 'ABANDON' | 'REQUEST_CANCEL';
}

export interface MessageOptions {
  /**
   * The same id is the same message, however often it is sent: by another run of this workflow, too. Default: a new one.
   */
  readonly messageId?: string;
  /** Images of the session's workspace that its models see. */
  readonly images?: readonly ImageReference[];
}

/** A session as a workflow sees it. What waits for people is in the inbox, as for any session. */
export interface WorkflowSession {
  readonly id: string;
  /**
   * Sends a message, and waits until its turn has ended, however long people need for their decisions. While the session
   * is suspended, the message waits. If this workflow is cancelled, the turn goes on.
   * @returns the turn: completed, failed or interrupted
   * @throws ApplicationFailure of type `InvalidInput`, `SessionClosed`, `SessionNotFound`, `QueueFull`
   */
  send(text: string, options?: MessageOptions): Promise<TurnView>;
  /** Waits until the session has ended. @throws ApplicationFailure of type `SessionClosed` if it was terminated, `SessionNotFound` */
  result(): Promise<SessionResult>;
  /** Ends the session, and waits for its result. A running turn is interrupted. @throws as `result` */
  complete(): Promise<SessionResult>;
  /** Nothing new starts until `resume`. @throws ApplicationFailure of type `InvalidInput` */
  suspend(reason?: string): Promise<void>;
  /** Goes on with a suspended session, or with a turn that failed. */
  resume(): Promise<void>;
}

/**
 * Starts a session as a child of this workflow. Its team is found by name on a worker, when the session starts.
 * @throws ApplicationFailure of type `TeamNotFound`, `InvalidTeam`, `UnknownMode`, `InvalidInput`, `ReservedKey`,
 *   `SessionExists`; then there is no session
 */
export async function startSession({
  taskQueue = workflowInfo().taskQueue,
  parentClosePolicy = 'ABANDON',
  ...options
}: StartSessionOptions = {}): Promise<WorkflowSession> {
  const { id, start } = await unwrapped(serviceActivities(taskQueue).copilotPrepareSession(options));
  try {
    await startChild(SESSION_WORKFLOW, {
      workflowId: id,
      taskQueue,
      args: [{ start }],
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      parentClosePolicy,
      // Cancelling this workflow reaches the session in the same cases as its end.
      cancellationType:
        parentClosePolicy === 'ABANDON'
          ? ChildWorkflowCancellationType.ABANDON
          : ChildWorkflowCancellationType.WAIT_CANCELLATION_REQUESTED,
      ...startAttributes(start, new Date()),
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    if (options.ifExists !== 'use') throw toFailure('SessionExists', { sessionId: id });
  }
  return openSession(id, { taskQueue });
}

/** A session by its id, whoever started it. It sends nothing. @throws ApplicationFailure of type `InvalidInput` */
export function openSession(
  id: string,
  { taskQueue = workflowInfo().taskQueue }: HostedSessions = {},
): WorkflowSession {
  listen();
  refuse(`session ${JSON.stringify(id)}`, FOUND_ID.test(id) ? undefined : FOUND_ID_HINT);
  const handle = getExternalWorkflowHandle(id);
  const waitForResult = (complete: boolean): Promise<SessionResult> => askForResult(id, taskQueue, complete);
  return {
    id,
    // A session ignores a question that it cannot read, and would not answer. So it is checked before it is sent.
    send: async (text, { messageId = uuid4(), images } = {}) => {
      refuse('message', messageProblem(text) ?? lengthProblem('messageId', messageId, MAX_MESSAGE_ID));
      refuse('message', messageId === '' ? 'messageId is empty' : undefined);
      return await askForTurn(id, taskQueue, {
        messageId,
        text,
        ...(images === undefined ? {} : { images: [...images] }),
      });
    },
    result: () => waitForResult(false),
    complete: () => waitForResult(true),
    suspend: async (reason) => {
      refuse('suspend', lengthProblem('reason', reason ?? '', MAX_REASON));
      await handle.signal(suspend, reason === undefined ? {} : { reason });
    },
    resume: () => handle.signal(continueSession, {}),
  };
}

/** @throws ApplicationFailure of type `InvalidInput` if there is a problem */
function refuse(what: string, problem: string | undefined): void {
  if (problem !== undefined) throw toFailure('InvalidInput', { what, problem });
}

function lengthProblem(name: string, { length }: string, max: number): string | undefined {
  return length > max ? `${name} is longer than ${max} characters` : undefined;
}

type Message = Extract<AskPayload, { kind: 'message' }>['message'];

async function askForTurn(id: string, taskQueue: string, message: Message): Promise<TurnView> {
  const { messageId } = message;
  const from = workflowInfo().workflowId;
  const answer = await askSession(id, { kind: 'message', from, message }, keyOf(id, messageId));
  if (answer?.kind === 'turn') return answer.turn;
  if (answer?.kind === 'refused') throw toFailure(answer.error.type, answer.error.details);
  const { status, turn } = await unwrapped(
    serviceActivities(taskQueue).copilotReadClosed({ sessionId: id, messageId }),
  );
  if (turn === null) throw toFailure('SessionClosed', { sessionId: id, status });
  return turn;
}

async function askForResult(id: string, taskQueue: string, complete: boolean): Promise<SessionResult> {
  const from = workflowInfo().workflowId;
  const answer = await askSession(id, { kind: 'result', from, complete }, keyOf(id));
  if (answer?.kind === 'result') return answer.result;
  const { status, result } = await unwrapped(serviceActivities(taskQueue).copilotReadClosed({ sessionId: id }));
  if (result === null) throw toFailure('SessionClosed', { sessionId: id, status });
  return result;
}

/** @throws the error itself that an activity has failed with */
async function unwrapped<T>(activity: Promise<T>): Promise<T> {
  try {
    return await activity;
  } catch (error) {
    throw error instanceof ActivityFailure && error.cause instanceof ApplicationFailure ? error.cause : error;
  }
}

/** Answers of sessions that this run has got, by what was asked. */
const answers = new Map<string, SessionAnswer>();
let isListening = false;

function listen(): void {
  if (isListening) return;
  isListening = true;
  setHandler(sessionAnswer, (answer) => {
    answers.set(keyOf(answer.sessionId, answer.kind === 'result' ? undefined : answer.messageId), answer);
  });
}

function keyOf(sessionId: string, messageId?: string): string {
  return JSON.stringify([sessionId, messageId ?? null]);
}

/** Undefined if the session is not there to answer, because it has ended. */
async function askSession(id: string, question: AskPayload, key: string): Promise<SessionAnswer | undefined> {
  const handle = getExternalWorkflowHandle(id);
  answers.delete(key);
  do {
    try {
      await handle.signal(ask, question);
    } catch (error) {
      if (isCancellation(error)) throw error;
      return answers.get(key);
    }
  } while (!(await condition(() => answers.has(key), ASK_AGAIN)));
  return answers.get(key);
}
