/**
 * The running session. Its parts own the state, each a piece of it; everybody else reads `state`, which the compiler
 * does not let them change.
 */
import type { SessionInfo } from '../../contracts/session.ts';
import type { SessionState, SessionView } from '../../contracts/session-state.ts';
import { DurableContext } from '../context/context.ts';
import { PhaseContext } from '../context/phase-context.ts';
import { sessionInfo } from '../views/views.ts';
import { AttachedClients } from './attached-clients.ts';
import { CallsInFlight } from './calls-in-flight.ts';
import { ContinueAsNew } from './continue-as-new.ts';
import { RunningForms } from './running-forms.ts';
import { Askers } from './state/askers.ts';
import { Conversation } from './state/conversation.ts';
import { Listeners } from './state/listeners.ts';
import { MessageQueue } from './state/message-queue.ts';
import { PublishedView } from './state/published-view.ts';
import { Requests } from './state/requests.ts';
import { SessionLifecycle } from './state/session-lifecycle.ts';
import { Settings } from './state/settings.ts';
import { Works } from './turn/agent-work.ts';
import { PlanSteps } from './turn/plan-steps.ts';
import { Spending } from './turn/spending.ts';
import { TurnLifecycle } from './turn/turn-lifecycle.ts';

/** One run of a session, from its first state to continue-as-new or the end. */
export class LiveSession {
  readonly state: SessionView;
  readonly context: DurableContext;
  readonly phaseContext: PhaseContext;
  readonly calls: CallsInFlight;
  readonly clients = new AttachedClients();
  readonly continuation: ContinueAsNew;
  readonly lifecycle: SessionLifecycle;
  readonly settings: Settings;
  readonly conversation: Conversation;
  readonly queue: MessageQueue;
  readonly askers: Askers;
  readonly listeners: Listeners;
  readonly requests: Requests;
  readonly forms: RunningForms;
  readonly turns: TurnLifecycle;
  readonly steps: PlanSteps;
  readonly works: Works;
  readonly spending: Spending;
  readonly view: PublishedView;

  constructor(state: SessionState) {
    this.state = state;
    this.context = new DurableContext(state.context, { ephemeral: state.ephemeral });
    this.phaseContext = new PhaseContext(this.context, (text) => this.view.note(text));
    this.calls = new CallsInFlight(this);
    this.continuation = new ContinueAsNew(state, this.context);
    this.lifecycle = new SessionLifecycle(this, state);
    this.settings = new Settings(state);
    this.conversation = new Conversation(state);
    this.queue = new MessageQueue(this, state);
    this.askers = new Askers(this, state);
    this.listeners = new Listeners(this, state);
    this.requests = new Requests(this, state);
    this.forms = new RunningForms(this);
    this.turns = new TurnLifecycle(this, state);
    this.steps = new PlanSteps(this, state);
    this.works = new Works(state);
    this.spending = new Spending(state);
    this.view = new PublishedView(this, state);
  }

  get info(): SessionInfo {
    return sessionInfo(this.state, this.context.version);
  }

  get isClosing(): boolean {
    return this.state.status === 'completed' || this.state.status === 'expired';
  }

  /** Whether it waits for a message. */
  get isIdle(): boolean {
    const { status, current, queue } = this.state;
    return status === 'active' && current === null && queue.length === 0;
  }

  /** Whether there is a turn to run, or one to end. */
  get mayStart(): boolean {
    const { status, current, queue } = this.state;
    return this.turns.isInterrupted || (status === 'active' && (current !== null || queue.length > 0));
  }

  /** Whether what runs has to stop for good: its turn ends, or goes back to another step. */
  get isStopped(): boolean {
    return this.isClosing || this.turns.redirection !== undefined;
  }
}
