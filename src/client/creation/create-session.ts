/** Creates sessions. Everything is checked first, so that a bad request leaves nothing behind. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { monotonicFactory } from 'ulid';
import { z } from 'zod';
import { ContextValues, isReservedKey } from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { imagesField } from '../../contracts/image.ts';
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
import { Label, MessageText, SessionConfig, SessionId, type SessionStart, titleOf } from '../../contracts/session.ts';
import { findUselessRule } from '../../contracts/policies.ts';
import { BUILT_IN_MODES, budgetProblem, Name, type ResolvedTeam } from '../../contracts/team.ts';
import { attachFiles } from './attachments.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { describeSession } from '../reading/session-queries.ts';
import { checkInput, checkSize } from '../checked-input.ts';
import type { TeamDirectory } from './team-directory.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

const MAX_SUMMARY = 100;

/** Settings of a new session; all are optional. */
export const CreateOptions = z.strictObject({
  /** Mode of the turns: a built-in one or one of the team. Default `copilot`. */
  mode: Name.optional(),
  /** Name of the team in the workers' agents folder. Default `default`. */
  team: Name.optional(),
  /** Owner of the session, for lists. Default none. */
  user: Label.optional(),
  /**
   * Title. Default the first words of the first message, and until there is one `<mode>_YYYYMMDD_HHMMSS` in UTC. With
   * encryption it stays that, because titles are not encrypted.
   */
  name: Label.optional(),
  /** Default `ses_` and a ULID, so that ids sort by time. */
  id: SessionId.optional(),
  /** Settings that differ from those of mode and team. */
  config: SessionConfig.optional(),
  /** Values that the context starts with. The names of the session's own values are reserved. */
  context: ContextValues.optional(),
  /** The first message. */
  message: MessageText.optional(),
  /** Id of the first message. A message id is delivered once. Default a new one. */
  messageId: z.string().min(1).max(200).optional(),
  /**
   * Paths of files on this machine that a worker gets for the workspace before the session starts. Images among them (PNG,
   * JPEG, WebP, GIF, of 10 MiB at most) go along with the first message, and models that take images see them.
   */
  attach: z.array(z.string().min(1)).max(1_000).optional(),
  /**
   * With `use`, an existing session of this id is returned: its settings and files stay, and the message is sent to it.
   * Default `error`.
   */
  ifExists: z.enum(['error', 'use']).optional(),
});
export type CreateOptions = z.input<typeof CreateOptions>;

export interface Created {
  readonly id: string;
  /** Whether the session existed before; then its settings are unchanged. */
  readonly existed: boolean;
  readonly messageId: string | undefined;
  readonly name: string;
}

export const newUlid = monotonicFactory();

/**
 * Starts the session. Sends nothing to a session that exists.
 * @throws CopilotError `InvalidInput`, `ReservedKey`, `UnknownMode`, `TeamNotFound`, `InvalidTeam`, `SessionExists`,
 *   `NoWorker`, `ServerUnreachable`
 */
export async function createSession(link: ServerLink, teams: TeamDirectory, given: CreateOptions): Promise<Created> {
  const options = checkInput(CreateOptions, given, '');
  link.checkMayChange();
  checkContext(options.context);
  const id = options.id ?? `ses_${newUlid()}`;
  const mode = options.mode ?? 'copilot';
  const now = new Date();
  const messageId = options.message === undefined ? undefined : (options.messageId ?? newUlid());
  // Nobody encrypts what lists filter by, so the words of a message must not become a name there.
  const isSecret = link.config.encryptionKeys.length > 0;
  const title = options.message === undefined || isSecret ? undefined : titleOf(options.message);
  const created = { id, existed: false, messageId, name: options.name ?? title ?? defaultName(mode, now) };
  if (options.id !== undefined && (await exists(link, id))) return existing(created, options.ifExists);

  const team = await teams.find(options.team ?? 'default');
  checkMode(team, mode);
  const { attach: files = [] } = options;
  const { sessionIdleMs } = link.config;
  const config = { ...(sessionIdleMs === undefined ? {} : { idleTimeoutMs: sessionIdleMs }), ...options.config };
  checkAgent(team, config.agent);
  const useless = findUselessRule(team.definition, config.approvals?.rules);
  if (useless) throw new CopilotError('InvalidInput', { what: `Rule "${useless.rule}"`, problem: useless.problem });
  const problem = budgetProblem(team.definition, config.budget);
  if (problem !== undefined) throw new CopilotError('InvalidInput', { what: 'config.budget.cost', problem });
  const copies =
    files.length === 0
      ? undefined
      : await attachFiles(link, { sessionId: id, ...(config.workspace && { workspace: config.workspace }) }, files);
  const start: SessionStart = {
    mode,
    name: created.name,
    isNamed: options.name !== undefined || title !== undefined || isSecret,
    ...(options.user === undefined ? {} : { user: options.user }),
    team,
    config,
    context: options.context ?? {},
    ...(options.message === undefined || messageId === undefined
      ? {}
      : { message: { messageId, text: options.message } }),
    ...imagesField(copies?.images),
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

/** @throws CopilotError `ReservedKey`, `InvalidInput` */
function checkContext(context: Readonly<Record<string, Json>> = {}): void {
  for (const key of Object.keys(context)) if (isReservedKey(key)) throw new CopilotError('ReservedKey', { key });
  const size = utf8Bytes(JSON.stringify(context));
  if (size <= MAX_CONTEXT_BYTES) return;
  throw new CopilotError('InvalidInput', {
    what: 'context',
    problem: `it is ${size} bytes long as JSON, more than the ${MAX_CONTEXT_BYTES} allowed; attach large data as files`,
  });
}

function checkMode({ definition }: ResolvedTeam, mode: string): void {
  const known = [...new Set([...Object.keys(BUILT_IN_MODES), ...Object.keys(definition.modes)])];
  if (!known.includes(mode)) throw new CopilotError('UnknownMode', { mode, known: known.join(', ') });
}

function checkAgent({ definition }: ResolvedTeam, agent: string | undefined): void {
  const known = Object.keys(definition.agents);
  if (agent === undefined || known.includes(agent)) return;
  const problem = `team ${definition.name} has no such agent; it has ${known.join(', ')}`;
  throw new CopilotError('InvalidInput', { what: `config.agent ("${agent}")`, problem });
}

/** Starts the workflow of a session whose settings were checked. @throws what the SDK throws */
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
      staticSummary: beginningOf(start.name, MAX_SUMMARY),
    }),
  );
}
