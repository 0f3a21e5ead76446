/** Delivers to webhooks, signed by https://www.standardwebhooks.com, and tells sessions that there are some. */
import { createHmac } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { ApplicationFailure, Context } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import { quote } from '../client/reading/session-runs.ts';
import { toFailure } from '../contracts/errors.ts';
import { SESSION_WORKFLOW } from '../contracts/messages.ts';
import { copilotUser } from '../contracts/search-attributes.ts';
import {
  type AnnounceInput,
  type DeliverInput,
  listen,
  WEBHOOK_BUSY,
  WEBHOOK_FAILED,
  WEBHOOK_GONE,
  webhookTarget,
} from '../contracts/webhooks.ts';
import { retryAfterMs } from '../models/retry-after.ts';
import { packageVersion } from '../package-info.ts';
import { isPublicAddress } from '../tools/web/addresses.ts';
import type { Internet } from '../tools/web/destination.ts';
import { checkDestination, postTo, RefusedDestination } from '../tools/web/post.ts';

const INTERNET: Internet = { resolve: (host) => lookup(host, { all: true }), isPublic: isPublicAddress };
const TIMEOUT_MS = 15_000;
/** Deliveries of a worker at a time. Receivers that answer slowly must not take the places of model calls. */
const MAX_AT_ONCE = 16;
const BUSY_PAUSE_MS = 3_000;
/** The longest that a receiver may ask to wait. */
const MAX_RETRY_AFTER_MS = 60 * 60 * 1_000;
/** Sessions that began this long before the first webhook may not have been in lists when it came. */
const LIST_LAG_MS = 60_000;

/** @throws ApplicationFailure `InvalidInput` */
export async function checkWebhook(mayBePrivate: boolean, text: string): Promise<void> {
  try {
    await checkDestination(new URL(text), { internet: INTERNET, mayBePrivate });
  } catch (error) {
    const problem = error instanceof RefusedDestination ? error.message : `its host is not known (${describe(error)})`;
    throw toFailure('InvalidInput', { what: `url "${text}"`, problem });
  }
}

/** Delivers for one worker. */
export class WebhookSender {
  readonly #mayBePrivate: boolean;
  readonly #internet: Internet;
  #running = 0;

  constructor(mayBePrivate: boolean, internet = INTERNET) {
    this.#mayBePrivate = mayBePrivate;
    this.#internet = internet;
  }

  /** Asks the webhook's workflow where to, and with which secrets, so that these stand in no activity. */
  async deliver({ webhookId, event }: DeliverInput): Promise<void> {
    if (this.#running >= MAX_AT_ONCE) throw failure(WEBHOOK_BUSY, 'the worker is busy', { afterMs: BUSY_PAUSE_MS });
    this.#running += 1;
    try {
      const { client, info } = Context.current();
      const workflow = client.workflow.getHandle(info.workflowExecution?.workflowId ?? '');
      const target = await workflow.query(webhookTarget, webhookId);
      if (!target) throw failure(WEBHOOK_GONE, 'it was removed', { isFinal: true });
      const { id, ...content } = event;
      await this.#post(target, id, JSON.stringify(content));
    } finally {
      this.#running -= 1;
    }
  }

  async #post(
    { url, secrets }: { readonly url: string; readonly secrets: readonly string[] },
    id: string,
    body: string,
  ): Promise<void> {
    const timestamp = String(Math.floor(Date.now() / 1_000));
    const headers = {
      'content-type': 'application/json',
      'user-agent': `durable-copilot/${packageVersion}`,
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': secrets.map((secret) => signWebhook(secret, `${id}.${timestamp}.${body}`)).join(' '),
    };
    const options = {
      headers,
      body,
      internet: this.#internet,
      mayBePrivate: this.#mayBePrivate,
      timeoutMs: TIMEOUT_MS,
    };
    const { status, retryAfter } = await postTo(new URL(url), options).catch((error: unknown) => {
      throw failure(WEBHOOK_FAILED, describe(error));
    });
    if (status >= 200 && status <= 299) return;
    if (status === 410) throw failure(WEBHOOK_GONE, 'the receiver answered 410 Gone', { isFinal: true });
    const asked = retryAfter === undefined ? undefined : retryAfterMs(new Headers({ 'retry-after': retryAfter }), '');
    throw failure(WEBHOOK_FAILED, `the receiver answered ${status}`, { afterMs: asked });
  }
}

/** @param secret `whsec_` and base64 */
export function signWebhook(secret: string, content: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
}

function failure(
  type: string,
  message: string,
  { afterMs, isFinal = false }: { readonly afterMs?: number | undefined; readonly isFinal?: boolean } = {},
): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: isFinal,
    ...(afterMs === undefined ? {} : { nextRetryDelay: Math.min(afterMs, MAX_RETRY_AFTER_MS) }),
  });
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && error.message === '' ? String(error.code) : error.message;
}

/** Tells the open sessions of an owner, or all, that somebody listens. One that ends meanwhile has told nobody. */
export async function announceWebhooks({ owner, since, onlyNew }: AnnounceInput): Promise<void> {
  const activity = Context.current();
  const began = new Date(Date.parse(since) - LIST_LAG_MS).toISOString();
  const query = [
    `WorkflowType = ${quote(SESSION_WORKFLOW)} AND ExecutionStatus = 'Running'`,
    // The server's lists cannot be searched for every name, so names are compared below as well.
    ...(owner !== null && /^[\w.@ -]+$/.test(owner) ? [`${copilotUser.name} = ${quote(owner)}`] : []),
    ...(onlyNew ? [`StartTime >= ${quote(began)}`] : []),
  ].join(' AND ');
  const payload = { scope: owner === null ? ('all' as const) : ('own' as const), since };
  for await (const { workflowId, typedSearchAttributes } of activity.client.workflow.list({ query })) {
    activity.heartbeat();
    if (owner !== null && typedSearchAttributes.get(copilotUser) !== owner) continue;
    await activity.client.workflow
      .getHandle(workflowId)
      .signal(listen, payload)
      .catch((error: unknown) => {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      });
  }
}
