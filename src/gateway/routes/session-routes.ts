/** Sessions: lists, creation, state and messages. */
import { z } from 'zod';
import { CopilotError, type SessionHandle, type SessionReport } from '../../client.ts';
import { CreateOptions } from '../../client/creation/create-session.ts';
import { ForkOptions } from '../../client/creation/fork-session.ts';
import { ListFilter } from '../../client/listing/session-list.ts';
import {
  ChangeStatusPayload,
  ConfigurePayload,
  EditPlanPayload,
  InterruptPayload,
  RatePayload,
} from '../../contracts/payloads.ts';
import { MAX_IMAGES, MAX_MESSAGE_BYTES } from '../../contracts/limits.ts';
import { MessageText, SessionId } from '../../contracts/session.ts';
import { CHAT_PREFIX } from '../chats/chat-session.ts';
import { GatewayError } from '../problem.ts';
import { mayDo, type Principal, seesAll } from '../principals/principal.ts';
import { Count, Flag, type Route, route } from './route.ts';

const MessageId = z.string().min(1).max(200);
const Reason = ChangeStatusPayload.shape.reason;
/** Paths of files in the workspace. A message with files may do without text. */
const Files = z.array(z.string().min(1).max(4_096)).max(MAX_IMAGES).optional();
const NewMessage = z.strictObject({
  text: z.string().max(MAX_MESSAGE_BYTES),
  messageId: MessageId.optional(),
  files: Files,
});
const ChosenId = SessionId.refine((id) => !id.startsWith(CHAT_PREFIX), {
  error: `ids that begin with ${CHAT_PREFIX} belong to chats; choose another one`,
}).optional();
/** Files are written by requests of their own. */
const NewSession = CreateOptions.omit({ attach: true }).extend({ id: ChosenId });
const Listed = ListFilter.extend({ limit: Count.optional() });
const Import = z.strictObject({ file: z.unknown(), name: CreateOptions.shape.name, id: ChosenId });
const Fork = ForkOptions.extend({ id: ChosenId });

/** The filter of somebody who does not see the sessions of others. */
function ownOnly<Filter extends { readonly user?: string | undefined }>(principal: Principal, filter: Filter): Filter {
  return seesAll(principal) ? filter : { ...filter, user: principal.name };
}

/** @throws GatewayError `Forbidden` if only an operator may choose that */
function ownerOf(principal: Principal, { user, config }: z.output<typeof NewSession>): string {
  if (principal.role === 'operator') return user ?? principal.name;
  if (user !== undefined && user !== principal.name) {
    throw new GatewayError(
      'Forbidden',
      `Only an operator creates sessions for others; leave out user, or use "${principal.name}".`,
    );
  }
  refuseWorkspace(principal, config);
  return principal.name;
}

/** A workspace is any folder of the workers' machine. */
function refuseWorkspace({ role }: Principal, config: { readonly workspace?: string | undefined } | undefined): void {
  if (role === 'operator' || config?.workspace === undefined) return;
  throw new GatewayError('Forbidden', 'Only an operator names the folder of a workspace; leave out config.workspace.');
}

const view = async (session: SessionHandle): Promise<SessionReport> => await session.info();

export const sessionRoutes: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/sessions',
    summary: 'Lists sessions, newest updated first',
    query: Listed,
    run: ({ client, principal, query }) => client.list(ownOnly(principal, query)),
  }),
  route({
    method: 'get',
    path: '/v1/counts',
    summary: 'Counts sessions by status',
    query: ListFilter.omit({ limit: true, after: true, status: true }),
    run: ({ client, principal, query }) => client.countByStatus(ownOnly(principal, query)),
  }),
  route({
    method: 'post',
    path: '/v1/sessions',
    summary: 'Creates a session, optionally with its first message',
    body: NewSession,
    status: 201,
    run: async ({ client, principal, body, admit }) => {
      const { ifExists = 'error', ...options } = body;
      const user = ownerOf(principal, body);
      const place = options.message === undefined ? undefined : await admit();
      try {
        const session = await client.create({ ...options, user, ifExists: 'error' });
        place?.take(session);
        return await view(session);
      } catch (error) {
        place?.release();
        const isThere = error instanceof CopilotError && error.type === 'SessionExists';
        if (!isThere || ifExists === 'error' || options.id === undefined) throw error;
        const session = client.session(options.id);
        const { user: owner } = await session.describe();
        // Whoever may not see the session learns no more than that its id is taken.
        if (owner !== user && principal.role !== 'operator') throw error;
        const { message, messageId } = options;
        if (message !== undefined) {
          await admit(session);
          await session.send(message, { messageId, wait: false });
        }
        return await view(session);
      }
    },
  }),
  route({
    method: 'post',
    path: '/v1/imports',
    summary: 'Creates a session from the export of another one; what the file would grant is left out and listed',
    body: Import,
    status: 201,
    run: async ({ client, principal, body: { file, ...options } }) => {
      const session = await client.import(file, { ...options, user: principal.name });
      return { id: session.id, grants: session.grants };
    },
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}',
    summary: 'Everything about a session except its conversation',
    right: 'read',
    run: ({ session }) => view(session),
  }),
  route({
    method: 'delete',
    path: '/v1/sessions/{id}',
    summary: 'Deletes a session with its history, archive and workspace',
    right: 'write',
    run: async ({ session, signal }) => {
      await session.delete({ signal });
      return { deleted: true };
    },
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/messages',
    summary: 'Sends a message exactly once, with files of the workspace; with wait, the answer comes with its outcome',
    right: 'write',
    query: z.strictObject({ wait: Flag.optional() }),
    body: NewMessage,
    status: 202,
    run: async ({ session, query: { wait = false }, body: { text, ...options }, admit, signal }) => {
      await admit(session);
      return await session.send(text, { ...options, wait, signal });
    },
  }),
  route({
    method: 'delete',
    path: '/v1/sessions/{id}/messages/{messageId}',
    summary: 'Takes back a queued message',
    right: 'write',
    run: ({ session, path, signal }) => session.unqueue(path['messageId'] ?? '', { signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/turns',
    summary: 'The newest turns, and the queued ones',
    right: 'read',
    query: z.strictObject({ from: Count.optional() }),
    run: ({ session, query: { from }, signal }) => session.turns({ ...(from === undefined ? {} : { from }), signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/turns/{turnId}',
    summary: 'Waits until a turn is settled, and gives it',
    right: 'read',
    run: ({ session, path, signal }) => session.awaitTurn(path['turnId'] ?? '', { signal }),
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/suspend',
    summary: 'Suspends the session; with now, the running call is cancelled and repeated later',
    right: 'write',
    body: z.strictObject({ reason: Reason, now: z.boolean().optional() }),
    run: ({ session, body: { reason, now }, signal }) =>
      session.suspend({ ...(reason === undefined ? {} : { reason }), ...(now === undefined ? {} : { now }), signal }),
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/continue',
    summary:
      'Resumes the session, or retries the failed step of its last turn; then sends the message, if there is one',
    right: 'write',
    body: z.strictObject({ message: MessageText.optional(), messageId: MessageId.optional() }),
    run: async ({ session, body: { message, messageId }, admit, signal }) => {
      await admit(session);
      return await session.continue({
        ...(message === undefined ? {} : { message }),
        ...(messageId === undefined ? {} : { messageId }),
        signal,
      });
    },
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/interrupt',
    summary: 'Stops the running turn and keeps its text; the message, if given, runs next',
    right: 'write',
    body: z.strictObject({
      turnId: InterruptPayload.shape.turnId,
      reason: Reason,
      message: NewMessage.shape.text.optional(),
      messageId: MessageId.optional(),
      files: Files,
    }),
    run: async ({ session, body, admit, signal }) => {
      if (body.message !== undefined) await admit(session);
      return await session.interrupt({ ...body, signal });
    },
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/complete',
    summary: 'Completes the session',
    right: 'write',
    run: ({ session, signal }) => session.complete({ signal }),
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/fork',
    summary: 'Creates a session with the conversation and context of this one, as of a turn, a snapshot, or now',
    right: 'write',
    body: Fork,
    status: 201,
    run: async ({ session, principal, body }) => {
      refuseWorkspace(principal, body.config);
      return { id: (await session.fork(body)).id };
    },
  }),
  route({
    method: 'patch',
    path: '/v1/sessions/{id}/config',
    summary: 'Changes settings from the next call on; null resets a setting',
    right: 'write',
    body: ConfigurePayload.omit({ team: true }).extend({ refreshTeam: z.boolean().optional() }),
    run: ({ session, body, signal }) => session.configure({ ...body, signal }),
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/ratings',
    summary: 'Rates the session, or one turn',
    right: 'write',
    body: RatePayload.omit({ by: true }),
    run: ({ session, principal, body: { rating, ...options }, signal }) =>
      session.rate(rating, { ...options, by: principal.name, signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/plan',
    summary: 'The plan of the latest turn that has one, or null',
    right: 'read',
    run: ({ session, signal }) => session.plan({ signal }),
  }),
  route({
    method: 'patch',
    path: '/v1/sessions/{id}/plan',
    summary: 'Changes steps of the plan that have not run, all or none',
    right: 'write',
    body: EditPlanPayload,
    run: ({ session, body: { edits, expectedVersion }, signal }) =>
      session.editPlan(edits, { expectedVersion, signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/transcript',
    summary: 'Messages of the conversation; with all, those that a summary has replaced as well',
    right: 'read',
    query: z.strictObject({ from: Count.optional(), all: Flag.optional() }),
    run: ({ session, query: { from = 0, all = false }, signal }) => session.transcript({ from, all, signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/export',
    summary: 'The whole session as one value for an import',
    right: 'read',
    run: ({ session, signal }) => session.export({ signal }),
  }),
  route({
    method: 'get',
    path: '/v1/archive/{id}',
    summary: 'The archived export of a closed session, for an import',
    run: async ({ client, principal, path: { id = '' }, signal }) => {
      const file = await client.archived(id, { signal });
      if (mayDo(principal, 'read', file.session.user)) return file;
      // The same answer as for an id that does not exist: nobody learns which sessions others have.
      throw new CopilotError('FileNotFound', { sessionId: id, path: `${id}.json` });
    },
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/usage',
    summary: 'Tokens, calls and cost, in total and by agent',
    right: 'read',
    run: ({ session, signal }) => session.usage({ signal }),
  }),
];
