/** What tools ask people while their calls run. Nobody in the session waits for the answer: the call does, on its worker. */
import { toFailure } from '../../contracts/errors.ts';
import type { AskFormPayload } from '../../contracts/payloads.ts';
import type { Verdict } from '../../contracts/request.ts';
import type { RunningTurn } from '../../contracts/session-state.ts';
import type { LiveSession } from './live-session.ts';

interface RunningCall {
  readonly turn: RunningTurn;
  readonly agent: string;
  readonly step?: number;
  /** Keys of what it has asked. */
  readonly asked: Set<string>;
}

/** What one call may ask. */
const MAX_FORMS = 20;

export class RunningForms {
  readonly #session: LiveSession;
  /** By key. A run does not end while a call is in flight, so the next one need not know them. */
  readonly #calls = new Map<string, RunningCall>();

  constructor(session: LiveSession) {
    this.#session = session;
  }

  /** Lets a call ask. A call that begins again finds what it asked before. */
  begin(call: string, details: Omit<RunningCall, 'asked'>): void {
    if (!this.#calls.has(call)) this.#calls.set(call, { ...details, asked: new Set() });
  }

  /** Whether a person has still to answer what the call asked. */
  isWaiting(call: string): boolean {
    const { asked = [] } = this.#calls.get(call) ?? {};
    return [...asked].some((key) => this.verdictOf(key) === null);
  }

  /** Takes back what the call asked. */
  end(call: string): void {
    for (const key of this.#calls.get(call)?.asked ?? []) this.#session.requests.drop(key);
    this.#calls.delete(call);
  }

  /** @throws WrongState if no such call runs; InvalidInput if it has asked too often */
  requireCall({ call, key }: AskFormPayload): void {
    const running = this.#calls.get(call);
    if (!running) {
      const wayOut = 'Only a tool whose call runs can ask.';
      throw toFailure('WrongState', { needs: `running call ${call}`, status: 'not', wayOut });
    }
    if (running.asked.size < MAX_FORMS || running.asked.has(key)) return;
    throw toFailure('InvalidInput', {
      what: `Call ${call}`,
      problem: `it has asked ${MAX_FORMS} times; no more are allowed`,
    });
  }

  /** Asks once for each key. @returns the id of the request. @throws as {@link requireCall} */
  ask(payload: AskFormPayload): string {
    this.requireCall(payload);
    const { call, key, question, form } = payload;
    const running = this.#calls.get(call);
    if (!running) throw new TypeError(`call ${call} does not run`); // it was required
    running.asked.add(key);
    const { turn, agent, step } = running;
    return this.#session.requests.askAside(turn, {
      key,
      kind: 'form',
      question,
      form,
      options: ['accept', 'decline', 'cancel'],
      onExpiry: { outcome: 'cancel', words: 'the tool is told that nobody answered' },
      agent,
      ...(step === undefined ? {} : { step }),
    });
  }

  /** Null while nobody has decided. What is not known was taken back. */
  verdictOf(key: string): Verdict | null {
    const request = this.#session.requests.find(key);
    if (!request) return { decision: 'withdrawn', by: 'the end of the call', at: new Date().toISOString() };
    return request.verdict ?? null;
  }
}
