/** A worker of `@temporalio/openai-agents` as a process. Arguments: address, model URL. */
import { fileURLToPath } from 'node:url';
import { OpenAIProvider } from '@openai/agents-openai';
import { OpenAIAgentsPlugin } from '@temporalio/openai-agents';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';

const [address = '', baseURL = ''] = process.argv.slice(2);
Runtime.install({
  shutdownSignals: ['SIGTERM'],
  logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} },
});
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  taskQueue: 'bench-agents',
  workflowsPath: fileURLToPath(new URL('openai-agents-workflow.ts', import.meta.url)),
  bundlerOptions: {
    // The sandbox has no way to load a chunk later, which the SDK for agents asks for.
    webpackConfigHook: (config) => ({
      ...config,
      module: { ...config.module, parser: { javascript: { dynamicImportMode: 'eager' } } },
    }),
  },
  plugins: [
    new OpenAIAgentsPlugin({
      modelProvider: new OpenAIProvider({ baseURL, apiKey: 'bench', useResponses: false }),
      modelParams: { startToCloseTimeout: '1m' },
    }),
  ],
  workflowTaskPollerBehavior: { type: 'autoscaling' },
  activityTaskPollerBehavior: { type: 'autoscaling' },
});
console.error('agents worker ready');
await worker.run();
await connection.close();
