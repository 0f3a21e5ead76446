/** AG-UI 1.0, with interrupts for requests: https://docs.ag-ui.com */
import type { AGUIEvent, Interrupt } from '@ag-ui/core';
import type { Hono } from 'hono';
import type { SSEStreamingApi } from 'hono/streaming';
import { z } from 'zod';
import {
  CopilotError,
  type FollowEvent,
  type PendingRequest,
  type SessionHandle,
  type TurnView,
} from '../../client.ts';
import { checkInput } from '../../client/checked-input.ts';
import { bodyOf, type Handle, type ProtocolCall, streamTo } from '../call.ts';
import { type GivenFile, readBase64, readDataUrl } from '../files/given-file.ts';
import { type ChatInput, type ChatMessage, findChat, openChat, refuseNewWords, sendFrom } from './chat-session.ts';
import { decideAllShown, shownId, type ShownDecision, turnEvents, type TurnPart } from './turn-events.ts';

/** An event with its type as plain text. */
type Plain<Event> = Event extends { readonly type: infer Type extends string }
  ? Omit<Event, 'type'> & { readonly type: `${Type}` }
  : never;
type PlainEvent = Plain<AGUIEvent>;

const Id = z.string().min(1).max(500);
const RunInput = z.looseObject({
  threadId: Id,
  runId: Id,
  messages: z.array(z.looseObject({ id: z.string(), role: z.string(), content: z.unknown().optional() })).default([]),
  tools: z.array(z.unknown()).nullish(),
  context: z.array(z.looseObject({ description: z.string().default(''), value: z.string() })).nullish(),
  forwardedProps: z.looseObject({ team: z.string().optional() }).nullish().catch(undefined),
  resume: z
    .array(
      z.looseObject({
        interruptId: z.string(),
        status: z.enum(['resolved', 'cancelled']),
        payload: z.unknown().optional(),
      }),
    )
    .nullish(),
});
type RunInput = z.infer<typeof RunInput>;
const Source = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('data'), value: z.string(), mimeType: z.string() }),
  z.looseObject({ type: z.literal('url'), value: z.string() }),
  z.looseObject({ type: z.literal('file'), value: z.string() }),
]);
const Part = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text'), text: z.string() }),
  z.looseObject({
    type: z.enum(['image', 'audio', 'video', 'document']),
    source: Source,
    metadata: z.looseObject({ filename: z.string().optional() }).optional().catch(undefined),
  }),
  /** The form that clients had before 1.0. */
  z.looseObject({
    type: z.literal('binary'),
    mimeType: z.string(),
    data: z.string().optional(),
    url: z.string().optional(),
    filename: z.string().optional(),
  }),
]);
type Part = z.infer<typeof Part>;
/** What resumes an interrupt: the form that {@link answerForm} describes. */
const Answer = z.looseObject({ approved: z.boolean(), reason: z.string().optional() });

const answerForm = {
  type: 'object',
  required: ['approved'],
  properties: { approved: { type: 'boolean' }, reason: { type: 'string' } },
};

export function agUiRoutes(app: Hono, handle: Handle): void {
  app.post('/ag-ui', handle(run));
}

async function run(call: ProtocolCall): Promise<Response> {
  const input = checkInput(RunInput, await bodyOf(call.context), '');
  if (input.tools?.length) {
    throw new CopilotError('InvalidInput', { what: 'tools', problem: 'tools run on the workers; leave this out' });
  }
  // Before anything is sent or decided whose stream would be refused.
  call.place.take();
  const { session, part } = input.resume?.length
    ? await resume(call, input, input.resume)
    : await say(call, input, readNewMessages(input));
  const tell = async (sse: SSEStreamingApi, left: AbortSignal): Promise<void> => {
    const write = async (all: readonly PlainEvent[]): Promise<void> => {
      for (const event of all) await sse.writeSSE({ data: JSON.stringify(event) });
    };
    const told = new RunEvents(input);
    await write([told.begin()]);
    const events = turnEvents(session, part, left);
    for (let next = await events.next(); ; next = await events.next()) {
      if (next.done !== true) await write(told.pass(next.value));
      else {
        if (next.value !== undefined) await write(told.end(next.value.turn, next.value.requests));
        return;
      }
    }
  };
  return streamTo(call, tell, ({ type, detail }) => ({ type: 'RUN_ERROR', message: detail, code: type }));
}

interface Begun {
  readonly session: SessionHandle;
  readonly part: TurnPart;
}

async function say(call: ProtocolCall, input: RunInput, messages: readonly ChatMessage[]): Promise<Begun> {
  if (input.messages.at(-1)?.role !== 'user')
    throw new CopilotError('InvalidInput', { what: 'messages', problem: 'the last one is not of the user' });
  const session = await openChat(call, input.threadId, input.forwardedProps?.team ?? 'default');
  const from = await session.position({ signal: call.signal });
  return { session, part: await sendFrom(call, session, { messages, context: contextOf(input) }, from) };
}

async function resume(call: ProtocolCall, input: RunInput, answers: NonNullable<RunInput['resume']>): Promise<Begun> {
  const { signal } = call;
  const decisions = answers.map(readAnswer);
  const session = await findChat(call, input.threadId, 'decide');
  await refuseNewWords(session, readNewMessages(input), signal);
  const from = await session.position({ signal });
  return { session, part: { turnId: await decideAllShown(call, session, decisions), from } };
}

/** What came since the last answer. @throws CopilotError `InvalidInput` */
function readNewMessages({ messages }: RunInput): ChatMessage[] {
  const news = messages.slice(messages.findLastIndex(({ role }) => role === 'assistant') + 1);
  return news.flatMap(({ id, role, content }) =>
    role === 'user' || role === 'system' || role === 'developer' ? [{ id, role, ...readContent(content) }] : [],
  );
}

/** What the program shows the person, as text for the agents. */
function contextOf({ context }: RunInput): NonNullable<ChatInput['context']> {
  if (!context?.length) return '';
  const lines = context.map(({ description, value }) => (description === '' ? value : `${description}: ${value}`));
  return `<context>\n${lines.join('\n')}\n</context>`;
}

/** @throws CopilotError `InvalidInput` that names the part */
function readContent(content: unknown): Pick<ChatMessage, 'text' | 'files'> {
  if (typeof content === 'string') return { text: content, files: [] };
  const texts: string[] = [];
  const files: GivenFile[] = [];
  for (const [index, given] of checkInput(z.array(z.unknown()), content, 'content').entries()) {
    const what = `content[${index}]`;
    const part = checkInput(Part, given, what);
    if (part.type === 'text') texts.push(part.text);
    else files.push(readPart(part, what));
  }
  return { text: texts.join('\n'), files };
}

function readPart(part: Exclude<Part, { type: 'text' }>, what: string): GivenFile {
  if (part.type === 'binary') {
    const { mimeType: mediaType, data, url = '', filename: name } = part;
    return data === undefined ? readDataUrl(url, name, what) : readBase64(data, { name, mediaType }, what);
  }
  const { source, metadata } = part;
  const name = metadata?.filename;
  if (source.type === 'data') return readBase64(source.value, { name, mediaType: source.mimeType }, what);
  return readDataUrl(source.type === 'url' ? source.value : '', name, what);
}

/** @throws CopilotError `InvalidInput` */
function readAnswer(
  { interruptId: id, status, payload }: NonNullable<RunInput['resume']>[number],
  index: number,
): ShownDecision {
  if (status === 'cancelled') return { id, isApproved: false };
  const { approved: isApproved, reason } = checkInput(Answer, payload, `resume[${index}].payload`);
  return { id, isApproved, reason };
}

/** Makes AG-UI events from the events of a turn. */
class RunEvents {
  readonly #run: Pick<RunInput, 'threadId' | 'runId'>;
  #message: { readonly id: string; readonly activityId: string; text: string } | undefined;
  /** Names of the steps that have begun and not ended. */
  readonly #steps = new Set<string>();
  #count = 0;
  #said = '';

  constructor({ threadId, runId }: RunInput) {
    this.#run = { threadId, runId };
  }

  begin(): PlainEvent {
    return { type: 'RUN_STARTED', ...this.#run };
  }

  pass(event: FollowEvent): PlainEvent[] {
    switch (event.type) {
      case 'token':
        return event.step === undefined ? this.#write(event.activityId, event.text) : [];
      case 'reset':
        return this.#message?.activityId === event.activityId ? this.#takeBack() : [];
      case 'model-ended':
        return event.step === undefined ? this.#close() : [];
      case 'planned':
        return [{ type: 'STATE_SNAPSHOT', snapshot: { plan: event.steps } }];
      case 'step-started':
        return this.#startStep(stepName(event));
      case 'step-ended':
        return this.#endStep(stepName(event));
      case 'tool-started':
        return [
          ...this.#close(),
          ...toolCall(event.activityId, event.tool, JSON.stringify({ summary: event.summary })),
        ];
      case 'tool-ended':
        return [
          {
            type: 'TOOL_CALL_RESULT',
            messageId: `${event.activityId}/result`,
            toolCallId: event.activityId,
            content: event.status,
            role: 'tool',
          },
        ];
      default:
        return [];
    }
  }

  end({ reply, questions, error, status }: TurnView, requests: readonly PendingRequest[]): PlainEvent[] {
    const said = reply !== '' ? reply : questions.join('\n');
    const missing = said.trim() === this.#said.trim() ? [] : this.#write('reply', said);
    // A run may not end within a step, whose end then belongs to a later run.
    const rest = [...missing, ...this.#close(), ...[...this.#steps].flatMap((name) => this.#endStep(name))];
    if (error !== undefined) return [...rest, { type: 'RUN_ERROR', message: error.message, code: error.type }];
    const interrupts = requests.filter(({ kind }) => kind !== 'input');
    if (interrupts.length > 0) {
      const asked = interrupts.flatMap(({ id, digest, tool }) =>
        tool ? toolCall(shownId(id, digest), tool.name, tool.arguments) : [],
      );
      return [
        ...rest,
        ...asked,
        { type: 'RUN_FINISHED', ...this.#run, outcome: { type: 'interrupt', interrupts: interrupts.map(interruptOf) } },
      ];
    }
    const outcome = status === 'interrupted' ? ({ type: 'cancelled' } as const) : ({ type: 'success' } as const);
    return [...rest, { type: 'RUN_FINISHED', ...this.#run, outcome }];
  }

  /** Another attempt of a step begins it again. */
  #startStep(name: string): PlainEvent[] {
    if (this.#steps.has(name)) return [];
    this.#steps.add(name);
    return [{ type: 'STEP_STARTED', stepName: name }];
  }

  /** A step may have begun in an earlier run. */
  #endStep(name: string): PlainEvent[] {
    const begin = this.#startStep(name);
    this.#steps.delete(name);
    return [...begin, { type: 'STEP_FINISHED', stepName: name }];
  }

  #write(activityId: string, delta: string): PlainEvent[] {
    if (delta === '') return [];
    const events: PlainEvent[] = [];
    if (this.#message?.activityId !== activityId) {
      events.push(...this.#close());
      const id = `${this.#run.runId}/${activityId}/${this.#count++}`;
      this.#message = { id, activityId, text: '' };
      events.push({ type: 'TEXT_MESSAGE_START', messageId: id, role: 'assistant' });
    }
    this.#message.text += delta;
    return [...events, { type: 'TEXT_MESSAGE_CONTENT', messageId: this.#message.id, delta }];
  }

  #close(): PlainEvent[] {
    if (this.#message === undefined) return [];
    const { id, text } = this.#message;
    this.#said = text;
    this.#message = undefined;
    return [{ type: 'TEXT_MESSAGE_END', messageId: id }];
  }

  /** The protocol has no word for a text that starts over: its message is named, and another one begins. */
  #takeBack(): PlainEvent[] {
    const { id } = this.#message ?? {};
    return [...this.#close(), { type: 'CUSTOM', name: 'copilot.reset', value: { messageId: id } }];
  }
}

const stepName = ({ step }: { readonly step: number }): string => `step ${step}`;

function toolCall(toolCallId: string, toolCallName: string, delta: string): PlainEvent[] {
  return [
    { type: 'TOOL_CALL_START', toolCallId, toolCallName },
    { type: 'TOOL_CALL_ARGS', toolCallId, delta },
    { type: 'TOOL_CALL_END', toolCallId },
  ];
}

function interruptOf({ id, digest, kind, question, tool, steps, form, expiresAt }: PendingRequest): Interrupt {
  return {
    id: shownId(id, digest),
    reason: kind === 'tool' ? 'tool_call' : `copilot:${kind}`,
    message: question,
    ...(tool ? { toolCallId: shownId(id, digest) } : {}),
    responseSchema: answerForm,
    expiresAt,
    metadata: { request: { id, kind, digest, steps, ...(form ? { form } : {}) } },
  };
}
