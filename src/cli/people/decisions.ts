/** `copilot approve`, `deny`, `answer` and `decide`. */
import { userInfo } from 'node:os';
import type { DecideOptions } from '../../client/session/options.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { RequestedForm } from '../../contracts/form.ts';
import type { JsonObject } from '../../contracts/json.ts';
import { APPROVING, Decision, type PendingRequest, type RequestKind } from '../../contracts/request.ts';
import { subjectDigest } from '../../contracts/request-subject.ts';
import { visibleWithBlanks } from '../../contracts/visible-text.ts';
import { type CommonFlags, readMessage, withClient } from '../connected.ts';
import { loadConfig } from '../../config.ts';
import { formValues, parseFormLine } from './form-text.ts';
import { editArguments, parseEditedArguments } from './edit-arguments.ts';
import { optional, parsePositiveNumber } from '../numbers.ts';
import { confirm, isTerminal, printResult, remark, shorten } from '../terminal.ts';
import { requestText } from './request-text.ts';
import { yesOrNo } from './typed-decision.ts';
import { showTurn } from '../conversation/turns.ts';

interface DecisionFlags extends CommonFlags {
  readonly by?: string;
  readonly digest?: string;
  readonly wait?: boolean;
}

export interface ApproveFlags extends DecisionFlags {
  readonly once?: boolean;
  readonly session?: boolean;
  readonly rule?: string;
  readonly arguments?: string;
  readonly edit?: boolean;
  readonly text?: string;
  readonly limit?: string;
}

export async function runApprove(id: string, requestId: string | undefined, flags: ApproveFlags): Promise<void> {
  const { once, rule, text, limit } = flags;
  const isForSession = flags.session === true || rule !== undefined;
  const isEdited = flags.edit === true || flags.arguments !== undefined;
  if (isForSession && isEdited) {
    const problem = 'other arguments are for this call alone; leave out --session and --rule';
    throw new CopilotError('InvalidInput', { what: flags.edit ? '--edit' : '--arguments', problem });
  }
  const options = { text, limit: optional(parsePositiveNumber, '--limit', limit) };
  await decideFor(id, flags, options, async (session) => {
    const request = await findRequest(session, requestId, 'approve');
    // If the request does not wait, the session's error says why.
    if (request.kind === undefined) return { id: request.id, decision: 'approve' };
    if (request.kind === 'input') throw needsAnswer(id, request.id);
    if (request.kind === 'outcome') throw needsOutcome(id, request.id);
    const forTools = once ? '--once' : isForSession ? '--session' : isEdited ? '--edit' : undefined;
    if (forTools !== undefined && request.kind !== 'tool') {
      const problem = `${request.id} is not a tool call: ${request.question}`;
      throw new CopilotError('InvalidInput', { what: forTools, problem });
    }
    if (isEdited) return await editedChoice(session, request.id, flags);
    return {
      id: request.id,
      decision: isForSession ? 'session' : (yesOrNo(request, true) ?? 'approve'),
      ...(rule === undefined ? {} : { options: { rule } }),
    };
  });
}

/** Approves a call with the arguments that the person gives it. They have seen what they changed, whole. */
async function editedChoice(session: SessionHandle, id: string, { arguments: given }: ApproveFlags): Promise<Choice> {
  const { tool, digest } = await session.request(id);
  const edited =
    given === undefined
      ? await editArguments(tool?.arguments ?? '{}', loadConfig().environment)
      : parseEditedArguments('--arguments', given);
  return { id, decision: 'once', options: { arguments: edited, digest } };
}

export async function runDeny(
  id: string,
  requestId: string | undefined,
  flags: DecisionFlags & { readonly reason?: string },
): Promise<void> {
  await decideFor(id, flags, { text: flags.reason }, async (session) => {
    const request = await findRequest(session, requestId, 'deny');
    if (request.kind === undefined) return { id: request.id, decision: 'deny' };
    if (request.kind === 'input') throw needsAnswer(id, request.id);
    if (request.kind === 'outcome') throw needsOutcome(id, request.id);
    return { id: request.id, decision: yesOrNo(request, false) ?? 'deny' };
  });
}

export interface AnswerFlags extends DecisionFlags {
  /** `name=value` for fields of a form. */
  readonly field?: readonly string[];
  /** JSON object with the values of a form. */
  readonly values?: string;
}

/** `copilot answer <id> [request] <text>`: with two arguments, the second is the text. A form needs no text. */
export async function runAnswer(
  id: string,
  first: string | undefined,
  second: string | undefined,
  flags: AnswerFlags,
): Promise<void> {
  const { field = [], values } = flags;
  const isForm = field.length > 0 || values !== undefined;
  if (isForm && second !== undefined) {
    throw new CopilotError('InvalidInput', { what: 'text', problem: 'a form takes --field or --values, and no text' });
  }
  const [requestId, given] = isForm || second !== undefined ? [first, second] : [undefined, first];
  const text = isForm ? undefined : await readMessage(given);
  await decideFor(id, flags, {}, async (session) => {
    const request = await findRequest(session, requestId, 'answer');
    if (!isForm && !request.form) return { id: request.id, decision: 'answer', options: { text } };
    return {
      id: request.id,
      decision: 'accept',
      options: { values: valuesFor(request.form, { field, values, text }) },
    };
  });
}

/** @throws CopilotError `InvalidInput` */
function valuesFor(
  form: RequestedForm | null,
  { field, values, text }: { field: readonly string[]; values: string | undefined; text: string | undefined },
): JsonObject {
  const given = values === undefined ? {} : parseEditedArguments('--values', values);
  const pairs = field.map((pair): [string, string] => {
    const at = pair.indexOf('=');
    if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
    throw new CopilotError('InvalidInput', { what: `--field ${pair}`, problem: 'use name=value' });
  });
  if (!form) return { ...given, ...Object.fromEntries(pairs) };
  const line = text === undefined ? {} : parseFormLine(form, text);
  if (line) return { ...given, ...line, ...formValues(form, pairs) };
  const names = form.fields.map(({ name }) => `--field ${name}=…`).join(' ');
  throw new CopilotError('InvalidInput', { what: 'text', problem: `the request is a form; fill it with ${names}` });
}

export async function runDecide(
  id: string,
  requestId: string,
  decision: string,
  flags: DecisionFlags & { readonly text?: string; readonly limit?: string },
): Promise<void> {
  const { text, limit } = flags;
  const options = { text, limit: optional(parsePositiveNumber, '--limit', limit) };
  await decideFor(id, flags, options, async (session) => {
    const known = Decision.safeParse(decision).data;
    if (known !== undefined) return { id: requestId, decision: known };
    // The session knows only words that decide something, so what this request takes is said here.
    const request = (await session.requests()).find((one) => one.id === requestId);
    const words = request?.options ?? Decision.options;
    const problem = `${request === undefined ? 'requests take' : `${requestId} takes`} ${words.join(', ')}`;
    throw new CopilotError('InvalidInput', { what: `decision "${decision}"`, problem });
  });
}

interface Choice {
  readonly id: string;
  readonly decision: Decision;
  readonly options?: DecideOptions;
}

async function decideFor(
  id: string,
  flags: DecisionFlags,
  options: DecideOptions,
  choose: (session: SessionHandle) => Promise<Choice>,
): Promise<void> {
  await withClient(async (client) => {
    const session = client.session(id);
    const choice = await choose(session);
    // Who edits a call has it before them.
    const digest = flags.digest ?? choice.options?.digest ?? (await shownDigest(session, choice, flags));
    if (digest === null) {
      return printResult(flags.json, { sessionId: id, request: null }, () => `${choice.id} of ${id} is not decided`);
    }
    const from = flags.wait ? await session.position() : 0;
    const by = flags.by ?? userName();
    const request = await session.decide(choice.id, choice.decision, { ...options, by, digest, ...choice.options });
    if (flags.wait) return await showTurn(session, { id: request.turnId }, from, flags);
    printResult(
      flags.json,
      { sessionId: id, request },
      () => `${request.id} of ${id}: ${request.verdict.decision}, by ${request.verdict.by}`,
    );
  });
}

/**
 * In a terminal: shows the person all of what they are about to approve, and asks. The digest is that of what was shown.
 * @returns undefined if nothing was shown; null if they did not agree
 */
async function shownDigest(
  session: SessionHandle,
  { id, decision }: Choice,
  { json }: DecisionFlags,
): Promise<string | undefined | null> {
  if (json || !APPROVING.includes(decision) || !isTerminal.stdin || !isTerminal.stderr) return undefined;
  const request = await session.request(id);
  // The session says why it cannot be decided.
  if ('verdict' in request) return undefined;
  remark(requestText(session.id, request));
  return (await confirm(`Decide "${decision}" for ${id}?`)) ? subjectDigest(request) : null;
}

type Found = Pick<PendingRequest, 'id' | 'question' | 'options' | 'form'> & { readonly kind: RequestKind | undefined };

/** The given request, or the only one that this command can decide. */
async function findRequest(
  session: SessionHandle,
  requestId: string | undefined,
  command: 'approve' | 'deny' | 'answer',
): Promise<Found> {
  const requests = await session.requests();
  if (requestId !== undefined) {
    return (
      requests.find(({ id }) => id === requestId) ?? {
        id: requestId,
        question: '',
        options: [],
        form: null,
        kind: undefined,
      }
    );
  }
  const fits = ({ kind }: Pick<PendingRequest, 'kind'>): boolean =>
    kind === 'form' || (kind === 'input') === (command === 'answer');
  const fitting = requests.filter(fits);
  const [request, ...others] = fitting;
  if (request && others.length === 0) return request;
  if (!request) {
    if (requests.length === 0) await refuseDecided(session, fits);
    const waiting = requests.map(({ id, kind }) => `${id} (${kind})`).join(', ');
    throw new CopilotError('WrongState', {
      needs: command === 'answer' ? 'waiting for an answer' : 'waiting for a decision',
      status: waiting === '' ? 'not' : `waiting for ${waiting}`,
      wayOut: '`copilot inbox` shows what waits in all sessions.',
    });
  }
  throw new CopilotError('InvalidInput', {
    what: `${command} without a request`,
    problem: `several requests wait; name one of ${fitting.map(({ id, question }) => `${id} (${shorten(visibleWithBlanks(question), 80)})`).join(', ')}`,
  });
}

/**
 * Somebody else may have been faster.
 * @throws CopilotError `AlreadyDecided` if the latest turn asked such a question, as if the person had named the request
 */
async function refuseDecided(
  session: SessionHandle,
  fits: (request: Pick<PendingRequest, 'kind'>) => boolean,
): Promise<void> {
  // Without a worker nobody knows, and then the caller says that nothing waits.
  const known = await Promise.all([session.info(), session.decisions()]).catch(() => undefined);
  const [info, decisions = []] = known ?? [];
  const decided = decisions.findLast((request) => request.turn === info?.turns && fits(request));
  if (!decided) return;
  const { decision, by, at } = decided.verdict;
  throw new CopilotError('AlreadyDecided', { requestId: decided.id, decision, by, at });
}

function needsAnswer(sessionId: string, requestId: string): CopilotError {
  const problem = `it is a question; answer it with: copilot answer ${sessionId} ${requestId} "…"`;
  return new CopilotError('InvalidInput', { what: `request ${requestId}`, problem });
}

/** Neither yes nor no says whether a call took effect, and whether to make it again. */
function needsOutcome(sessionId: string, requestId: string): CopilotError {
  const commands = ['done', 'not-done', 'try-again'].map((word) => `copilot decide ${sessionId} ${requestId} ${word}`);
  const problem = `it asks whether a call took effect; say so with one of: ${commands.join(', ')}`;
  return new CopilotError('InvalidInput', { what: `request ${requestId}`, problem });
}

/** Name of the user who is logged in, if the system knows it. */
export function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no name.
    return undefined;
  }
}
