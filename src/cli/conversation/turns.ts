/** `copilot start`, `send` and `continue`. */
import { dropUndefined } from '../../client/defined-fields.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { newUlid } from '../../client/new-ulid.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { isSettled, type TurnView } from '../../contracts/turn.ts';
import {
  type CommonFlags,
  type CreateFlags,
  createOptions,
  readMessage,
  type ShowFlags,
  withClient,
} from '../connected.ts';
import { watchTurn } from './follow.ts';
import { requestText } from '../people/request-text.ts';
import { ProgressText } from './progress-text.ts';
import { changeSessions, type ManyFlags, shiftArguments } from '../session/many.ts';
import { err, isTerminal, out, paint, printResult, remark, say, sayJson } from '../terminal.ts';

interface WaitFlags extends ShowFlags {
  readonly wait?: boolean;
}

export async function runStart(message: string | undefined, flags: CreateFlags & WaitFlags): Promise<void> {
  const text = await readMessage(message);
  if (flags.wait && text === undefined) {
    throw new CopilotError('InvalidInput', {
      what: '--wait',
      problem: 'there is no message; pass one, or leave --wait out',
    });
  }
  const messageId = newUlid();
  await withClient(async (client) => {
    const session = await client.create({
      ...createOptions(flags, text),
      ...(text === undefined ? {} : { messageId }),
    });
    if (!flags.wait) {
      const { id, webUrl = null } = session;
      return printResult(flags.json, { sessionId: id, webUrl }, () =>
        [id, ...(webUrl === null ? [] : [webUrl])].join('\n'),
      );
    }
    if (!flags.json) remark(sessionLine(session));
    const turn = await session.send(text ?? '', { messageId, wait: false });
    await showTurn(session, turn, 0, flags);
  });
}

export async function runSend(
  id: string,
  message: string,
  flags: WaitFlags & { readonly messageId?: string; readonly attach?: readonly string[] },
): Promise<void> {
  const text = (await readMessage(message)) ?? '';
  await withClient(async (client) => {
    const session = client.session(id);
    const from = flags.wait && showsProgress(flags) ? await session.position() : 0;
    const turn = await session.send(text, { messageId: flags.messageId, attach: flags.attach, wait: false });
    if (flags.wait) await showTurn(session, turn, from, flags);
    else printResult(flags.json, { sessionId: id, turn: turnForm(turn) }, () => `${turn.id} ${turn.status}`);
  });
}

export async function runContinue(
  first: string | undefined,
  second: string | undefined,
  flags: WaitFlags & ManyFlags,
): Promise<void> {
  const [id, message] = shiftArguments(flags, first, second);
  const text = await readMessage(message);
  if (id === undefined || flags.all) return await continueAll(id, text, flags);
  await withClient(async (client) => {
    const session = client.session(id);
    const from = flags.wait && showsProgress(flags) ? await session.position() : 0;
    const {
      changed,
      status,
      turn = await currentTurn(session),
    } = await session.continue({
      ...dropUndefined({ message: text }),
    });
    if (flags.wait && turn) return await showTurn(session, turn, from, flags);
    const view = turn === undefined ? {} : { turn: turnForm(turn) };
    printResult(flags.json, { sessionId: id, changed, status, ...view }, () =>
      changed || text !== undefined ? `${id} is ${status}` : `${id} is ${status}: nothing changed`,
    );
  });
}

async function continueAll(id: string | undefined, message: string | undefined, flags: ManyFlags): Promise<void> {
  await changeSessions(id, flags, {
    verb: 'continue',
    fits: ['suspended', ...(flags.status === 'active' ? (['active'] as const) : [])],
    work: async (session) => {
      const { changed, status } = await session.continue(dropUndefined({ message }));
      return { changed, status };
    },
    show: (sessionId, { status }) => `${sessionId} is ${status}`,
  });
}

/** The running or next turn, else the latest. */
async function currentTurn(session: SessionHandle): Promise<TurnView | undefined> {
  const turns = await session.turns();
  return turns.find(({ status }) => !isSettled(status)) ?? turns.at(-1);
}

/** A turn in the form of `--json`. */
export function turnForm(turn: TurnView): Record<string, unknown> {
  const {
    id,
    messageId,
    number,
    status,
    route = null,
    reply,
    steps,
    artifacts,
    usage,
    cost,
    error,
    questions,
    requests,
  } = turn;
  const optionals = { error, cost, questions: questions.length === 0 ? undefined : questions, requests };
  return { id, messageId, number, status, route, reply, steps, artifacts, usage, ...dropUndefined(optionals) };
}

/** With `--json`, progress is shown only on a terminal. */
const showsProgress = ({ json }: CommonFlags): boolean => !json || isTerminal.stderr;

/**
 * Waits for the turn and prints its outcome. A turn that waits for a person is no failure; its requests are printed with
 * the commands that decide them.
 * @param from number of the first event to show
 */
export async function showTurn(
  session: SessionHandle,
  { id }: Pick<TurnView, 'id'>,
  from: number,
  flags: ShowFlags,
): Promise<void> {
  const stop = new AbortController();
  const leave = (): void => {
    remark(`The turn goes on. See it with: copilot follow ${session.id}`);
    stop.abort(new CopilotError('Internal', { problem: 'The command was stopped before the turn ended.' }));
  };
  process.once('SIGINT', leave);
  try {
    // On a terminal the text is shown while it is written, and not printed again.
    const output = flags.json || !isTerminal.stdout ? err : out;
    const showsThinking = flags.thinking ?? false;
    const text = new ProgressText({ output, sessionId: session.id, showsMessages: false, showsThinking });
    const turn = showsProgress(flags)
      ? await watchTurn(session, id, { from, show: (event) => text.show(event), signal: stop.signal })
      : await session.awaitTurn(id, { signal: stop.signal });
    text.endLine();
    if (flags.json) sayJson({ sessionId: session.id, turn: turnForm(turn) });
    else sayOutcome(session.id, turn, output === out ? text.latestText : '');
    if (turn.status === 'failed' || turn.status === 'interrupted') process.exitCode = 1;
  } finally {
    process.off('SIGINT', leave);
  }
}

function sayOutcome(sessionId: string, turn: TurnView, shown: string): void {
  const { requests = [] } = turn;
  // If the router asks back, its question is also in the request.
  if (turn.reply !== '' && turn.reply !== shown && requests.length === 0) say(turn.reply);
  for (const request of requests) say(requestText(sessionId, request));
  if (turn.error) remark(`${paint('red', `Turn ${turn.number} failed:`)} ${turn.error.message}`);
  else if (turn.status !== 'completed') remark(`Turn ${turn.number} is ${turn.status}.`);
  if (turn.artifacts.length > 0) remark(`Files: ${turn.artifacts.join(', ')}`);
}

/** Id and Web UI address in one line. */
export function sessionLine({ id, webUrl }: SessionHandle): string {
  return `Session ${id}${webUrl === undefined ? '' : ` · ${webUrl}`}`;
}
