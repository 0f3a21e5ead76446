/** What the session asks of people: opened once for each question, decided once, expired on time. */
import { CancelledFailure, condition, workflowInfo } from '@temporalio/workflow';
import { toFailure } from '../../../contracts/errors.ts';
import { MAX_DECISIONS } from '../../../contracts/limits.ts';
import type { DecidePayload } from '../../../contracts/payloads.ts';
import type {
  DecidedRequest,
  Decision,
  Expiry,
  OpenRequest,
  RequestKind,
  Verdict,
} from '../../../contracts/request.ts';
import type { Turn } from '../../../contracts/session.ts';
import type { ToolCategory } from '../../../contracts/team.ts';
import type { LiveSession } from '../live-session.ts';
import { approvalsOf, timeoutMsOf } from '../policies.ts';

export interface Question {
  /** The same question of the same turn has the same key, also when it is asked again in the next run. */
  readonly key: string;
  readonly kind: RequestKind;
  readonly question: string;
  readonly options: readonly Decision[];
  readonly onExpiry: Expiry;
  readonly step?: number;
  readonly agent?: string;
  readonly tool?: { readonly name: string; readonly category: ToolCategory; readonly arguments: string };
}

/** A verdict in which the clock has chosen what was said before that it would. */
export type Answer = Omit<Verdict, 'decision'> & { readonly decision: Decision };

/** Thrown where a turn waits, or could wait, and its run has grown long: it goes on from there in the next one. */
export class MoveOn extends Error {
  override readonly name = 'MoveOn';
}

/** Decisions that say nothing without words. */
const WORDY: readonly Decision[] = ['modify', 'redo', 'answer'];

/** Guards that each request is decided exactly once. */
export class Requests {
  readonly #session: LiveSession;

  constructor(session: LiveSession) {
    this.#session = session;
  }

  /** Those that nobody has decided, oldest first. */
  get waiting(): readonly OpenRequest[] {
    return this.#session.state.requests.filter(({ verdict }) => verdict === undefined);
  }

  /**
   * Asks, and waits until somebody decides or the time is up. A verdict stays until {@link settle}, so that a
   * phase that begins again gets the same one.
   * @throws MoveOn; CancelledFailure where the turn is interrupted; RequestExpired where expiry means failure
   */
  async ask(turn: Turn, question: Question): Promise<Answer> {
    const { state } = this.#session;
    const key = `${turn.id}/${question.key}`;
    const request = state.requests.find((known) => known.key === key) ?? this.#open(turn, key, question);
    await this.#untilDecided(request);
    if (this.#session.isStopped) throw new CancelledFailure('interrupted');
    const { verdict } = request;
    if (!verdict) throw new MoveOn();
    if (verdict.decision === 'withdrawn') throw new CancelledFailure('withdrawn');
    if (verdict.decision !== 'expired') return { ...verdict, decision: verdict.decision };
    const { outcome } = request.onExpiry;
    if (outcome !== 'fail') return { ...verdict, decision: outcome };
    throw toFailure('RequestExpired', { question: request.question, sessionId: workflowInfo().workflowId });
  }

  /**
   * The request that a decision is for.
   * @throws RequestNotFound; AlreadyDecided, which names the first decision; InvalidInput
   */
  find({ requestId, decision, text }: DecidePayload): OpenRequest {
    const { state } = this.#session;
    const decided = state.decisions.find(({ id }) => id === requestId);
    if (decided) throw toFailure('AlreadyDecided', { requestId, ...firstOf(decided) });
    const request = this.waiting.find(({ id }) => id === requestId);
    if (!request) {
      const waiting = this.waiting.map(({ id }) => id).join(', ') || 'none';
      throw toFailure('RequestNotFound', { requestId, waiting });
    }
    const what = `decision "${decision}"`;
    if (!request.options.includes(decision)) {
      const problem = `${request.id} asks: ${request.question} Choose ${request.options.join(' or ')}`;
      throw toFailure('InvalidInput', { what, problem });
    }
    if (WORDY.includes(decision) && text === undefined) {
      throw toFailure('InvalidInput', { what, problem: 'it needs a text: what to change, or the answer' });
    }
    return request;
  }

  /** @throws see {@link find} */
  decide(payload: DecidePayload): DecidedRequest {
    const request = this.find(payload);
    const { decision, by = 'unknown', text, limit } = payload;
    const at = new Date().toISOString();
    if (decision === 'session' && request.tool) {
      const { category } = request.tool;
      this.#session.state.grants.push({ category, by, at });
      // Calls of the same round, and of steps side by side, were asked about before.
      const others = this.waiting.filter((other) => other !== request && other.tool?.category === category);
      for (const other of others) this.#close(other, { decision, by, at });
    }
    return this.#close(request, {
      decision,
      by,
      at,
      ...(text === undefined ? {} : { text }),
      ...(limit === undefined ? {} : { limit }),
    });
  }

  /** Forgets the verdicts that a phase has taken up. */
  settle(): void {
    const { state } = this.#session;
    state.requests = state.requests.filter(({ verdict }) => verdict === undefined);
  }

  /** Takes back what a turn asks when it ends. */
  withdraw(turn: Turn): void {
    const at = new Date().toISOString();
    for (const request of this.waiting) {
      if (request.turnId === turn.id) this.#close(request, { decision: 'withdrawn', by: 'the end of the turn', at });
    }
  }

  /** Gives people and turn the time back that the session was suspended. */
  postpone(ms: number): void {
    const now = Date.now();
    for (const request of this.waiting) {
      const lostMs = Math.min(ms, now - Date.parse(request.createdAt));
      request.expiresAt = new Date(Date.parse(request.expiresAt) + lostMs).toISOString();
    }
    const { current } = this.#session.state;
    if (current?.startedAt === undefined || current.waitingSince !== undefined) return;
    current.waitedMs = (current.waitedMs ?? 0) + Math.min(ms, now - Date.parse(current.startedAt));
  }

  #open(turn: Turn, key: string, { onExpiry, ...question }: Question): OpenRequest {
    const { state } = this.#session;
    const now = Date.now();
    const { timeoutMs, inputTimeoutMs } = timeoutMsOf(approvalsOf(state));
    const expiresAt = new Date(now + (question.kind === 'input' ? inputTimeoutMs : timeoutMs)).toISOString();
    const createdAt = new Date(now).toISOString();
    const request: OpenRequest = {
      id: `req-${(state.requestCount += 1)}`,
      kind: question.kind,
      turnId: turn.id,
      turn: turn.number,
      step: question.step ?? null,
      agent: question.agent ?? null,
      question: question.question,
      tool: question.tool ?? null,
      options: question.options,
      createdAt,
      expiresAt,
      onExpiry,
      key,
    };
    if (this.waiting.length === 0) turn.waitingSince = createdAt;
    state.requests.push(request);
    // A copy: what followers were told does not change when it is decided.
    const { key: _, ...shown } = request;
    this.#session.record({ type: 'request', turnId: turn.id, request: shown });
    this.#session.touch();
    this.#session.publish();
    return request;
  }

  /** Until there is a verdict, or the turn has to end or move. The clock stands while the session is suspended. */
  async #untilDecided(request: OpenRequest): Promise<void> {
    const session = this.#session;
    const isOver = () => request.verdict !== undefined || session.isStopped || session.mustMove;
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
    const session = this.#session;
    const { state } = session;
    request.verdict = verdict;
    const { key: _, ...decided } = { ...request, verdict };
    state.decisions.push(decided);
    if (state.decisions.length > MAX_DECISIONS) state.decisions.shift();
    const turn = session.findTurn(request.turnId);
    if (turn?.waitingSince !== undefined && this.waiting.length === 0) {
      // From a suspension on its own time counts: see postpone.
      const endMs = Date.parse(state.suspendedAt ?? verdict.at);
      turn.waitedMs = (turn.waitedMs ?? 0) + Math.max(0, endMs - Date.parse(turn.waitingSince));
      delete turn.waitingSince;
    }
    const { decision, by } = verdict;
    session.record({ type: 'decided', turnId: request.turnId, requestId: request.id, decision, by });
    session.touch();
    session.publish();
    return decided;
  }
}

function firstOf({ verdict }: DecidedRequest): { decision: string; by: string; at: string } {
  const { decision, by, at } = verdict;
  return { decision, by, at };
}
