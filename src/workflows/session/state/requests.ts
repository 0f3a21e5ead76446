/** What the session asks of people. Each question is asked once, decided once, and expires on time. */
import { CancelledFailure, condition, workflowInfo } from '@temporalio/workflow';
import { toFailure } from '../../../contracts/errors.ts';
import { checkForm, type RequestedForm } from '../../../contracts/form.ts';
import { imagesField } from '../../../contracts/image.ts';
import { MAX_DECISIONS, MAX_RECORDED_SUBJECT, MAX_SHOWN_SUBJECT } from '../../../contracts/limits.ts';
import { findRuleProblem } from '../../../contracts/policies.ts';
import { namesTool, parseRule } from '../../../contracts/rules.ts';
import type { DecidePayload } from '../../../contracts/payloads.ts';
import {
  APPROVING,
  type DecidedRequest,
  type Decision,
  type Expiry,
  type Grant,
  type OpenRequest,
  type RequestedCall,
  type RequestedStep,
  type RequestKind,
  type UnknownCall,
  type Verdict,
} from '../../../contracts/request.ts';
import { cutSubject, subjectDigest } from '../../../contracts/request-subject.ts';
import type { JsonObject } from '../../../contracts/json.ts';
import type { DeepReadonly, RunningTurn, SessionState } from '../../../contracts/session-state.ts';
import type { TeamDefinition } from '../../../contracts/team.ts';
import { ContinuesAsNew } from '../continue-as-new.ts';
import type { LiveSession } from '../live-session.ts';
import { approvalsOf, timeoutMsOf } from '../policies.ts';
import { endRequestSpan } from '../spans.ts';
import { beginningOf } from '../../../contracts/text-cut.ts';

export type RequestView = DeepReadonly<OpenRequest>;

export interface Question {
  /** The same question of the same turn has the same key, even when it is asked again in the next run. */
  readonly key: string;
  readonly kind: RequestKind;
  readonly question: string;
  readonly options: readonly Decision[];
  readonly onExpiry: Expiry;
  readonly step?: number;
  readonly agent?: string;
  /** The whole call. */
  readonly tool?: RequestedCall;
  /** The whole steps. */
  readonly steps?: readonly RequestedStep[];
  readonly unknown?: UnknownCall;
  readonly form?: RequestedForm;
}

/** A verdict. If nobody decided in time, it is the decision that the request announced for that case. */
export type Answer = Omit<Verdict, 'decision'> & { readonly decision: Decision };

/** Decisions that say nothing without words. */
const WORDY: readonly Decision[] = ['modify', 'redo', 'answer'];

/** Guards that each request is decided exactly once. */
export class Requests {
  readonly #session: LiveSession;
  readonly #state: SessionState;

  constructor(session: LiveSession, state: SessionState) {
    this.#session = session;
    this.#state = state;
  }

  /** The requests that nobody has decided, oldest first. */
  get waiting(): readonly RequestView[] {
    return this.#waiting;
  }

  /**
   * Asks, and waits until somebody decides or the time is up. The verdict stays until {@link settle}, so that a phase
   * that begins again gets the same one.
   * @throws ContinuesAsNew; CancelledFailure if the turn has to stop; RequestExpired if expiry means failure
   */
  async ask(turn: RunningTurn, question: Question): Promise<Answer> {
    const key = `${turn.id}/${question.key}`;
    const request = this.#state.requests.find((known) => known.key === key) ?? this.#open(turn, key, question);
    await this.#untilDecided(request, () => this.#session.isStopped || this.#session.continuation.isOverdue);
    if (this.#session.isStopped) throw new CancelledFailure('interrupted');
    const { verdict } = request;
    if (!verdict) throw new ContinuesAsNew();
    if (verdict.decision === 'withdrawn') throw new CancelledFailure('withdrawn');
    if (verdict.decision !== 'expired') return { ...verdict, decision: verdict.decision };
    const { outcome } = request.onExpiry;
    if (outcome !== 'fail') return { ...verdict, decision: outcome };
    throw toFailure('RequestExpired', { question: request.question, sessionId: workflowInfo().workflowId });
  }

  /** Asks while a call runs, which asks for the verdict itself until {@link drop}. @returns the request's id */
  askAside(turn: RunningTurn, question: Question): string {
    const known = this.find(question.key);
    if (known) return known.id;
    const request = this.#open(turn, question.key, question);
    // A run does not end while the call is in flight.
    void this.#untilDecided(request, () => this.#session.isStopped);
    return request.id;
  }

  /** The request of this key, decided or not. */
  find(key: string): RequestView | undefined {
    return this.#state.requests.find((request) => request.key === key);
  }

  /** Takes back what a call asked, if nobody has decided. */
  withdrawAside(key: string): void {
    const request = this.#waiting.find((waiting) => waiting.key === key && waiting.kind === 'form');
    if (!request) return;
    this.#close(request, { decision: 'withdrawn', by: 'the end of the call', at: new Date().toISOString() });
  }

  /** The same, and forgets the verdict. */
  drop(key: string): void {
    this.withdrawAside(key);
    this.#state.requests = this.#state.requests.filter((other) => other.key !== key);
  }

  /**
   * @throws RequestNotFound; AlreadyDecided, which names the first decision; InvalidInput; DigestMismatch;
   *   NotShownWhole
   */
  requireDecidable(payload: DecidePayload): void {
    this.#find(payload);
  }

  /** @throws as {@link requireDecidable} */
  decide(payload: DecidePayload): DecidedRequest {
    const request = this.#find(payload);
    const { decision, by = 'unknown', text, images, limit, arguments: edited, rule, values } = payload;
    const at = new Date().toISOString();
    if (decision === 'session' && request.tool) {
      const grant = { category: request.tool.category, by, at, ...(rule === undefined ? {} : { rule }) };
      this.#state.grants.push(grant);
      // The person was asked about other calls of this round, and of steps side by side, before.
      const others = this.#waiting.filter((other) => other !== request && isCovered(other, grant));
      for (const other of others) this.#close(other, { decision, by, at, ...(rule === undefined ? {} : { rule }) });
    }
    return this.#close(request, {
      decision,
      by,
      at,
      ...(text === undefined ? {} : { text }),
      ...imagesField(images),
      ...(limit === undefined ? {} : { limit }),
      ...(edited === undefined ? {} : { arguments: JSON.stringify(edited) }),
      ...(rule === undefined ? {} : { rule }),
      ...(decision === 'accept' ? filled(request, values) : {}),
    });
  }

  /** Asks about the changed plan in the place of the old one. A decision about the old one is refused by its digest. */
  replacePlan(turn: RunningTurn, steps: readonly RequestedStep[]): void {
    const request = this.#waiting.find(({ turnId, kind }) => turnId === turn.id && kind === 'plan');
    if (!request) return;
    const whole = { question: request.question, tool: null, steps, form: null };
    Object.assign(request, cutSubject(whole, MAX_SHOWN_SUBJECT), { digest: subjectDigest(whole) });
    this.#announce(request);
  }

  /** Forgets the verdicts that a phase has taken up. A call may still ask for those of forms. */
  settle(): void {
    this.#state.requests = this.#state.requests.filter(({ kind, verdict }) => verdict === undefined || kind === 'form');
  }

  /** Takes back what a turn asks when it ends. */
  withdraw(turn: RunningTurn): void {
    const at = new Date().toISOString();
    for (const request of this.#waiting) {
      if (request.turnId === turn.id) this.#close(request, { decision: 'withdrawn', by: 'the end of the turn', at });
    }
  }

  /** Gives people and the running turn back the time that the session was suspended. */
  postpone(ms: number): void {
    const now = Date.now();
    for (const request of this.#waiting) {
      const lostMs = Math.min(ms, now - Date.parse(request.createdAt));
      request.expiresAt = new Date(Date.parse(request.expiresAt) + lostMs).toISOString();
    }
    const { current } = this.#state;
    if (!current || current.startedAt === null || current.waitingSince !== null) return;
    current.waitedMs += Math.min(ms, now - Date.parse(current.startedAt));
  }

  get #waiting(): OpenRequest[] {
    return this.#state.requests.filter(({ verdict }) => verdict === undefined);
  }

  #require(requestId: string): OpenRequest {
    const decided = this.#state.decisions.find(({ id }) => id === requestId);
    if (decided) throw toFailure('AlreadyDecided', { requestId, ...firstOf(decided) });
    const request = this.#waiting.find(({ id }) => id === requestId);
    if (!request) {
      const waiting = this.#waiting.map(({ id }) => id).join(', ') || 'none';
      throw toFailure('RequestNotFound', { requestId, waiting });
    }
    return request;
  }

  #find(payload: DecidePayload): OpenRequest {
    const { requestId, decision, digest, text } = payload;
    const request = this.#require(requestId);
    const what = `decision "${decision}"`;
    if (!request.options.includes(decision)) {
      const problem = `${request.id} asks: ${request.question} Choose ${request.options.join(' or ')}`;
      throw toFailure('InvalidInput', { what, problem });
    }
    if (WORDY.includes(decision) && text === undefined) {
      throw toFailure('InvalidInput', { what, problem: 'it needs a text: what to change, or the answer' });
    }
    const problem = changeProblem(request, payload, this.#state.team.definition);
    if (problem !== undefined) throw toFailure('InvalidInput', { what, problem });
    const { workflowId: sessionId } = workflowInfo();
    if (digest !== undefined && digest !== request.digest) {
      throw toFailure('DigestMismatch', { requestId, sessionId, expected: digest, actual: request.digest });
    }
    if (digest === undefined && request.isCut && APPROVING.includes(decision)) {
      throw toFailure('NotShownWhole', { requestId, sessionId });
    }
    return request;
  }

  #open(turn: RunningTurn, key: string, { onExpiry, ...question }: Question): OpenRequest {
    const state = this.#state;
    const now = Date.now();
    const { timeoutMs, inputTimeoutMs } = timeoutMsOf(approvalsOf(state));
    const expiresAt = new Date(
      now + (question.kind === 'input' || question.kind === 'form' ? inputTimeoutMs : timeoutMs),
    ).toISOString();
    const createdAt = new Date(now).toISOString();
    const { tool = null, steps = null, form = null } = question;
    const whole = { question: question.question, tool, steps, form };
    const request: OpenRequest = {
      id: `req-${(state.requestCount += 1)}`,
      kind: question.kind,
      turnId: turn.id,
      turn: turn.number,
      step: question.step ?? null,
      agent: question.agent ?? null,
      ...cutSubject(whole, MAX_SHOWN_SUBJECT),
      digest: subjectDigest(whole),
      unknown: question.unknown ?? null,
      options: question.options,
      createdAt,
      expiresAt,
      onExpiry,
      key,
    };
    if (state.current && this.#waiting.length === 0) state.current.waitingSince = createdAt;
    state.requests.push(request);
    this.#announce(request);
    this.#session.listeners.requestOpened(request);
    return request;
  }

  #announce(request: OpenRequest): void {
    // A copy, so that what followers were told does not change with the decision.
    const { key: _, ...shown } = request;
    const { view } = this.#session;
    view.record({ type: 'request', turnId: request.turnId, request: shown });
    view.touch();
    view.publish();
  }

  /** Waits for a verdict, or until nobody waits for it any more. The clock stops while the session is suspended. */
  async #untilDecided(request: OpenRequest, isGivenUp: () => boolean): Promise<void> {
    const session = this.#session;
    const isOver = () => request.verdict !== undefined || isGivenUp();
    const isSuspended = () => session.state.status === 'suspended';
    while (!isOver()) {
      const leftMs = Date.parse(request.expiresAt) - Date.now();
      if (isSuspended()) {
        await condition(() => isOver() || !isSuspended());
      } else if (leftMs > 0) {
        await condition(() => isOver() || isSuspended(), leftMs);
      } else {
        this.#close(request, { decision: 'expired', by: 'the clock', at: new Date().toISOString() });
      }
    }
  }

  #close(request: OpenRequest, verdict: Verdict): DecidedRequest {
    const { current, decisions, suspension } = this.#state;
    request.verdict = verdict;
    endRequestSpan(current ?? { id: request.turnId }, request, verdict);
    const { shown, isLong } = recordedVerdict(verdict);
    const { key: _, ...whole } = { ...request, verdict: shown };
    const recorded = cutSubject(whole, MAX_RECORDED_SUBJECT);
    const decided = { ...recorded, isCut: request.isCut || recorded.isCut || isLong };
    decisions.push(decided);
    if (decisions.length > MAX_DECISIONS) decisions.shift();
    if (current && current.waitingSince !== null && this.#waiting.length === 0) {
      // The time of a suspension is counted by `postpone`.
      const endMs = Date.parse(suspension?.at ?? verdict.at);
      current.waitedMs += Math.max(0, endMs - Date.parse(current.waitingSince));
      current.waitingSince = null;
    }
    const { view } = this.#session;
    const { decision, by } = verdict;
    view.record({ type: 'decided', turnId: request.turnId, requestId: request.id, decision, by });
    view.touch();
    view.publish();
    return decided;
  }
}

/** Whether what a person allowed for the session covers this request, as far as the session itself can tell. */
function isCovered({ kind, tool }: OpenRequest, { category, rule }: Grant): boolean {
  if (kind !== 'tool' || tool?.category !== category) return false;
  return rule === undefined ? tool.covers.tools.length > 0 : tool.covers.rule === rule;
}

/** What the form was filled with, the defaults of fields that were left out included. */
function filled({ form }: OpenRequest, values: JsonObject = {}): Pick<Verdict, 'values'> {
  const checked = form && checkForm(form, values);
  return checked && 'values' in checked ? { values: checked.values } : {};
}

/** The verdict as the record has it. */
function recordedVerdict(verdict: Verdict): { readonly shown: Verdict; readonly isLong: boolean } {
  const { values, ...others } = verdict;
  const { arguments: edited } = others;
  const isLongEdit = edited !== undefined && edited.length > MAX_RECORDED_SUBJECT;
  const isLongForm = values !== undefined && JSON.stringify(values).length > MAX_RECORDED_SUBJECT;
  return {
    shown: {
      ...others,
      ...(isLongEdit ? { arguments: beginningOf(edited, MAX_RECORDED_SUBJECT) } : {}),
      ...(values === undefined || isLongForm ? {} : { values }),
    },
    isLong: isLongEdit || isLongForm,
  };
}

/** What is wrong with a rule, arguments or values that come with a decision. */
function changeProblem(
  { tool, form }: OpenRequest,
  { decision, arguments: edited, rule, values, limit, images }: DecidePayload,
  team: TeamDefinition,
): string | undefined {
  if (limit !== undefined && decision !== 'raise') return 'only "raise", for a budget, takes a limit';
  if (images !== undefined && decision !== 'answer') return 'only "answer", for a question, takes images';
  if (values !== undefined && (decision !== 'accept' || !form)) return 'only "accept", for a form, takes values';
  const checked = decision === 'accept' && form ? checkForm(form, values ?? {}) : undefined;
  if (checked && 'problem' in checked) return checked.problem;
  if (edited !== undefined && (decision !== 'once' || !tool)) return 'only "once", for a call, takes other arguments';
  if (rule !== undefined && (decision !== 'session' || !tool)) return 'only "session", for a call, takes a rule';
  if (decision !== 'session' || !tool) return undefined;
  if (rule === undefined) {
    const hint = tool.covers.rule === undefined ? '' : `, such as "${tool.covers.rule}"`;
    return tool.covers.tools.length > 0
      ? undefined
      : `a rule may deny this call; allow it by a rule of your own${hint}`;
  }
  const named = parseRule(rule)?.tool ?? '';
  if (!namesTool(named, tool.name)) return `the rule is about ${named}, and the request about ${tool.name}`;
  return findRuleProblem(team, rule);
}

function firstOf({ verdict }: DecidedRequest): { decision: string; by: string; at: string } {
  const { decision, by, at } = verdict;
  return { decision, by, at };
}
