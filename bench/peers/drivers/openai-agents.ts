/** `@temporalio/openai-agents`: the loop of OpenAI's agents SDK in a workflow, on the product's server. */
import { randomUUID } from 'node:crypto';
import { OpenAIProvider } from '@openai/agents-openai';
import { Client, Connection } from '@temporalio/client';
import { OpenAIAgentsPlugin } from '@temporalio/openai-agents';
import { readRecord } from '../../../src/connection/address/home-server.ts';
import { startTestServer } from '../../../test/helpers/server.ts';
import { startScript } from '../../script.ts';
import { servePeer } from '../driver.ts';
import type { agentConversation } from '../services/openai-agents-workflow.ts';

await servePeer(async (modelUrl) => {
  const server = await startTestServer();
  const script = 'peers/services/openai-agents-worker.ts';
  const worker = await startScript(script, [server.address, modelUrl], /agents worker (ready)/);
  const connection = await Connection.connect({ address: server.address });
  const modelProvider = new OpenAIProvider({ baseURL: modelUrl, apiKey: 'bench', useResponses: false });
  const { workflow } = new Client({
    connection,
    plugins: [new OpenAIAgentsPlugin({ modelProvider, modelParams: { startToCloseTimeout: '1m' } })],
  });
  const record = await readRecord(server.homeDir);
  return {
    create: async () => {
      const workflowId = `agents-${randomUUID()}`;
      await workflow.start<typeof agentConversation>('agentConversation', { workflowId, taskQueue: 'bench-agents' });
      return workflowId;
    },
    send: (id, text) => workflow.getHandle(id).executeUpdate<string, [string]>('send', { args: [text] }),
    pids: { application: [worker.pid], servers: [record?.pid ?? 0] },
    close: async () => {
      await connection.close();
      await worker.stop();
      await server.stop();
    },
  };
});
