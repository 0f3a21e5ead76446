/** Asks a person while a call runs: the session puts the form into its inbox, and the call waits here for the answer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import type { RunToolInput } from '../contracts/activities.ts';
import { digestOf } from '../contracts/digest.ts';
import { fromFailure } from '../contracts/errors.ts';
import type { RequestedForm } from '../contracts/form.ts';
import * as messages from '../contracts/messages.ts';
import type { Verdict } from '../contracts/request.ts';
import type { AskPerson, FormAnswer } from '../tools/mcp/reading/elicitation.ts';
import type { ActivityScope } from './scope.ts';

/** Queries add nothing to the session's history. */
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 2_000;
const DIGEST_CHARACTERS = 16;

/**
 * For one attempt of a call. The same question of a call without outside effects that begins again on another worker is
 * the same request: it stays in the inbox, and an answer that was given counts.
 */
export function personOf(scope: ActivityScope, { key: call, attempt = 0 }: RunToolInput): AskPerson {
  const { client } = Context.current();
  const session = client.workflow.getHandle(scope.sessionId, scope.runId);
  let asked = 0;
  return async ({ question, form }, signal) => {
    asked += 1;
    const digest = digestOf({ question, form }).slice(0, DIGEST_CHARACTERS);
    const key = `${call}/form/${attempt}/${asked}/${digest}`;
    const payload = { call, key, question, form };
    try {
      // The same id is the same update, however often it is sent.
      await persistently(signal, () => session.executeUpdate(messages.askForm, { args: [payload], updateId: key }));
      for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
        const verdict = await persistently(signal, () => session.query(messages.formVerdict, key));
        if (verdict) return answerOf(verdict, form);
        await sleep(pauseMs, undefined, { signal });
      }
    } catch (error) {
      // The session was deleted: nobody will answer.
      if (error instanceof WorkflowNotFoundError) return { action: 'cancel' };
      // The server has taken its question back, and goes on with the call.
      if (signal.aborted && !scope.signal.aborted)
        void session.executeUpdate(messages.withdrawForm, { args: [{ key }] }).catch(() => undefined);
      throw error instanceof WorkflowUpdateFailedError ? (fromFailure(error) ?? error.cause ?? error) : error;
    }
  };
}

/** Tries again while the server does not answer. */
async function persistently<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (error instanceof WorkflowNotFoundError || error instanceof WorkflowUpdateFailedError) throw error;
    }
    await sleep(pauseMs, undefined, { signal });
  }
}

/** Nobody decided in time, or the question was taken back: to the server that is the same. */
function answerOf({ decision, values = {} }: Verdict, { url }: RequestedForm): FormAnswer {
  if (decision === 'accept') return { action: 'accept', ...(url === undefined ? { content: values } : {}) };
  return { action: decision === 'decline' ? 'decline' : 'cancel' };
}
