/** Creates a session from an exported one. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { z } from 'zod';
import { ContextValues } from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { SessionExport } from '../../contracts/export.ts';
import { utf8Bytes } from '../../contracts/utf8.ts';
import { MAX_PAYLOAD_BYTES } from '../../contracts/limits.ts';
import { info } from '../../contracts/messages.ts';
import { Label, SessionId, type SessionStart, titleOf } from '../../contracts/session.ts';
import { digestOf } from '../../contracts/digest.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import type { TeamInspection } from '../../contracts/activities.ts';
import type { ResolvedTeam } from '../../contracts/team.ts';
import { startWorkflow } from './create-session.ts';
import { defaultName, newSessionId } from './session-start.ts';
import { type ImportGrant, withoutGrants, withoutMissingTools } from './import-grants.ts';
import { inspectTeam } from './team-directory.ts';
import { checkInput } from '../checked-input.ts';
import { querySession, describeSession } from '../reading/session-queries.ts';
import { deleteSession } from '../session/deletion.ts';

/** How an exported session is imported. */
export const ImportOptions = z
  .strictObject({
    /** Id of the new session. Default a new one. */
    id: SessionId.optional(),
    /** Use the id in the file. Default false. */
    keepId: z.boolean().optional(),
    /** Title. Default the one in the file. */
    name: Label.optional(),
    /** Owner. Default the one in the file. */
    user: Label.optional(),
    /** Take over what the file grants: approvals, `allowCode`, its workspace, its team as it is. Default false. */
    trust: z.boolean().optional(),
  })
  .refine(({ id, keepId }) => id === undefined || keepId !== true, {
    path: ['keepId'],
    error: 'it cannot be combined with id; use one of them',
  });
export type ImportOptions = z.input<typeof ImportOptions>;

export interface Imported {
  readonly id: string;
  /** What the file would be allowed by its own word. The session has it only with `trust`. */
  readonly grants: readonly ImportGrant[];
}

const Head = z.object({ format: z.literal('durable-copilot session'), schemaVersion: z.int() });
const SUPPORTED_VERSION = 1;
/** Workers cache teams by digest for all sessions, so a definition with a wrong digest would reach other sessions. */
const PinnedTeam = z
  .looseObject({ digest: z.string(), definition: z.unknown() })
  .refine(({ digest, definition }) => digestOf(definition) === digest, {
    path: ['digest'],
    error: 'it does not match the definition beside it; import the file as `export` wrote it',
  });

/**
 * Starts a session that continues where the exported one stopped. Files of its workspace are not part of an export.
 * @param file what `export` gave, as an object
 * @throws CopilotError `InvalidInput` that names the field, `SessionExists`, `ServerUnreachable`
 */
export async function importSession(link: ServerLink, file: unknown, given: ImportOptions): Promise<Imported> {
  const { id, keepId = false, name, user, trust = false } = checkInput(ImportOptions, given, '');
  const whole = checkExport(file);
  const inspection = await inspectionOf(link, whole.team);
  const { file: careful, grants } = withoutGrants(whole, inspection);
  const trusted = inspection ? withoutMissingTools(whole, inspection) : whole;
  const from = trust ? trusted : careful;
  const { session } = from;
  const newId = id ?? (keepId ? checkInput(SessionId, session.id, 'file.session.id') : newSessionId());
  await startFrom(link, newId, from, {
    name: name ?? nameOf(link, from),
    user: user ?? session.user ?? undefined,
  });
  return { id: newId, grants };
}

/** The name in the file. If payloads are encrypted, a title that a message gave is left out: nobody encrypts names. */
export function nameOf(
  { config }: Pick<ServerLink, 'config'>,
  { session, conversation, earlier = [], context }: SessionExport,
): string {
  if (config.encryptionKeys.length === 0) return session.name;
  const said = [...conversation, ...earlier].flatMap((message) => (message.role === 'user' ? message.text : []));
  const task = context.values['initial_task'];
  if (typeof task === 'string') said.push(task);
  const title = session.name.replace(/( \(fork\))+$/, '');
  return said.some((text) => titleOf(text) === title) ? defaultName(session.mode, new Date()) : session.name;
}

/** Undefined if no worker answers: the session begins when one does, and workers do not run what they do not know. */
async function inspectionOf(link: ServerLink, team: ResolvedTeam): Promise<TeamInspection | undefined> {
  try {
    return await inspectTeam(link, team);
  } catch (error) {
    if (error instanceof CopilotError && error.type === 'NoWorker') return undefined;
    throw error;
  }
}

/** @throws CopilotError `InvalidInput` that names the field */
export function checkExport(file: unknown): SessionExport {
  if (!Head.safeParse(file).success) {
    const problem = 'it is not an exported session; pass what `export` wrote, as one JSON object';
    throw new CopilotError('InvalidInput', { what: 'file', problem });
  }
  const { schemaVersion } = Head.parse(file);
  if (schemaVersion !== SUPPORTED_VERSION) {
    const problem = `this program reads version ${SUPPORTED_VERSION}; use the program that wrote the file`;
    throw new CopilotError('InvalidInput', { what: `file.schemaVersion (${schemaVersion})`, problem });
  }
  const checked = checkInput(SessionExport, file, 'file');
  checkInput(ContextValues, checked.context.values, 'file.context.values');
  // Checked as it is in the file, because parsing adds defaults that the digest does not cover.
  checkInput(z.object({ team: PinnedTeam }), file, 'file');
  return checked;
}

/**
 * Starts a session from another, and waits until it has begun.
 * @throws CopilotError `InvalidInput`, `SessionExists`, `ServerUnreachable`
 */
export async function startFrom(
  link: ServerLink,
  id: string,
  from: SessionExport,
  {
    name,
    user,
    config = from.session.config,
  }: { name: string; user: string | undefined; config?: SessionStart['config'] },
): Promise<void> {
  link.checkMayChange();
  const { mode } = from.session;
  const start: SessionStart = {
    mode,
    name,
    isNamed: true,
    ...(user === undefined ? {} : { user }),
    team: from.team,
    config,
    context: {},
    from,
  };
  const bytes = utf8Bytes(JSON.stringify({ start }));
  if (bytes > MAX_PAYLOAD_BYTES && from.earlier) {
    // A summary stands for these messages. They stay in the file if they do not fit into the start of a workflow.
    const { earlier: _, ...shorter } = from;
    return await startFrom(link, id, shorter, { name, user, config });
  }
  if (bytes > MAX_PAYLOAD_BYTES) {
    const problem = `it is ${bytes} bytes long as JSON, more than the ${MAX_PAYLOAD_BYTES} that Temporal accepts; shorten its conversation or context`;
    throw new CopilotError('InvalidInput', { what: 'file', problem });
  }
  try {
    await startWorkflow(link, id, start, new Date());
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      throw new CopilotError('SessionExists', { sessionId: id }, { cause: error });
    }
    throw await link.explain(error, id);
  }
  await untilBegun(link, id);
}

/** Only the session itself can check its context. A session that cannot begin is deleted again. */
async function untilBegun(link: ServerLink, id: string): Promise<void> {
  try {
    await querySession(link, id, info, []);
    return;
  } catch (error) {
    // There is no worker, so the session begins later.
    if (error instanceof CopilotError && error.retryable) return;
    if ((await describeSession(link, id)).status !== 'failed') throw error;
  }
  const cause = await failureOf(link, id);
  await deleteSession(link, id, { wait: false });
  throw cause;
}

async function failureOf(link: ServerLink, id: string): Promise<Error> {
  try {
    await link.client.workflow.getHandle(id).result();
  } catch (error) {
    return await link.explain(error, id);
  }
  return new CopilotError('Internal', { problem: `Session ${id} could not begin.` });
}
