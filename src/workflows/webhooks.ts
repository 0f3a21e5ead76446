/**
 * The webhooks of one owner of sessions, or those for all sessions, and the deliveries to them. Sessions signal what
 * happens; each event becomes one delivery for each webhook that wants it. It ends with the last webhook.
 *
 * A delivery is an activity. Its first attempts take some seconds; then it is one of those that are retried for three days,
 * in places of their own, so that a receiver that is down, or refuses some events, holds up nobody else.
 */
import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setDefaultSignalHandler,
  setHandler,
  sleep,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import { toFailure } from '../contracts/errors.ts';
import { move } from '../contracts/messages.ts';
import {
  addWebhook,
  AddWebhookPayload,
  type Delivery,
  MAX_LISTENERS_AGE_MS,
  MAX_DELIVERY_MS,
  MAX_WAITING_DELIVERIES,
  MAX_WAITING_SIZE,
  MAX_WEBHOOKS,
  OLD_SECRET_MS,
  removeWebhook,
  RotateSecretPayload,
  rotateWebhookSecret,
  type TestedWebhook,
  testWebhook,
  type Webhook,
  WEBHOOK_BUSY,
  WEBHOOK_GONE,
  WebhookEvent,
  webhookEvent,
  webhookEventId,
  type WebhookInfo,
  WebhookPayload,
  webhooks,
  type WebhooksInput,
  webhookTarget,
} from '../contracts/webhooks.ts';
import { activities } from './activities.ts';
import { refuseUndecodableUpdates, undecodableSignal } from './handlers/message-filter.ts';
import { accept, receive } from './input-check.ts';
import { leaveBuild } from './sdk-internals.ts';

const LAST_PAUSE = '1s';
/** Deliveries of one webhook at a time, in their first attempts and afterwards. */
const MAX_FIRST = 5;
const MAX_RETRIED = 20;
/** A delivery whose time is up is tried for this long all the same: nobody may have been there to try it. */
const MIN_DELIVERY_MS = 1_000;
/** Fewer are small enough, so nobody measures them. */
const MANY_DELIVERIES = 100;
/** Events after which it continues as new. */
const MAX_EVENTS = 1_000;
/** Sessions that were started without knowing of the first webhook have begun by then. */
const STARTS_KNOW_MS = 1.5 * MAX_LISTENERS_AGE_MS;
/** How long adding the first webhook may wait until open sessions know. They learn of it later as well. */
const ANNOUNCE_MS = 5_000;
/** After this time sessions are told that began while the first webhook was added. */
const ANNOUNCE_AGAIN = '15s';

export async function copilotWebhooks(input: WebhooksInput): Promise<void> {
  const registry = new Registry(input);
  while (!registry.isDue) {
    await condition(() => registry.isOver || registry.isDue);
    if (!registry.isOver) continue;
    // Not in the task that answers the update: the server may refuse the update if the workflow ends with it.
    await sleep(LAST_PAUSE);
    if (registry.isOver) return leaveBuild();
  }
  await registry.settle();
  leaveBuild();
  await continueAsNew<typeof copilotWebhooks>({ owner: input.owner, carried: registry.carried });
}

class Registry {
  readonly #owner: string | null;
  #webhooks: Webhook[];
  #deliveries: Delivery[];
  /** Activities under way, by their delivery. */
  readonly #running = new Map<Delivery, CancellationScope>();
  #announcing = 0;
  /** Until open sessions know that somebody listens. */
  #announced: Promise<void> | undefined;
  #isUsed: boolean;
  #isSettling = false;
  #isMoved = false;

  constructor({ owner, carried }: WebhooksInput) {
    this.#owner = owner;
    this.#webhooks = [...(carried?.webhooks ?? [])];
    this.#deliveries = [...(carried?.deliveries ?? [])];
    this.#isUsed = carried !== undefined;
    this.#accept();
    this.#startDeliveries();
  }

  get isOver(): boolean {
    return this.#isUsed && this.#webhooks.length === 0 && allHandlersFinished();
  }

  get isDue(): boolean {
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    return historyLength >= MAX_EVENTS || continueAsNewSuggested || this.#isMoved;
  }

  get carried(): NonNullable<WebhooksInput['carried']> {
    return { webhooks: this.#webhooks, deliveries: this.#deliveries };
  }

  /** Waits for what takes seconds, and stops what may take days: it goes on in the next run. */
  async settle(): Promise<void> {
    this.#isSettling = true;
    await condition(
      () =>
        allHandlersFinished() &&
        this.#announcing === 0 &&
        [...this.#running.keys()].every(({ isRetried }) => isRetried),
    );
    for (const scope of this.#running.values()) scope.cancel();
  }

  #accept(): void {
    // An update, since who adds a webhook wants to know that it counts from now on. It comes with the start, so it is
    // refused by its handler: a refusal by a validator leaves no trace, and a workflow that nobody ends.
    setHandler(addWebhook, (payload) => this.#add(payload));
    // Updates, since the caller wants to know whether there was such a webhook.
    setHandler(removeWebhook, ({ id }) => this.#remove(id), {
      validator: (payload) => void this.#find(accept(WebhookPayload, payload, 'webhook').id),
    });
    setHandler(rotateWebhookSecret, ({ id, secret }) => this.#rotate(id, secret), {
      validator: (payload) => void this.#find(accept(RotateSecretPayload, payload, 'webhook').id),
    });
    setHandler(testWebhook, ({ id }) => this.#test(id), {
      validator: (payload) => void this.#find(accept(WebhookPayload, payload, 'webhook').id),
    });
    setHandler(webhooks, () => this.#webhooks.map((webhook) => this.#info(webhook)));
    setHandler(webhookTarget, (webhookId) => {
      const found = this.#webhooks.find(({ id }) => id === webhookId);
      if (!found) return null;
      const { url, secret, oldSecret } = found;
      const isOldValid = oldSecret !== null && Date.parse(oldSecret.until) > Date.now();
      return { url, secrets: [secret, ...(isOldValid ? [oldSecret.secret] : [])] };
    });
    // A signal, since a session can send nothing else. Anybody may send one.
    setHandler(webhookEvent, (payload) => {
      const received = receive(WebhookEvent, payload);
      if (received.problem === undefined) this.#take(received.data);
    });
    // As for sessions: with a worker deployment, the next run is on the current build.
    setHandler(move, () => void (this.#isMoved = true));
    refuseUndecodableUpdates();
    setHandler(undecodableSignal, () => undefined);
    setDefaultSignalHandler(() => undefined);
  }

  async #add(payload: AddWebhookPayload): Promise<WebhookInfo> {
    this.#isUsed = true;
    const { id, url, events, secret, by } = accept(AddWebhookPayload, payload, 'webhook');
    const known = this.#webhooks.find((webhook) => webhook.id === id);
    if (known) return this.#info(known);
    if (this.#webhooks.length >= MAX_WEBHOOKS) {
      const problem = `${this.#owner ?? 'all sessions'} has ${MAX_WEBHOOKS} webhooks already; remove one first`;
      throw toFailure('InvalidInput', { what: 'webhook', problem });
    }
    await activities.checkWebhook(url).catch((error: unknown) => {
      throw error instanceof ActivityFailure && error.cause instanceof ApplicationFailure ? error.cause : error;
    });
    const isFirst = this.#webhooks.length === 0;
    const webhook: Webhook = {
      id,
      url,
      events,
      createdAt: now(),
      createdBy: by,
      lastDeliveredAt: null,
      failing: null,
      disabled: null,
      lost: 0,
      secret,
      oldSecret: null,
    };
    this.#webhooks.push(webhook);
    if (isFirst) this.#announced = this.#announce(webhook.createdAt);
    await this.#announced;
    return this.#info(webhook);
  }

  /** Tells open sessions that somebody listens. Those that begin from now on know it from their start. */
  async #announce(since: string): Promise<void> {
    await sleep(STARTS_KNOW_MS);
    const announce = (onlyNew: boolean): Promise<void> =>
      activities.announceWebhooks({ owner: this.#owner, since, onlyNew }).catch(ignoreFailure);
    let isTold = false;
    const announceTwice = async (): Promise<void> => {
      this.#announcing += 1;
      try {
        await announce(false);
        isTold = true;
        await sleep(ANNOUNCE_AGAIN);
        await announce(true);
      } catch (error) {
        if (!isCancellation(error)) throw error;
      } finally {
        this.#announcing -= 1;
      }
    };
    void announceTwice();
    await condition(() => isTold, ANNOUNCE_MS);
  }

  #remove(id: string): WebhookInfo {
    const removed = this.#find(id);
    this.#webhooks = this.#webhooks.filter((webhook) => webhook !== removed);
    this.#dropDeliveries(id);
    return this.#info(removed);
  }

  #rotate(id: string, secret: string): WebhookInfo {
    const known = this.#find(id);
    if (known.secret === secret) return this.#info(known); // the same update again
    const until = new Date(Date.now() + OLD_SECRET_MS).toISOString();
    return this.#info(this.#change(id, { secret, oldSecret: { secret: known.secret, until } }));
  }

  /** One delivery at once, whose outcome counts as that of any other. If it succeeds, a disabled webhook goes on. */
  async #test(id: string): Promise<TestedWebhook> {
    const event: WebhookEvent = {
      id: webhookEventId([workflowInfo().workflowId, uuid4()]),
      type: 'webhook.test',
      timestamp: now(),
      data: { webhookId: id },
    };
    try {
      await activities.deliverWebhook({ webhookId: id, event }, 'once');
      this.#succeeded(id);
      return { delivered: true, problem: null };
    } catch (error) {
      if (isCancellation(error)) throw error;
      return { delivered: false, problem: problemOf(error).text };
    }
  }

  #take(event: WebhookEvent): void {
    for (const { id, events, disabled } of this.#webhooks) {
      if (disabled || !events.some((type) => type === event.type)) continue;
      const waiting = this.#waitingFor(id);
      if (waiting.length >= MAX_WAITING_DELIVERIES) this.#lose(waiting[0]);
      this.#deliveries.push({ webhookId: id, event, since: now(), isRetried: false });
    }
    while (this.#isHeavy) this.#lose(this.#longestQueue[0]);
    this.#startDeliveries();
  }

  /** Whether the next run could not carry what waits. */
  get #isHeavy(): boolean {
    const { length } = this.#deliveries;
    return length > MANY_DELIVERIES && JSON.stringify(this.#deliveries).length > MAX_WAITING_SIZE;
  }

  get #longestQueue(): readonly Delivery[] {
    const queues = this.#webhooks.map(({ id }) => this.#waitingFor(id));
    return queues.reduce((longest, queue) => (queue.length > longest.length ? queue : longest), []);
  }

  #waitingFor(id: string): readonly Delivery[] {
    return this.#deliveries.filter(({ webhookId }) => webhookId === id);
  }

  #startDeliveries(): void {
    if (this.#isSettling) return;
    for (const { id } of this.#webhooks) {
      for (const [isRetried, limit] of [
        [false, MAX_FIRST],
        [true, MAX_RETRIED],
      ] as const) {
        const own = this.#waitingFor(id).filter((one) => one.isRetried === isRetried);
        const idle = own.filter((one) => !this.#running.has(one));
        const free = limit - (own.length - idle.length);
        for (const one of idle.slice(0, Math.max(0, free))) void this.#deliver(one);
      }
    }
  }

  async #deliver(delivery: Delivery): Promise<void> {
    const scope = new CancellationScope();
    this.#running.set(delivery, scope);
    const { webhookId, event, since, isRetried } = delivery;
    const leftMs = Date.parse(since) + MAX_DELIVERY_MS - Date.now();
    try {
      const retry = isRetried ? Math.max(MIN_DELIVERY_MS, leftMs) : 'first';
      await scope.run(() => activities.deliverWebhook({ webhookId, event }, retry));
      this.#deliveries = this.#deliveries.filter((other) => other !== delivery);
      this.#succeeded(webhookId);
    } catch (error) {
      // A delivery that was stopped waits again, unless it is no longer wanted.
      if (!scope.consideredCancelled) this.#failed(delivery, error);
    } finally {
      this.#running.delete(delivery);
      this.#startDeliveries();
    }
  }

  #succeeded(id: string): void {
    const webhook = this.#webhooks.find((one) => one.id === id);
    if (!webhook) return;
    const wasFailing = webhook.failing !== null;
    this.#change(id, { lastDeliveredAt: now(), failing: null, disabled: null });
    // The receiver is back, so that what waits for its next attempt need not wait any longer.
    if (!wasFailing) return;
    for (const [{ webhookId, isRetried }, scope] of this.#running) if (webhookId === id && isRetried) scope.cancel();
  }

  #failed(delivery: Delivery, error: unknown): void {
    const { webhookId, since, isRetried } = delivery;
    const webhook = this.#webhooks.find(({ id }) => id === webhookId);
    if (!webhook) return;
    const { type, text } = problemOf(error);
    if (type === WEBHOOK_GONE) return this.#disable(webhook, text);
    const failing = { since: webhook.failing?.since ?? now(), problem: text };
    if (type !== WEBHOOK_BUSY) this.#change(webhookId, { failing });
    if (!isRetried) {
      this.#deliveries = this.#deliveries.map((one) => (one === delivery ? { ...one, isRetried: true } : one));
      return;
    }
    this.#lose(delivery);
    const hasWorked = webhook.lastDeliveredAt !== null && webhook.lastDeliveredAt > since;
    if (!hasWorked) this.#disable(webhook, `no delivery has succeeded for three days; the last problem: ${text}`);
  }

  #disable({ id }: Webhook, reason: string): void {
    for (const delivery of this.#waitingFor(id)) this.#lose(delivery);
    this.#change(id, { disabled: { at: now(), reason } });
  }

  #lose(delivery: Delivery | undefined): void {
    if (!delivery) return;
    this.#running.get(delivery)?.cancel();
    this.#deliveries = this.#deliveries.filter((other) => other !== delivery);
    const { webhookId } = delivery;
    this.#change(webhookId, { lost: this.#find(webhookId).lost + 1 });
  }

  #dropDeliveries(id: string): void {
    for (const [{ webhookId }, scope] of this.#running) if (webhookId === id) scope.cancel();
    this.#deliveries = this.#deliveries.filter(({ webhookId }) => webhookId !== id);
  }

  /** @throws WebhookNotFound */
  #find(id: string): Webhook {
    const webhook = this.#webhooks.find((one) => one.id === id);
    if (!webhook) throw toFailure('WebhookNotFound', { webhookId: id });
    return webhook;
  }

  #change(id: string, change: Partial<Webhook>): Webhook {
    const changed = { ...this.#find(id), ...change };
    this.#webhooks = this.#webhooks.map((webhook) => (webhook.id === id ? changed : webhook));
    return changed;
  }

  #info({ secret: _, oldSecret: __, ...webhook }: Webhook): WebhookInfo {
    return { ...webhook, owner: this.#owner, waiting: this.#waitingFor(webhook.id).length };
  }
}

const now = (): string => new Date().toISOString();

/** Sessions that were not told are told by nobody else, but a webhook without them is better than none. */
function ignoreFailure(error: unknown): void {
  if (!(error instanceof ActivityFailure)) throw error;
}

function problemOf(error: unknown): { readonly type: string | undefined; readonly text: string } {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const type = cause instanceof ApplicationFailure ? (cause.type ?? undefined) : undefined;
  return { type, text: cause instanceof Error ? cause.message : 'it failed' };
}
