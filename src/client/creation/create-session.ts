/** Creates sessions. Everything is checked first, so that a bad request leaves nothing behind. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { z } from 'zod';
import { digestOf } from '../../contracts/digest.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { imagesField } from '../../contracts/image.ts';
import { utf8Bytes } from '../../contracts/utf8.ts';
import { SESSION_WORKFLOW } from '../../contracts/messages.ts';
import { MessageText, SessionOptions, type SessionStart } from '../../contracts/session.ts';
import { startAttributes } from '../../contracts/start-attributes.ts';
import { attachFiles } from './attachments.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { describeSession } from '../reading/session-queries.ts';
import { checkInput, checkSize } from '../checked-input.ts';
import { traceSending } from '../../tracing/send-span.ts';
import { recentListeners } from './find-listeners.ts';
import { checkContext, newSessionId, sessionStart } from './session-start.ts';
import { newUlid } from '../new-ulid.ts';
import type { TeamDirectory } from './team-directory.ts';

/** Settings of a new session; all are optional. */
export const CreateOptions = SessionOptions.extend({
  /** The first message. */
  message: MessageText.optional(),
  /** Id of the first message. A message id is delivered once. Default a new one. */
  messageId: z.string().min(1).max(200).optional(),
  /**
   * Paths of files on this machine, of 64 MiB at most, that a worker gets for the workspace before the session starts.
   * Images among them (PNG, JPEG, WebP, GIF, of 10 MiB at most) go along with the first message, and models that take
   * images see them.
   */
  attach: z.array(z.string().min(1)).max(1_000).optional(),
});
export type CreateOptions = z.input<typeof CreateOptions>;

export interface Created {
  readonly id: string;
  /** Whether the session existed before; then its settings are unchanged. */
  readonly existed: boolean;
  readonly messageId: string | undefined;
}

/**
 * Starts the session. Sends nothing to a session that exists.
 * @throws CopilotError `InvalidInput`, `ReservedKey`, `UnknownMode`, `TeamNotFound`, `InvalidTeam`, `SessionExists`,
 *   `NoWorker`, `ServerUnreachable`
 */
export async function createSession(link: ServerLink, teams: TeamDirectory, given: CreateOptions): Promise<Created> {
  const options = checkInput(CreateOptions, given, '');
  link.checkMayChange();
  checkContext(options.context);
  const { attach: files = [], message: text, ...settings } = options;
  const id = options.id ?? newSessionId();
  const now = new Date();
  const message = text === undefined ? undefined : { messageId: options.messageId ?? newUlid(), text };
  const created = { id, existed: false, messageId: message?.messageId };
  if (options.id !== undefined && (await exists(link, id))) return existing(created, options.ifExists);

  const team = await teams.find(options.team ?? 'default');
  const checked = sessionStart(settings, { team, config: link.config, now, message });
  const copies =
    files.length === 0
      ? undefined
      : await attachFiles(
          link,
          { sessionId: id, ...(checked.config.workspace && { workspace: checked.config.workspace }) },
          files,
        );
  const start = { ...checked, ...imagesField(copies?.images) };
  try {
    checkSize({ start }, 'options');
    if (message === undefined) await startWorkflow(link, id, start, now);
    else
      await traceSending(link.traces, id, message, (traced) =>
        startWorkflow(link, id, { ...start, message: traced }, now),
      );
  } catch (error) {
    await copies?.undo();
    if (error instanceof WorkflowExecutionAlreadyStartedError) return existing(created, options.ifExists);
    throw await link.explain(error, id);
  }
  return created;
}

function existing(created: Created, ifExists: 'error' | 'use' | undefined): Created {
  if (ifExists !== 'use') throw new CopilotError('SessionExists', { sessionId: created.id });
  return { ...created, existed: true };
}

async function exists(link: ServerLink, id: string): Promise<boolean> {
  try {
    await describeSession(link, id);
    return true;
  } catch (error) {
    if (error instanceof CopilotError && error.type === 'SessionNotFound') return false;
    throw error;
  }
}

/** Starts the workflow of a session whose settings were checked. @throws what the SDK throws */
export async function startWorkflow(link: ServerLink, id: string, checked: SessionStart, now: Date): Promise<void> {
  const listeners = await link.call(() => recentListeners(link.client, checked.user));
  const start = { ...checked, ...(listeners && { listeners }) };
  await link.call(() =>
    link.client.workflow.start(SESSION_WORKFLOW, {
      workflowId: id,
      taskQueue: link.config.taskQueue,
      args: [{ start }],
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      ...startAttributes(start, now),
      ...fairness(start.user),
    }),
  );
}

const MAX_FAIRNESS_KEY = 64;

/**
 * The owner as the key by which a server with fairness hands out tasks, so that many sessions of one person do not hold
 * up those of others: https://docs.temporal.io/develop/task-queue-priority-fairness
 */
function fairness(user: string | undefined): { priority?: { fairnessKey: string } } {
  if (user === undefined) return {};
  const fairnessKey = utf8Bytes(user) > MAX_FAIRNESS_KEY ? digestOf(user) : user;
  return { priority: { fairnessKey } };
}
