/**
 * Makes the events and the object of an OpenAI response from the events of a turn.
 *
 * Sequence numbers are made from the numbers of the session's events and from positions in texts, so that another gateway
 * gives the same ones, and a stream goes on exactly after any of them.
 */
import type {
  Response as OpenAiResponse,
  ResponseOutputItem,
  ResponseOutputMessage,
  ResponseStreamEvent,
} from 'openai/resources/responses/responses';
import type { FollowEvent, PendingRequest, TokenEvent, TurnView } from '../../client.ts';
import { shownId } from '../chats/turn-events.ts';
import { conversationId, type ResponseRef, responseId } from './ids.ts';

/** Numbers that belong to one event of the session: up to 1,000 attempts of a text of 4 Mi units. */
const EVENT_SPAN = 2 ** 32;
const ATTEMPT_SPAN = 2 ** 22;
const FIRST_OF_TEXT = 1_024;

const SERVER_LABEL = 'copilot';

/** What a response repeats of its request. */
export interface ResponseHead extends ResponseRef {
  readonly model: string;
  readonly background: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  readonly previous: string | null;
}

/** What a response says of its turn. Old turns are known without their usage. */
type EndedTurn = Pick<TurnView, 'status' | 'reply' | 'questions' | 'error'> & Partial<Pick<TurnView, 'usage'>>;

type Unnumbered = ResponseStreamEvent extends infer Event
  ? Event extends ResponseStreamEvent
    ? Omit<Event, 'sequence_number'>
    : never
  : never;

interface OpenMessage {
  readonly activityId: string;
  readonly item: ResponseOutputMessage;
  readonly index: number;
  readonly startSeq: number;
  attempt: number;
  text: string;
}

export class ResponseBuilder {
  readonly #head: ResponseHead;
  readonly #output: ResponseOutputItem[] = [];
  #message: OpenMessage | undefined;
  #turn: EndedTurn | undefined;
  #status: NonNullable<OpenAiResponse['status']> = 'queued';
  #createdAt = Math.floor(Date.now() / 1_000);
  #isDone = false;
  #seq: number;
  #used = 0;

  constructor(head: ResponseHead) {
    this.#head = head;
    this.#seq = head.from - 1;
  }

  /** Whether the turn has ended, or waits for a person. */
  get isDone(): boolean {
    return this.#isDone;
  }

  get response(): OpenAiResponse {
    const { model, background, metadata, previous, sessionId } = this.#head;
    const output = this.#isDone ? this.#finalOutput() : [...this.#output];
    const usage = this.#turn?.usage;
    return {
      id: responseId(this.#head),
      object: 'response',
      created_at: this.#createdAt,
      status: this.#status,
      background,
      model,
      output,
      output_text: output
        .flatMap((item) => (item.type === 'message' ? item.content : []))
        .map((part) => ('text' in part ? part.text : ''))
        .join(''),
      conversation: { id: conversationId(sessionId) },
      previous_response_id: previous,
      metadata,
      error: this.#status === 'failed' ? { code: 'server_error', message: this.#problem() } : null,
      incomplete_details: null,
      instructions: null,
      parallel_tool_calls: true,
      temperature: null,
      top_p: null,
      tool_choice: 'auto',
      tools: [],
      access_programs: null,
      ...(usage === undefined
        ? {}
        : {
            usage: {
              input_tokens: usage.inputTokens,
              input_tokens_details: { cached_tokens: usage.cachedTokens, cache_write_tokens: usage.cacheWriteTokens },
              output_tokens: usage.outputTokens,
              output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
              total_tokens: usage.inputTokens + usage.outputTokens,
            },
          }),
    };
  }

  /** The first events, before anything of the turn. */
  begin(): ResponseStreamEvent[] {
    return [
      this.#number({ type: 'response.created', response: this.response }),
      this.#number({ type: 'response.in_progress', response: this.response }),
    ];
  }

  /** What an event of the turn means for the response. */
  pass(event: FollowEvent): ResponseStreamEvent[] {
    if ('seq' in event) {
      this.#seq = event.seq;
      this.#used = 0;
    }
    switch (event.type) {
      case 'queued':
        this.#createdAt = Math.floor(Date.parse(event.at) / 1_000);
        return [];
      case 'turn-started':
        this.#status = 'in_progress';
        return [];
      case 'token':
        return event.step === undefined ? this.#text(event) : [];
      case 'model-ended':
        return event.step === undefined ? this.#endMessage('completed') : this.#note(event.activityId, event.text);
      case 'planned':
        return this.#note(
          `plan-${event.seq}`,
          event.steps.map(({ number, agent, task }) => `${number}. ${task} (${agent})`).join('\n'),
        );
      case 'tool-started':
        return this.#startTool(event.activityId, event.tool, event.summary);
      case 'tool-ended':
        return this.#endTool(event.activityId, event.status);
      default:
        return [];
    }
  }

  /** The turn has ended, or waits for these requests. @param turn the turn as it is then */
  end(turn: EndedTurn, requests: readonly PendingRequest[]): ResponseStreamEvent[] {
    const events = this.#endMessage('incomplete');
    this.#turn = turn;
    for (const request of requests) if (request.kind !== 'input') events.push(...this.#ask(request));
    this.#isDone = true;
    this.#status = statusOf(turn);
    const said = turn.reply !== '' ? turn.reply : turn.questions.join('\n');
    const last = this.#output.findLast((item) => item.type === 'message');
    // A session trims what it keeps.
    if (said !== '' && textOf(last)?.trim() !== said.trim()) events.push(...this.#whole(said));
    const type =
      this.#status === 'failed'
        ? 'response.failed'
        : this.#status === 'cancelled'
          ? 'response.incomplete'
          : 'response.completed';
    return [...events, this.#number({ type, response: this.response })];
  }

  /** The parts of a response that are its answer. Texts before it have been streamed, and are not part of it. */
  #finalOutput(): ResponseOutputItem[] {
    const last = this.#output.findLast((item) => item.type === 'message');
    return this.#output.filter((item) => item.type !== 'message' || item === last);
  }

  #problem(): string {
    const { error } = this.#turn ?? {};
    return error === undefined ? 'The turn failed.' : `${error.type}: ${error.message}`;
  }

  #number(event: Unnumbered, number = (this.#seq + 1) * EVENT_SPAN + this.#used++): ResponseStreamEvent {
    return { ...event, sequence_number: number };
  }

  #text({ activityId, attempt, offset, text }: TokenEvent): ResponseStreamEvent[] {
    const events: ResponseStreamEvent[] = [];
    if (this.#message !== undefined && this.#message.attempt !== attempt)
      events.push(...this.#endMessage('incomplete'));
    let open = this.#message;
    if (open === undefined) {
      open = this.#open(activityId, attempt);
      events.push(...this.#opened(open));
    }
    open.text += text;
    const delta: Unnumbered = {
      type: 'response.output_text.delta',
      item_id: open.item.id,
      output_index: open.index,
      content_index: 0,
      delta: text,
      logprobs: [],
    };
    const place = Math.min(attempt, 1_000) * ATTEMPT_SPAN + FIRST_OF_TEXT + offset + text.length;
    return [...events, this.#number(delta, (open.startSeq + 1) * EVENT_SPAN + place)];
  }

  #open(activityId: string, attempt: number): OpenMessage {
    const item: ResponseOutputMessage = {
      id: `msg_${activityId.replaceAll('/', '_')}_${this.#output.length}`,
      type: 'message',
      role: 'assistant',
      status: 'in_progress',
      content: [],
    };
    const index = this.#output.push(item) - 1;
    this.#message = { activityId, item, index, startSeq: this.#seq, attempt, text: '' };
    return this.#message;
  }

  #opened({ item, index }: OpenMessage): ResponseStreamEvent[] {
    const part = { type: 'output_text' as const, text: '', annotations: [] };
    return [
      this.#number({ type: 'response.output_item.added', output_index: index, item }),
      this.#number({
        type: 'response.content_part.added',
        item_id: item.id,
        output_index: index,
        content_index: 0,
        part,
      }),
    ];
  }

  #endMessage(status: 'completed' | 'incomplete'): ResponseStreamEvent[] {
    const open = this.#message;
    if (open === undefined) return [];
    this.#message = undefined;
    const { text, index } = open;
    const part = { type: 'output_text' as const, text, annotations: [] };
    const item: ResponseOutputMessage = { ...open.item, status, content: [part] };
    this.#output[index] = item;
    const at = { item_id: item.id, output_index: index, content_index: 0 };
    return [
      this.#number({ type: 'response.output_text.done', ...at, text, logprobs: [] }),
      this.#number({ type: 'response.content_part.done', ...at, part }),
      this.#number({ type: 'response.output_item.done', output_index: index, item }),
    ];
  }

  /** A message that was not streamed. */
  #whole(text: string): ResponseStreamEvent[] {
    const open = this.#open('reply', 1);
    open.text = text;
    const delta: Unnumbered = {
      type: 'response.output_text.delta',
      item_id: open.item.id,
      output_index: open.index,
      content_index: 0,
      delta: text,
      logprobs: [],
    };
    const opened = this.#opened(open);
    // The number of a part of a text is that of its last unit.
    this.#used += text.length;
    return [...opened, this.#number(delta), ...this.#endMessage('completed')];
  }

  /** Plans and texts of steps: what a team thinks on the way to its answer. */
  #note(id: string, text: string): ResponseStreamEvent[] {
    if (text === '') return [];
    const item = {
      id: `rs_${id.replaceAll('/', '_')}`,
      type: 'reasoning' as const,
      summary: [{ type: 'summary_text' as const, text }],
    };
    const output_index = this.#output.push(item) - 1;
    return [
      this.#number({ type: 'response.output_item.added', output_index, item: { ...item, summary: [] } }),
      this.#number({ type: 'response.output_item.done', output_index, item }),
    ];
  }

  #startTool(activityId: string, name: string, summary: string): ResponseStreamEvent[] {
    const id = `mcp_${activityId.replaceAll('/', '_')}`;
    const item = {
      id,
      type: 'mcp_call' as const,
      server_label: SERVER_LABEL,
      name,
      arguments: JSON.stringify({ summary }),
      status: 'in_progress' as const,
    };
    const output_index = this.#output.push(item) - 1;
    return [
      this.#number({ type: 'response.output_item.added', output_index, item }),
      this.#number({ type: 'response.mcp_call.in_progress', item_id: id, output_index }),
    ];
  }

  #endTool(activityId: string, outcome: 'ok' | 'failed' | 'unknown'): ResponseStreamEvent[] {
    const id = `mcp_${activityId.replaceAll('/', '_')}`;
    const output_index = this.#output.findLastIndex((item) => item.type === 'mcp_call' && item.id === id);
    const found = this.#output[output_index];
    if (found?.type !== 'mcp_call') return [];
    const item = { ...found, status: outcome === 'ok' ? ('completed' as const) : ('failed' as const) };
    this.#output[output_index] = item;
    const type = outcome === 'ok' ? ('response.mcp_call.completed' as const) : ('response.mcp_call.failed' as const);
    return [
      this.#number({ type, item_id: id, output_index }),
      this.#number({ type: 'response.output_item.done', output_index, item }),
    ];
  }

  #ask({ id, digest, kind, question, tool, steps, form }: PendingRequest): ResponseStreamEvent[] {
    const item = {
      id: shownId(id, digest),
      type: 'mcp_approval_request' as const,
      server_label: SERVER_LABEL,
      name: tool?.name ?? kind,
      arguments:
        tool?.arguments ?? JSON.stringify({ question, ...(steps ? { steps } : {}), ...(form ? { form } : {}) }),
    };
    const output_index = this.#output.push(item) - 1;
    return [
      this.#number({ type: 'response.output_item.added', output_index, item }),
      this.#number({ type: 'response.output_item.done', output_index, item }),
    ];
  }
}

function textOf(item: ResponseOutputItem | undefined): string | undefined {
  const [part] = item?.type === 'message' ? item.content : [];
  return part?.type === 'output_text' ? part.text : undefined;
}

function statusOf({ status }: EndedTurn): NonNullable<OpenAiResponse['status']> {
  switch (status) {
    case 'failed':
      return 'failed';
    case 'interrupted':
      return 'cancelled';
    case 'suspended':
      return 'incomplete';
    default:
      return 'completed';
  }
}
