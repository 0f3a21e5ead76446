/** DBOS, a workflow for each conversation: it receives messages, and publishes each reply as an event. */
import { randomUUID } from 'node:crypto';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { startPostgres } from '../../../test/helpers/postgres.ts';
import { servePeer } from '../driver.ts';
import { askModel, type Message } from '../../ask-model.ts';

const TOPIC = 'message';
const DAY = { timeoutSeconds: 24 * 60 * 60 };

await servePeer(async (modelUrl) => {
  const database = await startPostgres('bench', []);
  const conversation = DBOS.registerWorkflow(
    async (): Promise<void> => {
      const messages: Message[] = [];
      for (let turn = 0; ; turn++) {
        const content = await DBOS.recv<string>(TOPIC, DAY);
        if (content === null) return;
        messages.push({ role: 'user', content });
        const reply = await DBOS.runStep(() => askModel(modelUrl, messages), { name: 'model' });
        messages.push({ role: 'assistant', content: reply });
        await DBOS.setEvent(`reply-${turn}`, reply);
      }
    },
    { name: 'conversation' },
  );
  DBOS.setConfig({
    name: 'bench',
    systemDatabaseUrl: `postgresql://${database.user}@127.0.0.1:${database.port}/dbos`,
    logLevel: 'error',
  });
  await DBOS.launch();
  const turns = new Map<string, number>();
  return {
    create: async () => {
      const workflowID = randomUUID();
      await DBOS.startWorkflow(conversation, { workflowID })();
      return workflowID;
    },
    send: async (id, text) => {
      const turn = turns.get(id) ?? 0;
      turns.set(id, turn + 1);
      await DBOS.send(id, text, TOPIC);
      return (await DBOS.getEvent<string>(id, `reply-${turn}`)) ?? '';
    },
    pids: { application: [], servers: [database.pid] },
    close: async () => {
      await DBOS.shutdown();
      await database.stop();
    },
  };
});
