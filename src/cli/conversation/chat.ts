/** `copilot chat`: one session in a terminal, with everything that happens in it, also by others. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CopilotClient } from '../../client/copilot-client.ts';
import type { ConnectOptions } from '../../connection/server-link.ts';
import { newUlid } from '../../client/new-ulid.ts';
import type { FollowEvent } from '../../client/follow/follower.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { APPROVING, type PendingRequest } from '../../contracts/request.ts';
import { subjectDigest } from '../../contracts/request-subject.ts';
import { type CreateFlags, createOptions, noteGuess, type ShowFlags, thisCli } from '../connected.ts';
import { userName } from '../people/decisions.ts';
import { requestLine } from '../people/request-text.ts';
import { parseDecision, promptFor } from '../people/typed-decision.ts';
import { CHAT_COMMANDS, chatCommandOf } from './chat-commands.ts';
import { ChatInput, NO_REQUEST, type Typed } from './chat-input.ts';
import { ProgressText } from './progress-text.ts';
import { endText, untilDeleted } from './session-end.ts';
import { messageText } from '../session/show.ts';
import { isTerminal, paint, remark, say, sayJson } from '../terminal.ts';
import { reportError } from '../error-report.ts';
import { sessionLine } from './turns.ts';

const EXIT_WORDS = ['exit', 'quit', 'bye'];
const SHOWN_MESSAGES = 6;
/** A second Ctrl-C within this time leaves the chat. */
const LEAVE_MS = 2_000;
const LAST_EVENTS_MS = 10_000;
/** What takes longer is announced. */
const SLOW_MS = 500;

/** Ends with an exit word, the end of the input, or two Ctrl-C while no turn runs. The session goes on. */
export async function runChat(
  id: string | undefined,
  flags: CreateFlags & ShowFlags,
  connect: ConnectOptions = {},
  farewell = (sessionId: string): string => `The session goes on. Come back with: copilot chat ${sessionId}`,
): Promise<void> {
  const client = await sayIfSlow('the Temporal server', CopilotClient.connect(connect));
  noteGuess(client);
  try {
    const session =
      id === undefined
        ? await sayIfSlow('a worker that reads the team', client.create(createOptions(flags)))
        : client.session(id);
    const isOver = await new Chat(session, id === undefined ? { ...flags, attach: [] } : flags).run(id !== undefined);
    if (!flags.json) remark(isOver ? await endText(session) : farewell(session.id));
  } finally {
    await client.close();
  }
}

/** Says in a terminal what a chat waits for while it starts. */
async function sayIfSlow<T>(what: string, work: Promise<T>): Promise<T> {
  const timer = setTimeout(() => remark(paint('dim', `Waiting for ${what} …`)), SLOW_MS);
  if (!isTerminal.stderr) clearTimeout(timer);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}

type ChatFlags = ShowFlags & Pick<CreateFlags, 'attach'>;

/** Owns the terminal during a chat. */
class Chat {
  readonly #session: SessionHandle;
  readonly #json: boolean;
  /** Files that go along with the next message. */
  #attach: readonly string[];
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
  readonly #decidedHere = new Set<string>();
  /** Digests of the requests that were shown before their event came. */
  readonly #recalled = new Map<string, string>();
  #input: ChatInput | undefined;
  #isStopping = false;
  #isOver = false;
  #isLeaving = false;
  #leaveBefore = 0;

  constructor(session: SessionHandle, { json = false, thinking = false, attach = [] }: ChatFlags) {
    this.#session = session;
    this.#json = json;
    const leavePrompt = (): void => this.#input?.leavePrompt();
    this.#text = new ProgressText({ sessionId: session.id, showsThinking: thinking, leavePrompt });
    this.#attach = attach;
  }

  /** @returns whether the session has ended */
  async run(isAttached: boolean): Promise<boolean> {
    const from = await sayIfSlow('a worker that answers', this.#session.position({ withTurn: true }));
    this.#greet();
    if (isAttached) await this.#recall();
    const onInterrupt = (): void => void this.#interrupt();
    // A terminal in raw mode delivers Ctrl-C as a key; otherwise the process gets SIGINT.
    const input = new ChatInput(onInterrupt);
    this.#input = input;
    process.on('SIGINT', onInterrupt);
    let failure: unknown;
    const following = this.#follow(from).catch((error: unknown) => (failure = error));
    try {
      this.#prompt();
      await this.#read(input);
    } finally {
      input.leavePrompt();
      input.close();
      process.off('SIGINT', onInterrupt);
      this.#stop.abort();
      await following;
    }
    if (failure) throw failure;
    return this.#isOver;
  }

  #greet(): void {
    if (this.#json) return sayJson({ type: 'chat', sessionId: this.#session.id, webUrl: this.#session.webUrl ?? null });
    say(paint('bold', sessionLine(this.#session)));
    say(paint('dim', 'Ctrl-C stops a turn; "exit" leaves, and the session goes on; /help says more.'));
  }

  /** Shows where the session stands, and which requests wait: those of an earlier run have no event any more. */
  async #recall(): Promise<void> {
    const { status, suspendReason, pendingApprovals } = await this.#session.info();
    this.#isOver = status === 'completed' || status === 'expired';
    if (!this.#json) {
      for (const message of (await this.#session.transcript()).messages.slice(-SHOWN_MESSAGES))
        say(messageText(message));
      const reason = suspendReason === null ? '' : ` (${suspendReason})`;
      const wayOut = status === 'suspended' ? '; /continue takes it up' : '';
      if (status !== 'active') say(paint('yellow', `This session is ${status}${reason}${wayOut}`));
    }
    for (const request of pendingApprovals) this.#recallRequest(request);
  }

  #recallRequest(request: PendingRequest): void {
    if (this.#requests.has(request.id) || this.#decided.has(request.id)) return;
    this.#requests.set(request.id, request);
    this.#recalled.set(request.id, request.digest);
    if (!this.#json) this.#text.line('yellow', requestLine(request, this.#session.id));
  }

  async #read(input: ChatInput): Promise<void> {
    for await (const typed of input.texts()) {
      const text = typed.text.trim();
      const command = typed.isTypedLine ? chatCommandOf(typed.text) : undefined;
      if (this.#isLeaving || (typed.isTypedLine && EXIT_WORDS.includes(text.toLowerCase())) || command === 'quit')
        return;
      const asked = input.isInteractive && !this.#json ? typed.about : this.#firstRequest;
      const request = asked && this.#decided.has(asked.id) ? undefined : asked;
      if (text === '') this.#prompt();
      else if (command !== undefined) await this.#command(command, request);
      else if (asked && !request && this.#comesTooLate(asked, typed)) this.#refuseLate(asked);
      else if (request && (typed.isTypedLine || request.kind === 'input')) await this.#decide(request, typed);
      else if (typed.isTypedLine && this.#looksLikeDecision(typed.text)) this.#refuseEarly();
      else await this.#send(typed.text);
    }
  }

  /** Whether a line that was begun while the request waited would have decided it, and is no message. */
  #comesTooLate(request: PendingRequest, { text, isTypedLine }: Typed): boolean {
    // Whoever has answered a question goes on with a message.
    if (request.kind === 'input') return !this.#decidedHere.has(request.id);
    return isTypedLine && parseDecision(text, request) !== undefined;
  }

  #refuseLate({ id }: PendingRequest): void {
    this.#tell(`${id} was decided already, so this line was not sent. Type it again to send it as a message.`);
    this.#prompt();
  }

  /** Whether a line that was begun before the request was shown would decide it now. */
  #looksLikeDecision(line: string): boolean {
    const request = this.#firstRequest;
    return request !== undefined && request.kind !== 'input' && parseDecision(line, request) !== undefined;
  }

  #refuseEarly(): void {
    this.#tell('This line was begun before the request was shown, so it decides nothing. Type your decision again.');
    this.#prompt();
  }

  async #command(name: string, request: PendingRequest | undefined): Promise<void> {
    if (name === 'help') this.#tell(CHAT_COMMANDS);
    else if (name === 'continue') await this.#attempt(async () => void (await this.#session.continue()));
    else if (name === 'show') await this.#showWhole(request ?? this.#firstRequest);
    else this.#tell(`There is no command /${name}; /help lists them. A space in front sends it as a message.`);
    this.#prompt();
  }

  /** Shows all of a request, so that it can be decided here. */
  async #showWhole(request: PendingRequest | undefined): Promise<void> {
    if (!request) return this.#tell('No request waits.');
    await this.#attempt(async () => {
      const whole = await this.#session.request(request.id, { signal: this.#stop.signal });
      if ('verdict' in whole) return this.#tell(`${whole.id} was decided already.`);
      if (this.#requests.has(whole.id)) this.#requests.set(whole.id, whole);
      this.#tell(requestLine(whole, this.#session.id));
    });
  }

  /** Says what goes wrong, and goes on. */
  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (!(error instanceof CopilotError)) throw error;
      reportError(error, this.#json);
    }
  }

  #tell(text: string): void {
    if (this.#json) remark(text);
    else this.#text.line('yellow', text);
  }

  async #send(text: string): Promise<void> {
    const messageId = newUlid();
    this.#own.add(messageId);
    await this.#attempt(async () => {
      const { id } = await this.#session.send(text, {
        messageId,
        attach: this.#attach,
        wait: false,
        signal: this.#stop.signal,
      });
      this.#attach = [];
      // Piped input comes faster than answers, so each turn is waited for.
      if (!this.#input?.isInteractive) return await this.#untilShown(id);
      const waiting = this.#firstRequest;
      if (waiting && waiting.turnId !== id)
        this.#tell(`The message is queued. ${waiting.id} still waits for your decision.`);
    });
    this.#prompt();
  }

  async #decide(request: PendingRequest, { text: line }: Typed): Promise<void> {
    const { id, turnId, options } = request;
    const typed = parseDecision(line, request);
    if (!typed) {
      this.#tell(`A request waits for your decision: ${options.join(', ')}. Ctrl-C stops the turn.`);
      return this.#prompt();
    }
    const { decision, ...rest } = typed;
    if (request.isCut && APPROVING.includes(decision)) {
      this.#tell(`${id} is too long to be shown here at once. Read all of it with /show, then decide.`);
      return this.#prompt();
    }
    // A cut request may be denied, and has no digest of its own.
    const digest = request.isCut ? {} : { digest: subjectDigest(request) };
    try {
      await this.#session.decide(id, decision, { ...rest, ...digest, by: userName(), signal: this.#stop.signal });
      this.#decidedHere.add(id);
      this.#forget(id);
      if (!this.#input?.isInteractive) await this.#untilShown(turnId);
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
    while (status !== 'suspended' && !isShown() && !this.#ended.has(turnId) && Date.now() < deadline) {
      if (this.#isLeaving) return;
      await sleep(20);
    }
    // Its event may come late, and the next line decides it.
    for (const request of requests) this.#recallRequest(request);
  }

  async #follow(from: number): Promise<void> {
    try {
      const options = { from, signal: this.#stop.signal, as: thisCli() };
      for await (const event of untilDeleted(this.#session.follow(options))) {
        this.#note(event);
        if (this.#json) sayJson(event);
        else await this.#show(event);
      }
      this.#isOver ||= !this.#stop.signal.aborted;
    } finally {
      this.#text.endLine();
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
    if (event.type === 'request') this.#noteRequest(event.request);
    if (event.type === 'decided') this.#forget(event.requestId);
    // A suspended session runs no turns, so the prompt comes back.
    if (event.type === 'session' && event.status === 'suspended') this.#open.clear();
  }

  #noteRequest(request: PendingRequest): void {
    // What is known already may have been read whole.
    if (this.#requests.get(request.id)?.digest === request.digest) return;
    if (!this.#decided.has(request.id)) this.#requests.set(request.id, request);
  }

  async #show(event: FollowEvent): Promise<void> {
    // What was written meanwhile has taken the place of the prompt.
    const isShown = event.type === 'request' && this.#recalled.get(event.request.id) === event.request.digest;
    if (isShown) return this.#prompt();
    if (event.type === 'turn-started') {
      if (!this.#ownTurns.has(event.turnId)) this.#text.line('bold', `you, elsewhere: ${event.text}`);
      return;
    }
    this.#text.show(event);
    if (event.type === 'turn-ended' && event.status === 'failed') await this.#explain(event.turnId);
    if (['turn-ended', 'session', 'request', 'decided'].includes(event.type)) {
      this.#text.endLine();
      this.#prompt();
    }
  }

  /** Says why a turn failed, and how to go on. */
  async #explain(turnId: string): Promise<void> {
    await this.#attempt(async () => {
      const turns = await this.#session.turns({ signal: this.#stop.signal });
      const { error } = turns.find(({ id }) => id === turnId) ?? {};
      if (error) this.#text.line('red', error.message);
    });
    this.#text.line('dim', 'Send another message, or /continue to try again what failed.');
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
    this.#input?.close();
  }

  get #firstRequest(): PendingRequest | undefined {
    return this.#requests.values().next().value;
  }

  #prompt(): void {
    const request = this.#firstRequest;
    if (!this.#input?.isInteractive || this.#json || this.#isLeaving) return;
    if (this.#open.size > 0 && !request) return this.#input.dropPrompt();
    const name = request && this.#requests.size > 1 ? `${request.id} ` : '';
    this.#input.prompt(request ? `${name}${promptFor(request)}` : NO_REQUEST, request);
  }
}
