/** `copilot chat`: one session in a terminal, with everything that happens in it, whoever caused it. */
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CopilotClient } from '../../client/copilot-client.ts';
import type { ConnectOptions } from '../../connection/server-link.ts';
import { newUlid } from '../../client/creation/create-session.ts';
import type { FollowEvent } from '../../client/follow/follower.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { PendingRequest } from '../../contracts/request.ts';
import { type CreateFlags, createOptions } from '../connected.ts';
import { userName } from '../people/decisions.ts';
import { requestLine } from '../people/request-text.ts';
import { parseDecision, promptFor } from '../people/typed-decision.ts';
import { ProgressText } from './progress-text.ts';
import { messageText } from '../session/show.ts';
import { paint, remark, say, sayJson } from '../terminal.ts';
import { reportError } from '../error-report.ts';
import { sessionLine } from './turns.ts';

const EXIT_WORDS = ['exit', 'quit', 'bye'];
const SHOWN_MESSAGES = 6;
/** A second Ctrl-C within this time leaves. */
const LEAVE_MS = 2_000;
const LAST_EVENTS_MS = 3_000;

/** Ends with an exit word, the end of the input, or Ctrl-C twice while nothing runs; the session goes on. */
export async function runChat(id: string | undefined, flags: CreateFlags, connect: ConnectOptions = {}): Promise<void> {
  const client = await CopilotClient.connect(connect);
  try {
    const session = id === undefined ? await client.create(createOptions(flags)) : client.session(id);
    await new Chat(session, flags.json ?? false).run(id !== undefined);
  } finally {
    await client.close();
  }
}

/** Owns the terminal for the time of a chat. */
class Chat {
  readonly #session: SessionHandle;
  readonly #json: boolean;
  readonly #text = new ProgressText();
  readonly #stop = new AbortController();
  /** Messages that were typed here, and their turns: only the words of others are shown. */
  readonly #own = new Set<string>();
  readonly #ownTurns = new Set<string>();
  /** Turns that were not seen to end, and those that were. */
  readonly #open = new Set<string>();
  readonly #ended = new Set<string>();
  /** What waits for a person, oldest first: the next line decides the first. */
  readonly #requests = new Map<string, PendingRequest>();
  /** Decided before their request was seen to wait. */
  readonly #decided = new Set<string>();
  readonly #recalled = new Set<string>();
  readonly #isInteractive = process.stdin.isTTY && process.stdout.isTTY;
  #lines: Interface | undefined;
  #isStopping = false;
  #isOver = false;
  #isLeaving = false;
  #leaveBefore = 0;

  constructor(session: SessionHandle, json: boolean) {
    this.#session = session;
    this.#json = json;
  }

  async run(isAttached: boolean): Promise<void> {
    const from = await this.#session.position({ withTurn: true });
    await this.#greet(isAttached);
    if (isAttached) await this.#recall();
    const lines = createInterface({
      input: process.stdin,
      output: process.stdout,
      terminal: this.#isInteractive,
      prompt: '> ',
    });
    this.#lines = lines;
    const onInterrupt = (): void => void this.#interrupt();
    // A terminal in raw mode gives Ctrl-C to readline, anything else to the process.
    lines.on('SIGINT', onInterrupt);
    process.on('SIGINT', onInterrupt);
    let failure: unknown;
    const following = this.#follow(from).catch((error: unknown) => (failure = error));
    try {
      this.#prompt();
      await this.#read(lines);
    } finally {
      lines.close();
      process.off('SIGINT', onInterrupt);
      this.#stop.abort();
      await following;
    }
    if (failure) throw failure;
    if (!this.#json)
      remark(
        this.#isOver
          ? 'The session has ended.'
          : `The session goes on. Come back with: copilot chat ${this.#session.id}`,
      );
  }

  async #greet(isAttached: boolean): Promise<void> {
    if (this.#json) return sayJson({ type: 'chat', sessionId: this.#session.id, webUrl: this.#session.webUrl ?? null });
    say(paint('bold', sessionLine(this.#session)));
    say(paint('dim', 'Ctrl-C stops a turn; "exit" leaves, and the session goes on.'));
    if (!isAttached) return;
    const { status, suspendReason } = await this.#session.info();
    const { messages } = await this.#session.transcript();
    for (const message of messages.slice(-SHOWN_MESSAGES)) say(messageText(message));
    if (status !== 'active') {
      const wayOut = status === 'suspended' ? `; continue it with: copilot continue ${this.#session.id}` : '';
      say(paint('yellow', `This session is ${status}${suspendReason === null ? '' : ` (${suspendReason})`}${wayOut}`));
    }
  }

  /** What waits may have been asked in an earlier run, whose news does not come again. */
  async #recall(): Promise<void> {
    for (const request of await this.#session.requests()) {
      this.#requests.set(request.id, request);
      this.#recalled.add(request.id);
      if (!this.#json) this.#text.line('yellow', requestLine(request));
    }
  }

  async #read(lines: Interface): Promise<void> {
    for await (const line of lines) {
      const text = line.trim();
      if (this.#isLeaving || EXIT_WORDS.includes(text.toLowerCase())) return;
      const [request] = this.#requests.values();
      if (text === '') this.#prompt();
      else if (request) await this.#decide(request, line);
      else await this.#send(line);
    }
  }

  async #send(text: string): Promise<void> {
    const messageId = newUlid();
    this.#own.add(messageId);
    try {
      const { id } = await this.#session.send(text, { messageId, wait: false, signal: this.#stop.signal });
      // Input that is not typed comes faster than answers: one after the other.
      if (!this.#isInteractive) await this.#untilShown(id);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (!(error instanceof CopilotError)) throw error;
      reportError(error, this.#json);
      this.#prompt();
    }
  }

  async #decide({ id, turnId, options }: PendingRequest, line: string): Promise<void> {
    const typed = parseDecision(line, { options });
    if (!typed) {
      this.#text.line('yellow', `Something waits for your decision: ${options.join(', ')}. Ctrl-C stops the turn.`);
      return this.#prompt();
    }
    const { decision, ...rest } = typed;
    try {
      await this.#session.decide(id, decision, { ...rest, by: userName(), signal: this.#stop.signal });
      this.#forget(id);
      if (!this.#isInteractive) await this.#untilShown(turnId);
      else this.#prompt();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (!(error instanceof CopilotError)) throw error;
      if (error.type === 'AlreadyDecided' || error.type === 'RequestNotFound') this.#forget(id);
      reportError(error, this.#json);
      this.#prompt();
    }
  }

  /** A request that is decided; the news of its making may come later. */
  #forget(id: string): void {
    this.#requests.delete(id);
    this.#decided.add(id);
  }

  async #untilShown(turnId: string): Promise<void> {
    const { status, requests = [] } = await this.#session.awaitTurn(turnId, { signal: this.#stop.signal });
    const isShown = (): boolean =>
      requests.length > 0
        ? requests.every(({ id }) => this.#requests.has(id) || this.#decided.has(id))
        : this.#ended.has(turnId);
    const deadline = Date.now() + LAST_EVENTS_MS;
    while (status !== 'suspended' && !isShown() && !this.#ended.has(turnId) && Date.now() < deadline) await sleep(20);
  }

  async #follow(from: number): Promise<void> {
    try {
      for await (const event of this.#session.follow({ from, signal: this.#stop.signal })) {
        this.#note(event);
        if (this.#json) sayJson(event);
        else this.#show(event);
      }
      this.#isOver = !this.#stop.signal.aborted;
    } finally {
      // Somebody else may have ended the session.
      this.#leave();
    }
  }

  #note(event: FollowEvent): void {
    if (event.type === 'queued') {
      this.#open.add(event.turnId);
      if (this.#own.has(event.messageId)) this.#ownTurns.add(event.turnId);
    }
    if (event.type === 'turn-ended') {
      this.#open.delete(event.turnId);
      this.#ended.add(event.turnId);
    }
    if (event.type === 'request' && !this.#decided.has(event.request.id))
      this.#requests.set(event.request.id, event.request);
    if (event.type === 'decided') this.#forget(event.requestId);
    // What waits in a suspended session waits for its person.
    if (event.type === 'session' && event.status === 'suspended') this.#open.clear();
  }

  #show(event: FollowEvent): void {
    // Shown when the chat began.
    if (event.type === 'request' && this.#recalled.has(event.request.id)) return;
    if (event.type === 'turn-started') {
      if (!this.#ownTurns.has(event.turnId)) this.#text.line('bold', `you, elsewhere: ${event.text}`);
      return;
    }
    this.#text.show(event);
    if (['turn-ended', 'session', 'request', 'decided'].includes(event.type)) {
      this.#text.endLine();
      this.#prompt();
    }
  }

  async #interrupt(): Promise<void> {
    if (this.#isStopping || Date.now() < this.#leaveBefore) return this.#leave();
    this.#isStopping = true;
    const isStopped = await this.#stopTurn();
    this.#isStopping = false;
    if (isStopped) return;
    this.#leaveBefore = Date.now() + LEAVE_MS;
    this.#text.line('dim', 'Nothing runs. Ctrl-C again leaves; the session goes on.');
    this.#prompt();
  }

  /** @returns whether there was one */
  async #stopTurn(): Promise<boolean> {
    try {
      return (await this.#session.interrupt()).changed;
    } catch (error) {
      reportError(error, this.#json);
      return false;
    }
  }

  #leave(): void {
    this.#isLeaving = true;
    this.#lines?.close();
  }

  #prompt(): void {
    const [request] = this.#requests.values();
    if (!this.#isInteractive || this.#json || this.#isLeaving || (this.#open.size > 0 && !request)) return;
    const name = request && this.#requests.size > 1 ? `${request.id} ` : '';
    this.#lines?.setPrompt(request ? `${name}${promptFor(request)}` : '> ');
    this.#lines?.prompt(true);
  }
}
