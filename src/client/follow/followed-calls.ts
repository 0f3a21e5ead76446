/** The running calls of a session's turns, as a follower sees them: their texts, retries and reports. */
import type { temporal } from '@temporalio/proto';
import { z } from 'zod';
import { decodeFirstPayload } from '../../connection/raw-responses.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { DirectAddress } from '../../contracts/direct-text.ts';
import { progress } from '../../contracts/messages.ts';
import type { ProgressEvent, StreamHeartbeat } from '../../contracts/progress.ts';
import { type PendingCall, readPendingCalls } from '../reading/pending-calls.ts';
import { querySession } from '../reading/session-queries.ts';
import { CallRetries } from './call-retries.ts';
import type { Position } from './cursor.ts';
import { askForHeartbeat, DirectTexts } from './direct-texts.ts';
import type { FollowEvent } from './follower.ts';
import { readPersistently } from './history-watch.ts';
import { StreamedText, type TextEvent } from './streamed-text.ts';
import { ToolReport, ToolReports } from './tool-reports.ts';

/** Interval of reading heartbeats while a model writes. Workers send at most one every 100 ms. */
const READ_INTERVAL_MS = 70;
/** The same for a call without text, or one that waits for its next attempt or for a worker. */
const IDLE_READ_INTERVAL_MS = 1_000;
/** The same while all text comes from workers: then only a worker that was cut off from the server may be replaced unseen. */
const DIRECT_READ_INTERVAL_MS = 5_000;
/** A worker ends the text of a call just before the history says how the call ended. */
const ENDED_READ_DELAY_MS = 300;
/** A worker takes this long to hear that its heartbeats are read. */
const CLAIM_INTERVAL_MS = 5_000;

/** `temporal.api.enums.v1.PendingActivityState.PENDING_ACTIVITY_STATE_STARTED` */
const STARTED = 2;

const Excerpt = z.object({ offset: z.number(), text: z.string() });
const Heartbeat: z.ZodType<StreamHeartbeat> = Excerpt.extend({
  attempt: z.number(),
  reasoning: Excerpt.optional(),
  direct: DirectAddress.optional().catch(undefined),
  isSlow: z.literal(true).optional().catch(undefined),
});

type Pending = temporal.api.workflow.v1.IPendingActivityInfo;

/** News of the calls, and after how many milliseconds to look again. */
interface CallNews {
  readonly events: readonly FollowEvent[];
  readonly nextMs: number | undefined;
}

/** What the server knew of the calls, with the decoded details of their heartbeats. */
export interface Look {
  readonly calls: readonly Pending[];
  readonly details: readonly unknown[];
  /** Those with an attempt that failed unreported. */
  readonly failed: readonly PendingCall[];
}

export class FollowedCalls {
  readonly #link: ServerLink;
  readonly #sessionId: string;
  readonly #signal: AbortSignal;
  readonly #text = new StreamedText();
  readonly #retries = new CallRetries();
  readonly #reports = new ToolReports();
  readonly #direct = new DirectTexts();
  /** Calls that were running before this follower joined. */
  #early: readonly string[] = [];
  #claimedAt = Number.NEGATIVE_INFINITY;

  constructor(link: ServerLink, sessionId: string, signal: AbortSignal) {
    this.#link = link;
    this.#sessionId = sessionId;
    this.#signal = signal;
  }

  get position(): Pick<Position, 'turns' | 'calls' | 'told'> {
    const calls = this.#text.positions.map((call) => ({ ...call, isEarly: true }));
    return { turns: this.#retries.turns, calls, told: [] };
  }

  resume({ turns, calls, told }: Pick<Position, 'turns' | 'calls' | 'told'>): void {
    for (const call of calls) this.#text.resume(call);
    this.#early = calls.flatMap(({ id, isEarly }) => (isEarly === true ? [id] : []));
    this.#retries.resume(turns, told);
  }

  /** The text of calls that run already is not missed. */
  joinLate(): void {
    this.#early = this.#text.activityIds;
  }

  /** Whether this follower gets text by heartbeat, as far as it knows. */
  get readsHeartbeats(): boolean {
    const { config, reachesWorkers } = this.#link;
    return config.directText === undefined || reachesWorkers === false;
  }

  /** Settles when {@link takeDirect} gives something. */
  get news(): Promise<void> {
    return this.#direct.news;
  }

  /** When to look at the calls for the first time after the history has moved. */
  get firstReadMs(): number | undefined {
    if (this.#text.activityIds.length > 0) return 0;
    return this.#retries.hasTurn ? IDLE_READ_INTERVAL_MS : undefined;
  }

  /** Has workers ask whether their calls were cancelled. */
  nudge(): void {
    this.#direct.nudge();
  }

  leave(): void {
    this.#direct.keep([]);
  }

  /** Updates texts and retries by an event. */
  track(event: ProgressEvent): TextEvent[] {
    switch (event.type) {
      case 'turn-started':
      case 'tool-started':
        this.#retries.begin(event.turnId);
        return [];
      case 'model-started': {
        const { turnId, activityId, step } = event;
        // The run may have started in the middle of the turn.
        this.#retries.begin(turnId);
        this.#early = this.#early.filter((early) => early !== activityId);
        this.#direct.drop(activityId);
        return this.#text.begin({ turnId, activityId, ...(step === undefined ? {} : { step }) });
      }
      case 'model-ended':
        this.#direct.drop(event.activityId);
        return this.#text.end(event);
      case 'turn-ended':
        this.#retries.end(event.turnId);
        this.#text.clear();
        this.#direct.keep([]);
        return [];
      default:
        return [];
    }
  }

  /** What came from workers. */
  takeDirect(): CallNews {
    const { news, ends } = this.#direct.take();
    const events = news.flatMap((part) => this.#text.direct(part));
    if (ends.length > 0) this.#link.reachesWorkers = !ends.includes('unreached');
    if (ends.some((end) => end !== 'ended')) {
      this.#claimHeartbeats();
      return { events, nextMs: 0 };
    }
    return { events, nextMs: ends.length > 0 ? ENDED_READ_DELAY_MS : undefined };
  }

  /** Reads what the server knows of the calls. Texts of workers may be taken meanwhile. */
  async look(): Promise<Look> {
    const [link, sessionId, signal] = [this.#link, this.#sessionId, this.#signal];
    const pending = await readPersistently(link, sessionId, signal, () => readPending(link, sessionId, signal));
    const calls = pending.filter(({ activityId }) => this.#retries.has(activityId ?? ''));
    // Reading a failure may mean to decrypt or fetch it, so only new ones are read.
    const news = calls.filter(({ activityId, attempt }) => this.#retries.isNews(activityId ?? '', attempt ?? 1));
    const details = calls.map(({ activityId, heartbeatDetails }) =>
      decodeDetails(link, sessionId, activityId ?? '', heartbeatDetails?.payloads),
    );
    return { calls, details: await Promise.all(details), failed: await readPendingCalls(link, sessionId, news) };
  }

  /** What is new in what was read. */
  compare({ calls, details, failed }: Look): CallNews {
    const writing = calls.filter(({ activityId }) => this.#text.activityIds.includes(activityId ?? ''));
    const events: FollowEvent[] = [];
    for (const [index, call] of calls.entries()) {
      const id = call.activityId ?? '';
      if (writing.includes(call)) {
        events.push(...this.#text.attempt(id, call.attempt ?? 1));
        const { data: heartbeat } = Heartbeat.safeParse(details[index]);
        if (heartbeat) events.push(...this.#readHeartbeat(id, heartbeat));
      } else {
        const { data: report } = ToolReport.safeParse(details[index]);
        if (report) events.push(...this.#reports.news(id, report));
      }
    }
    const ids = calls.map(({ activityId }) => activityId ?? '');
    this.#retries.keep(ids);
    this.#reports.keep(ids);
    this.#direct.keep(ids);
    events.push(...this.#retries.report(failed));
    return { events, nextMs: this.#nextRead(calls, writing) };
  }

  #readHeartbeat(activityId: string, heartbeat: StreamHeartbeat): TextEvent[] {
    const { attempt, direct: address, isSlow } = heartbeat;
    const events = this.#text.heartbeat(activityId, heartbeat, this.#early.includes(activityId));
    const shown = this.#text.reached(activityId);
    // A heartbeat of the attempt before may still be the latest.
    if (address === undefined || shown?.attempt !== attempt) return events;
    if (this.#link.config.directText) this.#direct.offer({ activityId, attempt, address, shown });
    if (isSlow && !this.#direct.isTrying(activityId)) this.#claimHeartbeats();
    return events;
  }

  /** Lets workers know, through the session, that somebody waits for their heartbeats. */
  #claimHeartbeats(): void {
    const now = performance.now();
    if (now - this.#claimedAt < CLAIM_INTERVAL_MS) return;
    this.#claimedAt = now;
    const nothing = Number.MAX_SAFE_INTEGER;
    const options = { signal: this.#signal };
    // Without it the text comes later. It is said again while heartbeats are slow.
    void querySession(this.#link, this.#sessionId, progress, [nothing, true], options).catch(() => undefined);
  }

  /** A call that is no longer pending has ended or was cancelled. The history will say which. */
  #nextRead(calls: readonly Pending[], writing: readonly Pending[]): number | undefined {
    const others = calls.filter(({ activityId }) => !this.#direct.has(activityId ?? ''));
    if (others.some((call) => writing.includes(call) && call.state === STARTED)) return READ_INTERVAL_MS;
    if (others.length > 0) return IDLE_READ_INTERVAL_MS;
    return calls.length > 0 ? DIRECT_READ_INTERVAL_MS : undefined;
  }
}

/**
 * Waits for a change that cancels calls, and has their workers look at once: those of calls that nobody follows would learn
 * of it by a slow heartbeat.
 * @throws as the change does
 */
export async function nudging<Report extends { readonly changed: boolean }>(
  link: ServerLink,
  sessionId: string,
  change: Promise<Report>,
): Promise<Report> {
  const report = await change;
  if (report.changed && link.config.directText && link.reachesWorkers !== false) {
    // Whatever fails, the next heartbeat comes.
    await nudgeCalls(link, sessionId).catch(() => undefined);
  }
  return report;
}

async function nudgeCalls(link: ServerLink, sessionId: string): Promise<void> {
  for (const { activityId, heartbeatDetails } of await readPending(link, sessionId)) {
    const details = await decodeDetails(link, sessionId, activityId ?? '', heartbeatDetails?.payloads);
    const { direct, isSlow } = Heartbeat.safeParse(details).data ?? {};
    if (direct && isSlow) await askForHeartbeat(direct);
  }
}

async function readPending(link: ServerLink, sessionId: string, signal?: AbortSignal): Promise<readonly Pending[]> {
  const { client, namespace } = link;
  const request = { namespace, execution: { workflowId: sessionId } };
  const { pendingActivities } = await link.call(() => client.workflowService.describeWorkflowExecution(request), {
    signal,
  });
  return pendingActivities;
}

async function decodeDetails(
  { client, namespace }: ServerLink,
  workflowId: string,
  activityId: string,
  payloads: Parameters<typeof decodeFirstPayload>[1],
): Promise<unknown> {
  return await decodeFirstPayload(client, payloads, {
    type: 'activity',
    namespace,
    workflowId,
    activityId,
    isLocal: false,
  });
}
