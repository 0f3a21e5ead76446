/** Webhooks: what receivers are told, and what the workflow that tells them takes and gives. */
import { defineQuery, defineSignal, defineUpdate } from './define-message.ts';
import { z } from 'zod';
import { digestOf } from './digest.ts';
import { Label } from './session.ts';

/** Webhooks of one owner, and webhooks for all sessions. */
export const MAX_WEBHOOKS = 5;
/** Deliveries of one webhook that may wait. With more, the oldest is dropped. */
export const MAX_WAITING_DELIVERIES = 500;
/** Milliseconds for which a delivery is retried: three days. */
export const MAX_DELIVERY_MS = 3 * 24 * 60 * 60 * 1_000;
/** Milliseconds for which the secret before the present one signs as well: 24 hours. */
export const OLD_SECRET_MS = 24 * 60 * 60 * 1_000;
/** A session may start with what its client knew this long ago about webhooks: that there are none, for example. */
export const MAX_LISTENERS_AGE_MS = 1_000;

/** Data of an event as JSON, in UTF-16 units. Ids and names of strangers may be long. */
const MAX_EVENT_DATA = 3_000;
/** Waiting events of all webhooks together, as JSON: Temporal takes 2 MiB when the workflow continues as new. */
export const MAX_WAITING_SIZE = 400_000;

/** Id of the workflow. A session's id has no slash, so it is never one of these. */
export function webhooksId(owner: string | null): string {
  return owner === null ? 'copilot-webhooks/all' : `copilot-webhooks/of/${owner}`;
}

export const WebhookEventType = z.enum(['request.opened', 'turn.ended', 'session.ended']);
export type WebhookEventType = z.infer<typeof WebhookEventType>;

/** What happened. It names things and has no text of people or models. */
export const WebhookEvent = z.strictObject({
  /** The same for every delivery of the event. */
  id: z.string().regex(/^evt_[0-9a-f]{32}$/),
  type: z.enum([...WebhookEventType.options, 'webhook.test']),
  /** ISO time at which it happened. */
  timestamp: z.string().max(40),
  data: z
    .record(z.string(), z.string().nullable())
    .refine((data) => JSON.stringify(data).length <= MAX_EVENT_DATA, { error: 'it is too long' }),
});
export type WebhookEvent = z.infer<typeof WebhookEvent>;

/** @param what names the event among all events there ever are */
export function webhookEventId(what: readonly string[]): string {
  return `evt_${digestOf(what).slice(0, 32)}`;
}

const WebhookId = z
  .string()
  .regex(/^whk_[0-9A-Z]{26}$/, 'use the id of a webhook, as `copilot webhooks list` shows it');
/** `whsec_` and 32 random bytes in base64. */
const Secret = z.string().regex(/^whsec_[A-Za-z0-9+/]{43}=$/);
const WebhookUrl = z
  .string()
  .max(2_000)
  .refine((url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol), {
    error: 'use a whole URL, such as https://example.org/hook',
  })
  .refine((url) => !URL.canParse(url) || (new URL(url).username === '' && new URL(url).password === ''), {
    error: 'it contains a user name or password; leave them out, since deliveries are signed',
  })
  .transform((url) => (URL.canParse(url) ? new URL(url).href : url));

/** What a new webhook is told, and where. */
export const WebhookTarget = z.strictObject({
  url: WebhookUrl,
  /** Default: all. */
  events: z
    .array(WebhookEventType)
    .min(1)
    .max(3)
    .default([...WebhookEventType.options]),
});

export const AddWebhookPayload = WebhookTarget.extend({ id: WebhookId, secret: Secret, by: Label.nullable() });
export type AddWebhookPayload = z.infer<typeof AddWebhookPayload>;
export const WebhookPayload = z.strictObject({ id: WebhookId });
export type WebhookPayload = z.infer<typeof WebhookPayload>;
export const RotateSecretPayload = z.strictObject({ id: WebhookId, secret: Secret });
export type RotateSecretPayload = z.infer<typeof RotateSecretPayload>;

/** A webhook without its secret. Times are ISO times. */
export interface WebhookInfo {
  readonly id: string;
  readonly url: string;
  readonly events: readonly WebhookEventType[];
  /** Owner of the sessions; null: all sessions. */
  readonly owner: string | null;
  readonly createdAt: string;
  readonly createdBy: string | null;
  readonly lastDeliveredAt: string | null;
  /** Since when deliveries fail, and why the last one did. Null while they succeed. */
  readonly failing: { readonly since: string; readonly problem: string } | null;
  /** When and why deliveries stopped. A test delivery that succeeds starts them again. */
  readonly disabled: { readonly at: string; readonly reason: string } | null;
  /** Deliveries that wait or are being retried. */
  readonly waiting: number;
  /** Events that were never delivered: retried for three days, or dropped because too many waited. */
  readonly lost: number;
}

/** A webhook as its workflow keeps it. */
export interface Webhook extends Omit<WebhookInfo, 'owner' | 'waiting'> {
  /** The present secret, and until when the one before it signs as well. */
  readonly secret: string;
  readonly oldSecret: { readonly secret: string; readonly until: string } | null;
}

/** An event on its way to a webhook. */
export interface Delivery {
  readonly webhookId: string;
  readonly event: WebhookEvent;
  /** ISO time from which three days are counted. */
  readonly since: string;
  /** Whether its first attempts have failed. */
  readonly isRetried: boolean;
}

/** What the workflow carries from run to run. */
export interface WebhooksState {
  readonly webhooks: readonly Webhook[];
  readonly deliveries: readonly Delivery[];
}

/** Input of the workflow `copilotWebhooks`. */
export interface WebhooksInput {
  /** Whose sessions; null: all. */
  readonly owner: string | null;
  readonly carried?: WebhooksState;
}

/** Whether a test delivery succeeded; if not, what the receiver did. */
export interface TestedWebhook {
  readonly delivered: boolean;
  readonly problem: string | null;
}

export const addWebhook = defineUpdate<WebhookInfo, [AddWebhookPayload]>('addWebhook');
export const removeWebhook = defineUpdate<WebhookInfo, [WebhookPayload]>('removeWebhook');
export const rotateWebhookSecret = defineUpdate<WebhookInfo, [RotateSecretPayload]>('rotateWebhookSecret');
export const testWebhook = defineUpdate<TestedWebhook, [WebhookPayload]>('testWebhook');
/** A session tells what happened in it. */
export const webhookEvent = defineSignal<[WebhookEvent]>('webhookEvent');
export const webhooks = defineQuery<readonly WebhookInfo[]>('webhooks');
/** For the activity that delivers: where to, and the secrets that sign, newest first. Null if it is no longer there. */
export const webhookTarget = defineQuery<
  { readonly url: string; readonly secrets: readonly string[] } | null,
  [string]
>('webhookTarget');

/** Tells an open session that there are webhooks for it, and since when: what happened since then is told, too. */
export const ListenPayload = z.strictObject({ scope: z.enum(['own', 'all']), since: z.iso.datetime() });
export type ListenPayload = z.infer<typeof ListenPayload>;
export const listen = defineSignal<[ListenPayload]>('listen');

/** Since when somebody listens to a session, as ISO times; null: nobody does. */
export interface Listeners {
  own: string | null;
  all: string | null;
}

/** What delivers of an event take. The secret is not among it, so that it stands in no activity. */
export type DeliverInput = Pick<Delivery, 'webhookId' | 'event'>;
export interface AnnounceInput {
  readonly owner: string | null;
  readonly since: string;
  /** Whether only sessions that began about then or later are told: others were told before. */
  readonly onlyNew: boolean;
}

export interface WebhookActivities {
  /** @throws ApplicationFailure `InvalidInput` if this worker does not deliver to the URL */
  copilotCheckWebhook(url: string): Promise<void>;
  /** Posts the event once. @throws ApplicationFailure of type {@link WEBHOOK_FAILED}, {@link WEBHOOK_GONE} */
  copilotDeliverWebhook(input: DeliverInput): Promise<void>;
  /** Signals `listen` to open sessions. */
  copilotAnnounceWebhooks(input: AnnounceInput): Promise<void>;
}

/** The receiver did not take the delivery. */
export const WEBHOOK_FAILED = 'WebhookFailed';
/** The receiver wants no deliveries any more (410), or the webhook was removed. */
export const WEBHOOK_GONE = 'WebhookGone';
/** This worker has too many deliveries under way. Says nothing about the receiver. */
export const WEBHOOK_BUSY = 'WebhookBusy';
