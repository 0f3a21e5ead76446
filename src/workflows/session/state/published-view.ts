/** What others see of the session: its version, its place in lists, its notes and its progress. */
import { upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { MAX_NOTES, MAX_PROGRESS_EVENTS } from '../../../contracts/limits.ts';
import type { ProgressChange, ProgressEvent, ProgressPage } from '../../../contracts/progress.ts';
import {
  copilotAwaiting,
  copilotLastActiveAt,
  copilotMode,
  copilotName,
  copilotPhase,
  copilotStatus,
  copilotStep,
  copilotUpdatedAt,
  copilotUser,
} from '../../../contracts/search-attributes.ts';
import type { SessionState } from '../../../contracts/session-state.ts';
import type { LiveSession } from '../live-session.ts';

export class PublishedView {
  readonly #session: LiveSession;
  readonly #state: SessionState;
  /** Events of this run. Replay makes them again, so they cost no history. */
  readonly #events: ProgressEvent[] = [];
  readonly #firstSeq: number;
  /**
   * Number up to which followers that get text by heartbeat know the events. Only a query reads it, so it may be lost with
   * the worker: they say it again.
   */
  #heartbeatReaders = 0;
  /** Version of the state that lists show. */
  #listedVersion: number;
  /** What lists say that the session waits for. */
  #listedAwaiting: string | null;
  #listedName: string;

  constructor(session: LiveSession, state: SessionState) {
    this.#session = session;
    this.#state = state;
    this.#firstSeq = state.progressSeq;
    this.#listedVersion = state.version;
    this.#listedName = state.name;
    this.#listedAwaiting = session.requests.waiting[0]?.kind ?? null;
  }

  /** Notes a change that readers can see. */
  touch(): void {
    this.#state.version += 1;
    this.#state.updatedAt = new Date().toISOString();
  }

  record(change: ProgressChange): void {
    this.#events.push({ seq: this.#state.progressSeq, at: new Date().toISOString(), ...change });
    this.#state.progressSeq += 1;
    if (this.#events.length > MAX_PROGRESS_EVENTS) this.#events.shift();
  }

  progressFrom(seq: number, readsHeartbeats = false): ProgressPage {
    if (readsHeartbeats) this.#heartbeatReaders = this.#state.progressSeq;
    return {
      runId: workflowInfo().runId,
      first: this.#firstSeq,
      next: this.#state.progressSeq,
      events: this.#events.filter((event) => event.seq >= seq),
    };
  }

  isReadByHeartbeat(activityId: string): boolean {
    const begin = this.#events.findLast((event) => event.type === 'model-started' && event.activityId === activityId);
    // The beginning of a call that has many events behind it is forgotten.
    return begin === undefined || begin.seq < this.#heartbeatReaders;
  }

  note(text: string): void {
    this.#state.notes.push({ at: new Date().toISOString(), text });
    if (this.#state.notes.length > MAX_NOTES) this.#state.notes.shift();
    this.record({ type: 'note', text });
  }

  /** For what every round would say again. */
  noteOnce(text: string): void {
    if (!this.#state.notes.some((note) => note.text === text)) this.note(text);
  }

  /**
   * Makes lists show the present state. This costs one event if anything has changed, and none otherwise. A turn that
   * is routed or answered directly is listed only when it ends: it is short, and `info` is exact at any time.
   */
  publish(): void {
    if (this.#listedVersion === this.#state.version) return;
    this.#listedVersion = this.#state.version;
    const { status, phase, step, updatedAt, lastActiveAt, mode, name } = this.#session.info;
    const awaiting = this.#session.requests.waiting[0]?.kind ?? null;
    upsertSearchAttributes([
      { key: copilotStatus, value: status },
      { key: copilotPhase, value: phase ?? 'idle' },
      { key: copilotUpdatedAt, value: new Date(updatedAt) },
      { key: copilotLastActiveAt, value: new Date(lastActiveAt) },
      { key: copilotMode, value: mode },
      { key: copilotStep, value: typeof step === 'number' ? step : null },
      ...(name === this.#listedName ? [] : [{ key: copilotName, value: name }]),
      ...(awaiting === this.#listedAwaiting ? [] : [{ key: copilotAwaiting, value: awaiting }]),
    ]);
    this.#listedAwaiting = awaiting;
    this.#listedName = name;
  }

  /** Lists a session that was started without our client, which sets these attributes with the start itself. */
  publishStart(): void {
    if (workflowInfo().typedSearchAttributes.get(copilotStatus) !== undefined) return;
    const { mode, name, user, updatedAt, lastActiveAt } = this.#state;
    upsertSearchAttributes([
      { key: copilotStatus, value: 'active' },
      { key: copilotPhase, value: 'init' },
      { key: copilotMode, value: mode },
      { key: copilotName, value: name },
      ...(user === null ? [] : [{ key: copilotUser, value: user }]),
      { key: copilotUpdatedAt, value: new Date(updatedAt) },
      { key: copilotLastActiveAt, value: new Date(lastActiveAt) },
    ]);
  }
}
