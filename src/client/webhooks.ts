/** Webhooks: programs that are told by signed HTTP requests what happens in sessions. */
import { randomBytes } from 'node:crypto';
import { WithStartWorkflowOperation, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import type { UpdateDefinition } from '@temporalio/common';
import { isTransient } from '../connection/grpc-errors.ts';
import { retry } from '../connection/retry.ts';
import type { ServerLink } from '../connection/server-link.ts';
import { CopilotError, fromFailure } from '../contracts/errors.ts';
import { Label } from '../contracts/session.ts';
import { WEBHOOKS_WORKFLOW } from '../contracts/messages.ts';
import {
  addWebhook,
  removeWebhook,
  rotateWebhookSecret,
  type TestedWebhook,
  testWebhook,
  type WebhookInfo,
  type WebhookPayload,
  webhooks,
  webhooksId,
  WebhookTarget,
} from '../contracts/webhooks.ts';
import { checkInput } from './checked-input.ts';
import { newUlid } from './new-ulid.ts';
import type { z } from 'zod';

const SECRET_BYTES = 32;
/** Adding waits until open sessions know of the webhook, and a test until the receiver has answered. */
const TIMEOUT_MS = 30_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;

/** Whose sessions a webhook is about. */
export interface WebhookOwner {
  /** Owner of the sessions. Default: the sessions of everybody, and those without an owner. */
  readonly user?: string | undefined;
}

export interface NewWebhook extends WebhookOwner, z.input<typeof WebhookTarget> {
  /** Who adds it, for lists. */
  readonly by?: string | undefined;
}

/** A webhook with its secret, `whsec_…`, which can never be read again. */
export type WebhookWithSecret = WebhookInfo & { readonly secret: string };

/**
 * Webhooks as https://www.standardwebhooks.com says. Each call needs a worker.
 *
 *     const { secret } = await client.webhooks.add({ url: 'https://example.org/hook', user: 'ada' });
 */
export class Webhooks {
  readonly #link: ServerLink;

  constructor(link: ServerLink) {
    this.#link = link;
  }

  /**
   * Adds a webhook. It is told what happens from then on, in open sessions as well.
   * @throws CopilotError `InvalidInput` if workers do not deliver to the URL, or there are five already; `NoWorker`,
   *   `ServerUnreachable`
   */
  async add({ user, by, ...given }: NewWebhook): Promise<WebhookWithSecret> {
    const target = checkInput(WebhookTarget, given, '');
    const owner = ownerOf(user);
    const secret = newSecret();
    const id = `whk_${newUlid()}`;
    const { workflow } = this.#link.client;
    const { taskQueue } = this.#link.config;
    const added = await this.#call(id, () =>
      workflow.executeUpdateWithStart(addWebhook, {
        args: [{ ...target, id, secret, by: by ?? null }],
        updateId: id,
        startWorkflowOperation: new WithStartWorkflowOperation(WEBHOOKS_WORKFLOW, {
          workflowId: webhooksId(owner),
          taskQueue,
          args: [{ owner }],
          workflowIdConflictPolicy: 'USE_EXISTING',
        }),
      }),
    );
    return { ...added, secret };
  }

  /** Oldest first. @throws CopilotError `NoWorker`, `ServerUnreachable` */
  async list({ user }: WebhookOwner = {}): Promise<readonly WebhookInfo[]> {
    const handle = this.#link.client.workflow.getHandle(webhooksId(ownerOf(user)));
    try {
      const { status } = await this.#link.call(() => handle.describe());
      return status.name === 'RUNNING' ? await this.#link.call(() => handle.query(webhooks)) : [];
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return [];
      throw await this.#link.explain(error);
    }
  }

  /** Its deliveries that wait are dropped. @throws CopilotError `WebhookNotFound`, `NoWorker`, `ServerUnreachable` */
  async remove(id: string, owner: WebhookOwner = {}): Promise<WebhookInfo> {
    return await this.#change(removeWebhook, { id }, owner);
  }

  /** Gives it another secret. The one before signs as well for 24 hours. @throws as {@link remove} */
  async rotateSecret(id: string, owner: WebhookOwner = {}): Promise<WebhookWithSecret> {
    const secret = newSecret();
    return { ...(await this.#change(rotateWebhookSecret, { id, secret }, owner)), secret };
  }

  /** Delivers a `webhook.test` now. If that succeeds, a disabled webhook goes on. @throws as {@link remove} */
  async test(id: string, owner: WebhookOwner = {}): Promise<TestedWebhook> {
    return await this.#change(testWebhook, { id }, owner);
  }

  async #change<Result, Payload extends WebhookPayload>(
    update: UpdateDefinition<Result, [Payload]>,
    payload: Payload,
    { user }: WebhookOwner,
  ): Promise<Result> {
    const handle = this.#link.client.workflow.getHandle(webhooksId(ownerOf(user)));
    const updateId = newUlid();
    return await this.#call(payload.id, async () => {
      try {
        return await handle.executeUpdate(update, { args: [payload], updateId });
      } catch (error) {
        // The workflow ends with the last webhook.
        if (!(error instanceof WorkflowNotFoundError)) throw error;
        throw new CopilotError('WebhookNotFound', { webhookId: payload.id }, { cause: error });
      }
    });
  }

  /** Sends an update again if it is lost. Its id makes it the same one. */
  async #call<T>(id: string, work: () => Promise<T>): Promise<T> {
    this.#link.checkMayChange();
    const startedAt = Date.now();
    return await retry(() => this.#link.call(work, { timeoutMs: TIMEOUT_MS }), {
      firstPauseMs: FIRST_PAUSE_MS,
      maxPauseMs: MAX_PAUSE_MS,
      onFailure: async (error) => {
        const known = fromFailure(error);
        if (known) throw known;
        // Its run ended meanwhile.
        const isLost = error instanceof WorkflowUpdateFailedError || error instanceof WorkflowNotFoundError;
        const isOver = Date.now() - startedAt >= this.#link.retryForMs;
        if (isOver || !(isLost || isTransient(error))) throw await this.#link.explain(error, id);
      },
    });
  }
}

const newSecret = (): string => `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;

function ownerOf(user: string | undefined): string | null {
  return user === undefined ? null : checkInput(Label, user, 'user');
}
