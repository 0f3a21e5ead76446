/** What others see of the session: its version, its place in lists, its notes and its progress. */
import type { SearchAttributeUpdatePair } from '@temporalio/common';
import { upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { MAX_LISTED_TIME_LAG_MS, MAX_NOTES, MAX_PROGRESS_EVENTS } from '../../../contracts/limits.ts';
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
import { phaseOf, stepOf } from '../../views/views.ts';
import type { LiveSession } from '../live-session.ts';

/** Attributes that each turn changes. */
const TIMES = [copilotUpdatedAt, copilotLastActiveAt];
/** From so many turns in a short time on, lists are told of times less often. */
const BURST_TURNS = 3;

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

  constructor(session: LiveSession, state: SessionState) {
    this.#session = session;
    this.#state = state;
    this.#firstSeq = state.progressSeq;
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

  /** Makes lists show the present state. This costs one event if lists show another, and none otherwise. */
  publish(): void {
    const changes = this.#unlisted();
    if (changes.length > 0) upsertSearchAttributes(changes);
  }

  /**
   * The same for a turn that has ended. While turns follow each other quickly and change nothing but times, lists show
   * earlier times: hardly anybody sees one before the next turn ends.
   */
  publishTurn(): void {
    if (!this.#isBurst || this.#unlisted().some(({ key }) => !this.#isRecent(key.name))) this.publish();
  }

  /** Whether lists show a time that is only a little earlier than the present. */
  #isRecent(name: string): boolean {
    const time = TIMES.find((key) => key.name === name);
    const listed = time && workflowInfo().typedSearchAttributes.get(time);
    return listed !== undefined && Date.now() - listed.getTime() < MAX_LISTED_TIME_LAG_MS;
  }

  /** Whether the last turns ended so soon after each other that the next one is likely to as well. */
  get #isBurst(): boolean {
    const first = this.#state.recent.at(-BURST_TURNS)?.endedAt;
    return first !== undefined && first !== null && Date.now() - Date.parse(first) < MAX_LISTED_TIME_LAG_MS;
  }

  /** What lists do not show yet. */
  #unlisted(): SearchAttributeUpdatePair[] {
    const { typedSearchAttributes: listed } = workflowInfo();
    const { status, mode, name, updatedAt, lastActiveAt } = this.#state;
    const step = stepOf(this.#state);
    const present: SearchAttributeUpdatePair[] = [
      { key: copilotStatus, value: status },
      { key: copilotPhase, value: phaseOf(this.#state) ?? 'idle' },
      { key: copilotMode, value: mode },
      { key: copilotName, value: name },
      { key: copilotStep, value: typeof step === 'number' ? step : null },
      { key: copilotAwaiting, value: this.#session.requests.waiting[0]?.kind ?? null },
      { key: copilotUpdatedAt, value: new Date(updatedAt) },
      { key: copilotLastActiveAt, value: new Date(lastActiveAt) },
    ];
    return present.filter(({ key, value }) => comparable(listed.get(key)) !== comparable(value));
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

function comparable(value: SearchAttributeUpdatePair['value'] | undefined): unknown {
  return value instanceof Date ? value.getTime() : (value ?? null);
}
