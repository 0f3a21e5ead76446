/** A client of raw conversations, with the same version of the SDK as the product. */
import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { RAW_QUEUE } from './queue.ts';
import { rawConversation, send } from './workflow.ts';

export interface RawClient {
  create(): Promise<string>;
  send(conversation: string, text: string): Promise<string>;
  close(): Promise<void>;
}

export async function connectRaw(address: string): Promise<RawClient> {
  const connection = await Connection.connect({ address });
  const { workflow } = new Client({ connection });
  return {
    create: async () => {
      const workflowId = `raw-${randomUUID()}`;
      await workflow.start(rawConversation, { workflowId, taskQueue: RAW_QUEUE });
      return workflowId;
    },
    send: (conversation, text) => workflow.getHandle(conversation).executeUpdate(send, { args: [text] }),
    close: () => connection.close(),
  };
}
