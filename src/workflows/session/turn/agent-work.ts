/** What an agent is doing: opened once, found again by the next run, removed when it ends. */
import type { RunAgentResult } from '../../../contracts/activities.ts';
import type { Json } from '../../../contracts/json.ts';
import { utf8Bytes } from '../../../contracts/utf8.ts';
import { MAX_WORK_BYTES } from '../../../contracts/limits.ts';
import type { CallEnd, RunningTurn, RunningWork, SessionState, Work } from '../../../contracts/session-state.ts';
import {
  advance,
  assistantMessage,
  dataBytes,
  EMPTY_TRANSCRIPT,
  imagesOf,
  type Message,
  type ToolCall,
  type UserMessage,
} from '../../../contracts/transcript.ts';
import { beginningOf } from '../../../contracts/text-cut.ts';
import { endWorkSpan } from '../spans.ts';

/** What a work begins with. */
export interface Task extends Pick<Work, 'phase' | 'agent' | 'part' | 'step' | 'routes'> {
  readonly first: Message;
}

/** The works of the running turn. */
export class Works {
  readonly #state: SessionState;

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** The work of this name: as the run before left it, or new. */
  open(turn: RunningTurn, { phase, agent, part, step, routes = false, first }: Task): AgentWork {
    const works = this.#works;
    const found = works.find((work) => work.part === part);
    if (found) return new AgentWork(found);
    const work: Work = {
      part,
      phase,
      ...(step === undefined ? {} : { step }),
      ...(routes ? { routes } : {}),
      agent,
      handoffs: 0,
      rounds: 0,
      thread: { id: `${turn.id}/${part}`, address: EMPTY_TRANSCRIPT, messages: [], units: 0 },
      tail: [first],
      calls: [],
      judgements: [],
      remembered: {},
    };
    works.push(work);
    return new AgentWork(work);
  }

  close(part: string): void {
    this.#close((work) => work.part === part);
  }

  closeAll(): void {
    this.#close(() => true);
  }

  #close(isMeant: (work: Work) => boolean): void {
    const { current } = this.#state;
    if (!current) return;
    for (const work of current.works) if (isMeant(work)) endWorkSpan(current, work);
    current.works = current.works.filter((work) => !isMeant(work));
  }

  get #works(): Work[] {
    const { current } = this.#state;
    if (!current) throw new TypeError('no turn runs'); // agents work within one
    return current.works;
  }
}

/** A reference to an image, with a path of usual length. */
const REFERENCE_BYTES = 300;
const LEFT_OUT = '[Left out, since there was too much to read. Call the tool again if you need its result.]';

/** One work: its thread of messages grows round by round. */
export class AgentWork {
  readonly #work: Work;

  constructor(work: Work) {
    this.#work = work;
  }

  get state(): RunningWork {
    return this.#work;
  }

  /** The next round has a name of its own, even if this one came to nothing. */
  skipRound(): void {
    this.#work.rounds += 1;
  }

  /** Appends what the model said in a round. */
  takeReply(reply: RunAgentResult): void {
    const { toolCalls, judgements, problem } = reply;
    const work = this.#work;
    const said = assistantMessage(reply);
    const { thread, tail } = work;
    thread.address = advance(thread.address, [...tail, said]);
    thread.messages.push(...tail, said);
    thread.units += unitsOf([...tail, said]);
    work.rounds += 1;
    work.tail = [];
    work.calls = [...toolCalls];
    work.judgements = [...judgements];
    if (problem === undefined) delete work.problem;
    else work.problem = problem;
  }

  /** Keeps the beginning of an answer that was cut off. */
  keepBeginning(text: string): void {
    this.#work.begun = (this.#work.begun ?? '') + text;
  }

  /** @returns how often in a row a round had these calls with these answers, this time included */
  countRepetition(calls: readonly ToolCall[], answers: readonly Message[]): number {
    const made: Message = { role: 'assistant', text: '', toolCalls: calls.map((call) => ({ ...call, id: '' })) };
    const results = answers.map(({ text }): Message => ({ role: 'user', text }));
    const { check } = advance(EMPTY_TRANSCRIPT, [made, ...results]);
    const { repeated } = this.#work;
    const times = repeated?.check === check ? repeated.times + 1 : 1;
    this.#work.repeated = { check, times };
    return times;
  }

  /** Keeps how the calls of the last round ended while people are asked about some of them. */
  keepEnds(ends: readonly CallEnd[]): void {
    this.#work.ends = [...ends];
  }

  /** Answers the calls of the last round. */
  answerCalls(answers: readonly Message[]): void {
    this.#work.tail = [...answers];
    this.#work.calls = [];
    delete this.#work.ends;
  }

  /** Tells the agent something before its next round. */
  tell(message: UserMessage): void {
    this.#work.tail.push(message);
  }

  remember(key: string, value: Json): void {
    this.#work.remembered[key] = value;
  }

  /** Another agent goes on in the same conversation. */
  handOver(agent: string): void {
    this.#work.handoffs += 1;
    this.#work.agent = agent;
  }

  /**
   * Keeps the work within its share of the carried state: the oldest tool results are left out first.
   * @param count of works that run side by side
   */
  bound(count: number): void {
    const work = this.#work;
    const share = MAX_WORK_BYTES / count;
    const { messages } = work.thread;
    // No UTF-16 unit takes more than three bytes. Counting the exact bytes of all messages would make each round dearer.
    if (3 * (work.thread.units + unitsOf(work.tail)) <= share) return;
    work.tail = shortened(work.tail, share / 2);
    const bytes = [...messages, ...work.tail].map(messageBytes);
    let total = bytes.reduce((sum, size) => sum + size, 0);
    if (total <= share) return;
    // More than is necessary, so that this does not happen again in each round.
    const forgotten = messages.findIndex((_, index) => (total -= bytes[index] ?? 0) <= share / 2);
    this.#leaveOut(forgotten < 0 ? messages.length : forgotten + 1);
  }

  /** Leaves out all tool results but the newest. @returns whether there were any */
  forgetResults(): boolean {
    return this.#leaveOut(this.#work.thread.messages.length);
  }

  /** The changed thread has an epoch of its own. */
  #leaveOut(count: number): boolean {
    const { thread } = this.#work;
    const { messages, address } = thread;
    let hasChanged = false;
    messages.slice(0, count).forEach((message, index) => {
      const smaller = withoutBulk(message);
      if (!smaller) return;
      messages[index] = smaller;
      hasChanged = true;
    });
    if (!hasChanged) return false;
    thread.address = advance({ ...EMPTY_TRANSCRIPT, epoch: address.epoch + 1 }, messages);
    thread.units = unitsOf(messages);
    return true;
  }
}

/** The message without its tool result, or without what only its provider needs; undefined if it has neither. */
function withoutBulk(message: Message): Message | undefined {
  if (message.role === 'tool') {
    const { images, ...rest } = message;
    return message.text.length > LEFT_OUT.length || images ? { ...rest, text: LEFT_OUT } : undefined;
  }
  if (message.role === 'user' || message.providerData === undefined) return undefined;
  const { providerData: _, ...rest } = message;
  return rest;
}

/** Cuts tool results to equal parts if they are too long together: a round may have any number of calls. */
function shortened(tail: readonly Message[], maxBytes: number): Message[] {
  if (tail.reduce((sum, message) => sum + messageBytes(message), 0) <= maxBytes) return [...tail];
  // No character takes more than three bytes for each UTF-16 unit.
  const max = Math.floor(maxBytes / tail.length / 3);
  return tail.map((message) =>
    message.role !== 'tool' || message.text.length <= max
      ? message
      : { ...message, text: `${beginningOf(message.text, max)}\n\n[Cut after ${max} characters.]` },
  );
}

function messageBytes(message: Message): number {
  const calls = callsOf(message).reduce((sum, call) => sum + utf8Bytes(call.arguments), 0);
  return utf8Bytes(message.text) + calls + dataBytes(message) + imagesOf(message).length * REFERENCE_BYTES;
}

function unitsOf(messages: readonly Message[]): number {
  return messages.reduce((sum, message) => {
    const calls = callsOf(message).reduce((units, call) => units + call.arguments.length, 0);
    return sum + message.text.length + calls + dataBytes(message) + imagesOf(message).length * REFERENCE_BYTES;
  }, 0);
}

function callsOf(message: Message): readonly ToolCall[] {
  return message.role === 'assistant' ? (message.toolCalls ?? []) : [];
}
