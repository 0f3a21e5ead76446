/**
 * A service with a workflow and an activity of its own. Its one worker hosts sessions, too, and its workflow starts one.
 *
 *     node examples/service.ts        (with `copilot dev` running in another terminal)
 */
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { loadConfig } from '../src/client.ts';
import { copilotPlugin } from '../src/worker.ts';
import type { checkOrder } from './service-workflows.ts';

const { address = 'localhost:7233' } = loadConfig().temporal;
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  taskQueue: 'orders',
  workflowsPath: fileURLToPath(new URL('service-workflows.ts', import.meta.url)),
  activities: { priceOf: async (order: string) => order.length * 5 },
  plugins: [copilotPlugin()],
});

await worker.runUntil(async () => {
  const client = new Client({ connection });
  const options = { taskQueue: 'orders', workflowId: `order-${Date.now()}`, args: ['A-17'] as [string] };
  console.log(await client.workflow.execute<typeof checkOrder>('checkOrder', options));
});
await connection.close();
