/** The product: a session in the mode `one-shot`, which is one call of the model a turn. */
import { readRecord } from '../../../src/connection/address/home-server.ts';
import { CopilotClient } from '../../../src/client.ts';
import { isolatedConfig, startTestServer } from '../../../test/helpers/server.ts';
import { startWorkerProcess } from '../../../test/helpers/worker.ts';
import { servePeer } from '../driver.ts';

await servePeer(async (modelUrl) => {
  const server = await startTestServer();
  const worker = await startWorkerProcess(server, { OPENAI_BASE_URL: modelUrl, OPENAI_API_KEY: 'bench' });
  const copilot = await CopilotClient.connect({ config: isolatedConfig(server.homeDir), address: server.address });
  const record = await readRecord(server.homeDir);
  return {
    create: async () => (await copilot.create({ mode: 'one-shot' })).id,
    send: async (id, text) => (await copilot.session(id).send(text)).reply,
    pids: { application: [worker.pid], servers: [record?.pid ?? 0] },
    close: async () => {
      await copilot.close();
      await worker.stop();
      await server.stop();
    },
  };
});
