/** Webhooks of the caller's own sessions, and those of operators for all sessions. */
import { z } from 'zod';
import type { CopilotClient, WebhookOwner } from '../../client.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { type WebhookInfo, WebhookTarget } from '../../contracts/webhooks.ts';
import { GatewayError } from '../problem.ts';
import type { Principal } from '../principals/principal.ts';
import { type Call, type Route, route } from './route.ts';

const NewWebhook = WebhookTarget.extend({ all: z.boolean().optional() });

/** Those that the caller may see and change. */
async function listWebhooks(client: CopilotClient, { name, role }: Principal): Promise<readonly WebhookInfo[]> {
  const owners: readonly WebhookOwner[] = role === 'operator' ? [{ user: name }, {}] : [{ user: name }];
  return (await Promise.all(owners.map((owner) => client.webhooks.list(owner)))).flat();
}

/** @throws CopilotError `WebhookNotFound`, also if it is somebody else's */
async function findWebhook({ client, principal, path }: Call): Promise<WebhookInfo> {
  const webhookId = path['webhookId'] ?? '';
  const found = (await listWebhooks(client, principal)).find(({ id }) => id === webhookId);
  if (!found) throw new CopilotError('WebhookNotFound', { webhookId });
  return found;
}

const ownerOf = ({ owner }: WebhookInfo): WebhookOwner => (owner === null ? {} : { user: owner });

export const webhookRoutes: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/webhooks',
    summary: 'Webhooks of the caller; for operators also those for all sessions',
    run: async ({ client, principal }) => ({ webhooks: await listWebhooks(client, principal) }),
  }),
  route({
    method: 'post',
    path: '/v1/webhooks',
    summary: 'Adds a webhook for the sessions of the caller or, with all, for all sessions; gives its secret, once',
    body: NewWebhook,
    status: 201,
    run: async ({ client, principal: { name, role }, body: { all = false, ...target } }) => {
      if (all && role !== 'operator') {
        throw new GatewayError('Forbidden', 'Only an operator adds webhooks for all sessions; leave out all.');
      }
      return await client.webhooks.add({ ...target, by: name, ...(all ? {} : { user: name }) });
    },
  }),
  route({
    method: 'get',
    path: '/v1/webhooks/{webhookId}',
    summary: 'One webhook: whether it fails, and what waits',
    run: (call) => findWebhook(call),
  }),
  route({
    method: 'delete',
    path: '/v1/webhooks/{webhookId}',
    summary: 'Removes a webhook, and drops what waits for it',
    run: async (call) => {
      const found = await findWebhook(call);
      return await call.client.webhooks.remove(found.id, ownerOf(found));
    },
  }),
  route({
    method: 'post',
    path: '/v1/webhooks/{webhookId}/secret',
    summary: 'Gives a webhook another secret, once; the one before signs as well for 24 hours',
    run: async (call) => {
      const found = await findWebhook(call);
      return await call.client.webhooks.rotateSecret(found.id, ownerOf(found));
    },
  }),
  route({
    method: 'post',
    path: '/v1/webhooks/{webhookId}/test',
    summary: 'Delivers a webhook.test now; if that succeeds, a disabled webhook goes on',
    run: async (call) => {
      const found = await findWebhook(call);
      return await call.client.webhooks.test(found.id, ownerOf(found));
    },
  }),
];
