/** `copilot webhooks`: who is told what happens in sessions. */
import type { WebhookInfo } from '../../client.ts';
import type { WebhookEventType } from '../../contracts/webhooks.ts';
import { type CommonFlags, withClient } from '../connected.ts';
import { remark, say, sayJson } from '../terminal.ts';

export interface OwnerFlags extends CommonFlags {
  /** Default: the sessions of everybody. */
  readonly user?: string;
}

/** @throws CopilotError as `Webhooks.add` */
export async function runWebhooksAdd(
  url: string,
  { user, event, json }: OwnerFlags & { readonly event?: readonly string[] },
): Promise<void> {
  // Checked by the client, as everything from outside.
  const events = event && { events: [...event] as WebhookEventType[] };
  const added = await withClient((client) => client.webhooks.add({ url, user, ...events }));
  if (json) return sayJson(added);
  say(added.secret);
  remark(`This is the only time that the secret of ${added.id} is shown.`);
}

export async function runWebhooksList({ user, json }: OwnerFlags): Promise<void> {
  const list = await withClient((client) => client.webhooks.list({ user }));
  if (json) return sayJson(list);
  if (list.length === 0) {
    const whose = user === undefined ? 'all sessions' : `the sessions of ${user}`;
    const hint = user === undefined ? ' `--user <name>` lists those of one owner.' : '';
    say(`There are no webhooks for ${whose}.${hint} Add one: copilot webhooks add <url>`);
  }
  for (const webhook of list) say(`${webhook.id}  ${stateOf(webhook)}  ${webhook.url}`);
}

function stateOf({ disabled, failing, waiting }: WebhookInfo): string {
  if (disabled) return `disabled (${disabled.reason})`;
  if (failing) return `failing since ${failing.since}, ${waiting} waiting (${failing.problem})`;
  return 'works';
}

export async function runWebhooksRemove(id: string, { user, json }: OwnerFlags): Promise<void> {
  const removed = await withClient((client) => client.webhooks.remove(id, { user }));
  if (json) return sayJson(removed);
  say(`Removed ${id}.`);
}

export async function runWebhooksRotate(id: string, { user, json }: OwnerFlags): Promise<void> {
  const rotated = await withClient((client) => client.webhooks.rotateSecret(id, { user }));
  if (json) return sayJson(rotated);
  say(rotated.secret);
  remark(`The old secret of ${id} signs as well for 24 hours.`);
}

/** Exits with 1 if the receiver did not take the delivery. */
export async function runWebhooksTest(id: string, { user, json }: OwnerFlags): Promise<void> {
  const { delivered, problem } = await withClient((client) => client.webhooks.test(id, { user }));
  if (json) sayJson({ delivered, problem });
  else say(delivered ? 'Delivered.' : `Not delivered: ${problem}.`);
  if (!delivered) process.exitCode = 1;
}
