/** A raw SDK worker as a process: its activities ask the model once. Arguments: address, model URL, file of the workflow code. */
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { openAi } from '../../src/models/openai/provider.ts';
import { askModel } from '../ask-model.ts';
import { RAW_QUEUE } from './queue.ts';
import { SILENT } from './silent.ts';
import type { RawActivities } from './workflow.ts';

const [address = '', baseUrl = '', codePath = ''] = process.argv.slice(2);
Runtime.install({
  shutdownSignals: ['SIGTERM'],
  logger: SILENT,
});
const model = openAi({ baseUrl, apiKey: 'bench' }).model('bench');
const activities: RawActivities = {
  reply: async (text) => {
    const signal = new AbortController().signal;
    const { text: answer } = await model.reply({
      system: 'Answer.',
      messages: [{ role: 'user', text }],
      signal,
    });
    return answer;
  },
  replyTo: (messages) => askModel(baseUrl, messages),
};
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  taskQueue: RAW_QUEUE,
  activities,
  workflowBundle: { codePath },
  workflowTaskPollerBehavior: { type: 'autoscaling' },
  activityTaskPollerBehavior: { type: 'autoscaling' },
});
console.error('raw worker ready');
await worker.run();
await connection.close();
