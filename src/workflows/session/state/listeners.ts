/** Tells webhooks what happens in the session: by a signal to the workflow that has them, if there are any. */
import { CancellationScope, getExternalWorkflowHandle, workflowInfo } from '@temporalio/workflow';
import type { SessionState } from '../../../contracts/session-state.ts';
import {
  type ListenPayload,
  type WebhookEvent,
  webhookEvent,
  webhookEventId,
  type WebhookEventType,
  webhooksId,
} from '../../../contracts/webhooks.ts';
import type { LiveSession } from '../live-session.ts';
import type { RequestView } from './requests.ts';
import type { RunningTurn } from '../../../contracts/session-state.ts';

type Scope = ListenPayload['scope'];

export class Listeners {
  readonly #session: LiveSession;
  readonly #state: SessionState;
  #sending = 0;

  constructor(session: LiveSession, state: SessionState) {
    this.#session = session;
    this.#state = state;
  }

  /** Whether every event has been handed over. A run ends only then. */
  get areTold(): boolean {
    return this.#sending === 0;
  }

  turnEnded(turn: RunningTurn): void {
    this.#tellAll((scope) => this.#tellTurn(scope, turn));
  }

  requestOpened(request: RequestView): void {
    this.#tellAll((scope) => this.#tellRequest(scope, request));
  }

  sessionEnded(): void {
    const { status, updatedAt } = this.#state;
    this.#tellAll((scope) => this.#tell(scope, 'session.ended', [], { at: updatedAt, data: { status } }));
  }

  /** From now on somebody listens, who is also told what happened since they began to. */
  listen({ scope, since }: ListenPayload): void {
    const { listeners, recent, user } = this.#state;
    if (listeners[scope] !== null || (scope === 'own' && user === null)) return;
    listeners[scope] = since;
    const isNew = (at: string | null): boolean => at !== null && Date.parse(at) >= Date.parse(since);
    for (const turn of recent) if (isNew(turn.endedAt)) this.#tellTurn(scope, turn);
    for (const request of this.#session.requests.waiting) {
      if (isNew(request.createdAt)) this.#tellRequest(scope, request);
    }
  }

  #tellAll(tell: (scope: Scope) => void): void {
    for (const scope of ['own', 'all'] as const) if (this.#state.listeners[scope] !== null) tell(scope);
  }

  #tellTurn(scope: Scope, { id, endedAt, takenUp, state }: RunningTurn): void {
    const about = { at: endedAt ?? this.#state.updatedAt, data: { turnId: id, status: state.status } };
    this.#tell(scope, 'turn.ended', [id, String(takenUp)], about);
  }

  #tellRequest(scope: Scope, { id, turnId, kind, createdAt, expiresAt }: RequestView): void {
    const data = { turnId, requestId: id, kind, status: 'open', expiresAt };
    this.#tell(scope, 'request.opened', [id], { at: createdAt, data });
  }

  #tell(
    scope: Scope,
    type: WebhookEventType,
    key: readonly string[],
    { at, data }: { readonly at: string; readonly data: Readonly<Record<string, string>> },
  ): void {
    const { workflowId: sessionId, firstExecutionRunId } = workflowInfo();
    const id = webhookEventId([sessionId, firstExecutionRunId, type, ...key]);
    const { user } = this.#state;
    void this.#send(scope, { id, type, timestamp: at, data: { sessionId, user, ...data } });
  }

  /** The server delivers a workflow's signal exactly once, whatever happens to workers meanwhile. */
  async #send(scope: Scope, event: WebhookEvent): Promise<void> {
    const { listeners, user } = this.#state;
    const since = listeners[scope];
    this.#sending += 1;
    try {
      const receiver = getExternalWorkflowHandle(webhooksId(scope === 'own' ? user : null));
      await CancellationScope.nonCancellable(() => receiver.signal(webhookEvent, event));
    } catch {
      // There are no webhooks any more. Others may have come meanwhile, and said so.
      if (listeners[scope] === since) listeners[scope] = null;
    } finally {
      this.#sending -= 1;
    }
  }
}
