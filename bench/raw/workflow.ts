/** The smallest workflows on the raw SDK that answer a message: an update, one activity, the reply. */
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  defineSignal,
  defineUpdate,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';

export interface RawMessage {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

export interface RawActivities {
  reply(text: string): Promise<string>;
  /** The reply to a conversation, of which the last message is the user's. */
  replyTo(messages: readonly RawMessage[]): Promise<string>;
}

const { reply, replyTo } = proxyActivities<RawActivities>({ startToCloseTimeout: '1m' });

export const send = defineUpdate<string, [string]>('send');
export const stop = defineSignal('stop');

/** Answers each message by itself, and remembers nothing. */
export async function rawSession(): Promise<void> {
  let isStopped = false;
  setHandler(send, async (text) => await reply(text));
  setHandler(stop, () => {
    isStopped = true;
  });
  await condition(() => isStopped);
}

/** Sends the whole conversation to the model each time, and continues as new when the server suggests it. */
export async function rawConversation(messages: RawMessage[] = []): Promise<void> {
  let isStopped = false;
  let isBusy = false;
  setHandler(send, async (text) => {
    await condition(() => !isBusy);
    isBusy = true;
    try {
      messages.push({ role: 'user', content: text });
      const content = await replyTo(messages);
      messages.push({ role: 'assistant', content });
      return content;
    } finally {
      isBusy = false;
    }
  });
  setHandler(stop, () => {
    isStopped = true;
  });
  await condition(() => isStopped || workflowInfo().continueAsNewSuggested);
  await condition(allHandlersFinished);
  if (!isStopped) await continueAsNew<typeof rawConversation>(messages);
}
