/** The workflows that wait for an answer of the session. They are told by signal, in this run or a later one. */
import { CancellationScope, condition, getExternalWorkflowHandle, workflowInfo } from '@temporalio/workflow';
import { MAX_ASKERS } from '../../../contracts/limits.ts';
import { type Refusal, type SessionAnswer, sessionAnswer } from '../../../contracts/session-answer.ts';
import type { SessionResult } from '../../../contracts/session.ts';
import type { Asker, RunningTurn, SessionState } from '../../../contracts/session-state.ts';
import { forgottenTurn, turnView } from '../../views/views.ts';
import type { LiveSession } from '../live-session.ts';

export class Askers {
  readonly #session: LiveSession;
  readonly #state: SessionState;
  #result: SessionResult | undefined;
  #isOver = false;

  constructor(session: LiveSession, state: SessionState) {
    this.#session = session;
    this.#state = state;
  }

  /** Whether nobody is owed an answer now. A run ends only then. */
  get areServed(): boolean {
    return !this.#state.askers.some((asker) => this.#answerTo(asker));
  }

  awaitTurn(from: string, messageId: string, turnId: string): void {
    this.#add({ from, message: { id: messageId, turnId } });
  }

  awaitResult(from: string): void {
    this.#add({ from, message: null });
  }

  refuse(from: string, messageId: string, refusal: Refusal): void {
    this.#add({ from, message: { id: messageId, refusal } });
  }

  /** Answers those who are owed an answer, until {@link end}. Cancelling the session does not stop it. */
  async serve(): Promise<void> {
    await CancellationScope.nonCancellable(async () => {
      for (;;) {
        await condition(() => this.#isOver || !this.areServed);
        if (this.#isOver) return;
        const due = this.#state.askers.filter((asker) => this.#answerTo(asker));
        await Promise.all(due.map((asker) => this.#tell(asker)));
        this.#state.askers = this.#state.askers.filter((asker) => !due.includes(asker));
      }
    });
  }

  /** Gives the result of the session to those who wait for it. */
  close(result: SessionResult): void {
    this.#result = result;
  }

  end(): void {
    this.#isOver = true;
  }

  /** Asking for the same again changes nothing: who asks may have lost what it knew. */
  #add(asker: Asker): void {
    const { askers } = this.#state;
    const isSame = ({ from, message }: Asker): boolean => from === asker.from && message?.id === asker.message?.id;
    if (askers.some(isSame)) return;
    if (askers.length < MAX_ASKERS) askers.push(asker);
    else this.#session.view.note(`Workflow ${asker.from} gets no answer: ${MAX_ASKERS} wait for one already.`);
  }

  #answerTo({ message }: Asker): SessionAnswer | undefined {
    const sessionId = workflowInfo().workflowId;
    if (message === null) {
      return this.#result && { sessionId, kind: 'result', result: this.#result };
    }
    const { id: messageId } = message;
    if ('refusal' in message) return { sessionId, kind: 'refused', messageId, error: message.refusal };
    const turn = this.#session.turns.find(message.turnId);
    if (!turn) {
      return { sessionId, kind: 'turn', messageId, turn: forgottenTurn(this.#state, message.turnId, messageId) };
    }
    return isOpen(turn) ? undefined : { sessionId, kind: 'turn', messageId, turn: turnView(turn, this.#state) };
  }

  async #tell(asker: Asker): Promise<void> {
    const answer = this.#answerTo(asker);
    if (!answer) return;
    try {
      await getExternalWorkflowHandle(asker.from).signal(sessionAnswer, answer);
    } catch {
      // It has ended, or there never was such a workflow. If it asks again, it gets the answer.
      this.#session.view.note(`Workflow ${asker.from} was not there to get its answer.`);
    }
  }
}

function isOpen({ state }: RunningTurn): boolean {
  return state.status === 'queued' || state.status === 'running';
}
