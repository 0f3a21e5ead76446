/** The smallest conversation on the raw SDK: an update, one activity, the reply. No continue-as-new, no session. */
import { condition, defineSignal, defineUpdate, proxyActivities, setHandler } from '@temporalio/workflow';

export interface RawActivities {
  reply(text: string): Promise<string>;
}

const { reply } = proxyActivities<RawActivities>({ startToCloseTimeout: '1m' });

export const send = defineUpdate<string, [string]>('send');
export const stop = defineSignal('stop');

export async function rawSession(): Promise<void> {
  let isStopped = false;
  setHandler(send, async (text) => await reply(text));
  setHandler(stop, () => {
    isStopped = true;
  });
  await condition(() => isStopped);
}
