/** Conversations of the OpenAI API: each is a session. */
import type { Context, Hono } from 'hono';
import { z } from 'zod';
import { CopilotError, type Json, type Message, type SessionHandle } from '../../client.ts';
import { imagesField } from '../../contracts/image.ts';
import type { UserMessage } from '../../contracts/transcript.ts';
import { checkInput } from '../../client/checked-input.ts';
import { keptOf, nameAfterContent, storeFiles } from '../files/given-file.ts';
import { GatewayError } from '../problem.ts';
import { bodyOf, type Handle, type ProtocolCall } from '../call.ts';
import { conversationId, sessionOf } from './ids.ts';
import { type InputMessage, readInput, type Said } from './input.ts';

/** Key of the context with the metadata of the conversation. */
const METADATA = 'openai_metadata';
const MAX_PAGE = 100;

const Metadata = z.record(z.string().max(64), z.string().max(512)).nullish();
const Create = z.looseObject({ metadata: Metadata, items: z.array(z.unknown()).nullish() });
const Append = z.looseObject({ items: z.array(z.unknown()).min(1) });
const PageQuery = z.looseObject({
  after: z.string().optional(),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, 'use a number from 1 to 100')
    .transform(Number)
    .optional(),
  order: z.enum(['asc', 'desc']).optional(),
});

export function conversationRoutes(app: Hono, handle: Handle): void {
  const at = ({ req }: Context): string => sessionOf(req.param('id') ?? '');
  app.post('/conversations', handle(create));
  app.get(
    '/conversations/:id',
    handle(async (call) => view(call, await call.find(at(call.context), 'read'))),
  );
  app.post(
    '/conversations/:id',
    handle(async (call) => {
      const { metadata } = checkInput(Create, await bodyOf(call.context), '');
      const session = await call.find(at(call.context), 'write');
      await session.setContext(METADATA, metadata ?? {}, { signal: call.signal });
      return await view(call, session);
    }),
  );
  app.delete(
    '/conversations/:id',
    handle(async ({ context, find, signal }) => {
      await (await find(at(context), 'write')).delete({ signal });
      return context.json({ id: context.req.param('id'), object: 'conversation.deleted', deleted: true });
    }),
  );
  app.get(
    '/conversations/:id/items',
    handle(async (call) => list(call, await call.find(at(call.context), 'read'))),
  );
  app.post(
    '/conversations/:id/items',
    handle(async (call) => {
      const { items } = checkInput(Append, await bodyOf(call.context), '');
      const session = await call.find(at(call.context), 'write');
      const added = spoken(readInput(items, 'items').messages);
      const before = (await itemsOf(call, session)).length;
      await append(session, added, call.signal);
      const data = (await itemsOf(call, session)).slice(before);
      return call.context.json({
        object: 'list',
        data,
        has_more: false,
        first_id: data[0]?.id,
        last_id: data.at(-1)?.id,
      });
    }),
  );
  app.get(
    '/conversations/:id/items/:item',
    handle(async (call) => {
      const session = await call.find(at(call.context), 'read');
      const found = (await itemsOf(call, session)).find(({ id }) => id === call.context.req.param('item'));
      if (found === undefined) throw new GatewayError('NotFound', 'The conversation has no such item.');
      return call.context.json(found);
    }),
  );
}

async function create(call: ProtocolCall): Promise<Response> {
  const { client, principal, context, signal } = call;
  const { metadata, items } = checkInput(Create, await bodyOf(context), '');
  const messages = spoken(readInput(items ?? [], 'items').messages);
  const values: Record<string, Json> = { [METADATA]: metadata ?? {} };
  const session = await client.create({ user: principal.name, context: values });
  if (messages.length > 0) await append(session, messages, signal);
  return await view(call, session);
}

/** @throws CopilotError `InvalidInput` for rules, which a session has from its team */
function spoken(messages: readonly InputMessage[]): readonly Said[] {
  return messages.map(({ role, text, files }, index) => {
    if (role === 'user' || role === 'assistant') return { role, text, files: files.map(nameAfterContent) };
    const problem = `sessions keep no ${role} messages; send instructions with a response`;
    throw new CopilotError('InvalidInput', { what: `items[${index}].role`, problem });
  });
}

/** Adds messages that were said elsewhere. Their files are named after their content. */
export async function append(session: SessionHandle, messages: readonly Said[], signal: AbortSignal): Promise<void> {
  for (const { files } of messages) await storeFiles(session, files, signal);
  const { conversation, context, phase, step, version } = await session.load({ signal });
  const added = messages.map(({ role, text, files }) => {
    const kept = keptOf(text, files);
    return { role, text: kept.text, ...imagesField(kept.images) };
  });
  const all = [...conversation, ...added];
  await session.save({ conversation: all, context, phase, step }, { expectedVersion: version, signal });
}

async function view({ context, signal }: ProtocolCall, session: SessionHandle): Promise<Response> {
  const { createdAt } = await session.info({ signal });
  const metadata = await session.getContext(METADATA, {}, { signal });
  const created_at = Math.floor(Date.parse(createdAt) / 1_000);
  return context.json({ id: conversationId(session.id), object: 'conversation', created_at, metadata: metadata ?? {} });
}

async function list(call: ProtocolCall, session: SessionHandle): Promise<Response> {
  const { context } = call;
  const { after, limit = 20, order = 'desc' } = checkInput(PageQuery, context.req.query(), 'query');
  const all = await itemsOf(call, session);
  const ordered = order === 'asc' ? all : all.toReversed();
  const start = after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && start === 0) throw new GatewayError('NotFound', 'The conversation has no item `after`.');
  const end = start + Math.min(limit, MAX_PAGE);
  const data = ordered.slice(start, end);
  const has_more = end < ordered.length;
  return context.json({
    object: 'list',
    data,
    has_more,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  });
}

interface Item {
  readonly id: string;
  readonly type: 'message';
  readonly role: 'user' | 'assistant';
  readonly status: 'completed' | 'incomplete';
  readonly content: readonly object[];
}

async function itemsOf({ context, signal }: ProtocolCall, session: SessionHandle): Promise<Item[]> {
  const { messages } = await session.transcript({ all: true, signal });
  return messages.flatMap((message, index) => itemOf(message, index, addressOf(context, session)));
}

/** Where the files of a session are for the caller. */
export function addressOf({ req }: Context, { id }: SessionHandle): string {
  return `${new URL(req.url).origin}/v1/sessions/${encodeURIComponent(id)}/files/`;
}

/** Content of a message of the user. Images are where the gateway has them, for callers with a key. */
export function inputContent({ text, images = [] }: UserMessage, files: string): object[] {
  const shown = images.map(({ path, digest }) => ({
    type: 'input_image',
    detail: 'auto',
    file_id: null,
    image_url: `${files}${path.split('/').map(encodeURIComponent).join('/')}?digest=${digest}`,
  }));
  return [{ type: 'input_text', text }, ...shown];
}

function itemOf(message: Message, index: number, files: string): Item[] {
  if (message.role === 'tool' || (message.role === 'user' && message.kind !== undefined)) return [];
  const { role } = message;
  const id = `msg_${index}`;
  const content =
    role === 'user' ? inputContent(message, files) : [{ type: 'output_text', text: message.text, annotations: [] }];
  const status = role === 'assistant' && message.partial === true ? 'incomplete' : 'completed';
  return [{ id, type: 'message', role, status, content }];
}
