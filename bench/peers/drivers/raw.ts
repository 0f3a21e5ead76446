/** The smallest conversation on Temporal's SDK, with the product's server and version of the SDK. */
import { readRecord } from '../../../src/connection/address/home-server.ts';
import { startTestServer } from '../../../test/helpers/server.ts';
import { connectRaw } from '../../raw/client.ts';
import { rawWorkerStarter } from '../../raw/start.ts';
import { servePeer } from '../driver.ts';

await servePeer(async (modelUrl) => {
  const server = await startTestServer();
  const startWorker = await rawWorkerStarter(server, modelUrl);
  const worker = await startWorker();
  const client = await connectRaw(server.address);
  const record = await readRecord(server.homeDir);
  return {
    create: () => client.create(),
    send: (id, text) => client.send(id, text),
    pids: { application: [worker.pid], servers: [record?.pid ?? 0] },
    close: async () => {
      await client.close();
      await worker.stop();
      await server.stop();
    },
  };
});
