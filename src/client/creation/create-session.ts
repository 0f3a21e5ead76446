/** Starting a session: everything is checked first, so that a bad one leaves nothing behind. */
import { join } from 'node:path';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { monotonicFactory } from 'ulid';
import { z } from 'zod';
import { ContextValues } from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { type Json, utf8Bytes } from '../../contracts/json.ts';
import { MAX_CONTEXT_BYTES } from '../../contracts/limits.ts';
import { SESSION_WORKFLOW } from '../../contracts/messages.ts';
import {
  copilotMode,
  copilotName,
  copilotPhase,
  copilotStatus,
  copilotLastActiveAt,
  copilotUpdatedAt,
  copilotUser,
} from '../../contracts/search-attributes.ts';
import { Label, MessageText, SessionConfig, SessionId, type SessionStart } from '../../contracts/session.ts';
import { BUILT_IN_MODES, budgetProblem, Name, type ResolvedTeam } from '../../contracts/team.ts';
import { attach } from './attachments.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { describeSession } from '../reading/session-queries.ts';
import { checkInput, checkSize } from '../checked-input.ts';
import type { TeamDirectory } from './team-directory.ts';

const MAX_SUMMARY = 100;

export const CreateOptions = z.strictObject({
  /** Default `copilot`. */
  mode: Name.optional(),
  /** Default `default`. */
  team: Name.optional(),
  user: Label.optional(),
  /** Default `<mode>_YYYYMMDD_HHMMSS`, in UTC. */
  name: Label.optional(),
  /** Default `ses_` and a ULID: ids sort by their time. */
  id: SessionId.optional(),
  config: SessionConfig.optional(),
  context: ContextValues.optional(),
  /** The first message. */
  message: MessageText.optional(),
  /** Its id; default a new one. */
  messageId: z.string().min(1).max(200).optional(),
  /** Paths of files that are copied into the workspace before the session starts. */
  attach: z.array(z.string().min(1)).max(1_000).optional(),
  /**
   * `use` gives the session of this id where there is one. Its settings and files stay as they are, and the
   * message is sent to it. Default `error`.
   */
  ifExists: z.enum(['error', 'use']).optional(),
});
export type CreateOptions = z.input<typeof CreateOptions>;

export interface Created {
  readonly id: string;
  /** Whether the session was there before; then its settings are what they were. */
  readonly existed: boolean;
  readonly messageId: string | undefined;
  readonly name: string;
}

export const newUlid = monotonicFactory();

/**
 * Starts the session, without sending anything to one that exists.
 * @throws CopilotError `InvalidInput`, `UnknownMode`, `TeamNotFound`, `InvalidTeam`, `SessionExists`, `NoWorker`, `ServerUnreachable`
 */
export async function createSession(link: ServerLink, teams: TeamDirectory, given: CreateOptions): Promise<Created> {
  const options = checkInput(CreateOptions, given, '');
  checkContext(options.context);
  const id = options.id ?? `ses_${newUlid()}`;
  const mode = options.mode ?? 'copilot';
  const now = new Date();
  const messageId = options.message === undefined ? undefined : (options.messageId ?? newUlid());
  const created = { id, existed: false, messageId, name: options.name ?? defaultName(mode, now) };
  if (options.id !== undefined && (await exists(link, id))) return existing(created, options.ifExists);

  const team = await teams.find(options.team ?? 'default');
  checkMode(team, mode);
  const { attach: files = [], config = {} } = options;
  const problem = budgetProblem(team.definition, config.budget);
  if (problem !== undefined) throw new CopilotError('InvalidInput', { what: 'config.budget.cost', problem });
  const copies =
    files.length === 0 ? undefined : await attach(files, config.workspace ?? join(link.config.workspaceRoot, id));
  const start: SessionStart = {
    mode,
    name: created.name,
    ...(options.user === undefined ? {} : { user: options.user }),
    team,
    config,
    context: options.context ?? {},
    ...(options.message === undefined || messageId === undefined
      ? {}
      : { message: { messageId, text: options.message } }),
  };
  try {
    checkSize({ start }, 'options');
    await startWorkflow(link, id, start, now);
  } catch (error) {
    await copies?.undo();
    if (error instanceof WorkflowExecutionAlreadyStartedError) return existing(created, options.ifExists);
    throw await link.explain(error, id);
  }
  return created;
}

/** `<mode>_YYYYMMDD_HHMMSS`, in UTC. */
export function defaultName(mode: string, now: Date): string {
  const [date = '', time = ''] = now.toISOString().replaceAll(/[-:]/g, '').split(/[T.]/);
  return `${mode}_${date}_${time}`;
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

function checkContext(context: Readonly<Record<string, Json>> = {}): void {
  const size = utf8Bytes(JSON.stringify(context));
  if (size <= MAX_CONTEXT_BYTES) return;
  throw new CopilotError('InvalidInput', {
    what: 'context',
    problem: `it is ${size} bytes long as JSON and ${MAX_CONTEXT_BYTES} are allowed; attach large data as files`,
  });
}

function checkMode({ definition }: ResolvedTeam, mode: string): void {
  const known = [...new Set([...Object.keys(BUILT_IN_MODES), ...Object.keys(definition.modes)])];
  if (!known.includes(mode)) throw new CopilotError('UnknownMode', { mode, known: known.join(', ') });
}

/** Starts the workflow of a session that was checked. @throws what the SDK throws */
export async function startWorkflow(link: ServerLink, id: string, start: SessionStart, now: Date): Promise<void> {
  await link.call(() =>
    link.client.workflow.start(SESSION_WORKFLOW, {
      workflowId: id,
      taskQueue: link.config.taskQueue,
      args: [{ start }],
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      typedSearchAttributes: [
        { key: copilotStatus, value: 'active' },
        { key: copilotPhase, value: 'init' },
        { key: copilotMode, value: start.mode },
        { key: copilotName, value: start.name },
        ...(start.user === undefined ? [] : [{ key: copilotUser, value: start.user }]),
        { key: copilotUpdatedAt, value: now },
        { key: copilotLastActiveAt, value: now },
      ],
      memo: { team: start.team.definition.name, digest: start.team.digest, createdAt: now.toISOString() },
      staticSummary: start.name.slice(0, MAX_SUMMARY),
    }),
  );
}
