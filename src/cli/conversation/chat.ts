/** `copilot chat`: one session in a terminal, with everything that happens in it, also by others. */
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CopilotClient } from '../../client/copilot-client.ts';
import type { ConnectOptions } from '../../connection/server-link.ts';
import { newUlid } from '../../client/creation/create-session.ts';
import type { FollowEvent } from '../../client/follow/follower.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { PendingRequest } from '../../contracts/request.ts';
import { type CreateFlags, createOptions, noteGuess, type ShowFlags } from '../connected.ts';
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
/** A second Ctrl-C within this time leaves the chat. */
const LEAVE_MS = 2_000;
const LAST_EVENTS_MS = 3_000;

/** Ends with an exit word, the end of the input, or two Ctrl-C while no turn runs. The session goes on. */
export async function runChat(
  id: string | undefined,
  flags: CreateFlags & ShowFlags,
  connect: ConnectOptions = {},
): Promise<void> {
  const client = await CopilotClient.connect(connect);
  noteGuess(client);
  try {
    const session = id === undefined ? await client.create(createOptions(flags)) : client.session(id);
    await new Chat(session, flags).run(id !== undefined);
  } finally {
    await client.close();
  }
}

/** Owns the terminal during a chat. */
class Chat {
  readonly #session: SessionHandle;
  readonly #json: boolean;
  readonly #text: ProgressText;
  readonly #stop = new AbortController();
  /** Messages that were typed here, and their turns. Only messages of others are shown. */
  readonly #own = new Set<string>();
  readonly #ownTurns = new Set<string>();
  /** Turns that have not ended, and those that have, as far as events were received. */
  readonly #open = new Set<string>();
  readonly #ended = new Set<string>();
  /** Requests that wait for a person, oldest first. The next line decides the first. */
  readonly #requests = new Map<string, PendingRequest>();
  /** Requests that were decided. Their `request` event may come later. */
  readonly #decided = new Set<string>();
  readonly #recalled = new Set<string>();
  readonly #isInteractive = process.stdin.isTTY && process.stdout.isTTY;
  #lines: Interface | undefined;
  #isStopping = false;
  #isOver = false;
  #isLeaving = false;
  #leaveBefore = 0;

  constructor(session: SessionHandle, { json = false, thinking = false }: ShowFlags) {
    this.#session = session;
    this.#json = json;
    this.#text = new ProgressText({ showsThinking: thinking });
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
    // A terminal in raw mode delivers Ctrl-C to readline; otherwise the process gets SIGINT.
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

  /** Shows waiting requests, because those of an earlier run have no event any more. */
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
      // Piped input comes faster than answers, so each turn is waited for.
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
      this.#text.line('yellow', `A request waits for your decision: ${options.join(', ')}. Ctrl-C stops the turn.`);
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

  /** Marks a request as decided. */
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
    // A suspended session runs no turns, so the prompt comes back.
    if (event.type === 'session' && event.status === 'suspended') this.#open.clear();
  }

  #show(event: FollowEvent): void {
    // It was shown when the chat began.
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
    this.#text.line('dim', 'No turn is running. Ctrl-C again leaves; the session goes on.');
    this.#prompt();
  }

  /** @returns whether a turn was running */
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
