/** DBOS, a workflow for each turn: the conversation is a table, and steps of the workflow write it. */
import { randomUUID } from 'node:crypto';
import { DBOS } from '@dbos-inc/dbos-sdk';
import postgres from 'postgres';
import { startPostgres } from '../../../test/helpers/postgres.ts';
import { askModel, type Message } from '../../ask-model.ts';
import { servePeer } from '../driver.ts';

const TABLES = `
  create table conversation (id text primary key, created_at timestamptz not null default now());
  create table message (
    id bigint generated always as identity primary key,
    conversation text not null references conversation (id),
    turn text not null,
    role text not null,
    content text not null,
    unique (turn, role)
  );
  create index on message (conversation, id);
`;

await servePeer(async (modelUrl) => {
  const server = await startPostgres('bench', []);
  const { port, user: username } = server;
  const sql = postgres({ host: '127.0.0.1', port, username, database: 'postgres' });
  await sql.unsafe(TABLES);

  const readMessages = async (conversation: string): Promise<Message[]> => {
    return await sql<Message[]>`select role, content from message where conversation = ${conversation} order by id`;
  };
  const record = async (conversation: string, role: Message['role'], content: string): Promise<void> => {
    const turn = DBOS.workflowID ?? '';
    // A step that was interrupted runs again.
    await sql`insert into message (conversation, turn, role, content)
      values (${conversation}, ${turn}, ${role}, ${content}) on conflict do nothing`;
  };
  const turn = DBOS.registerWorkflow(
    async (conversation: string, text: string): Promise<string> => {
      await DBOS.runStep(() => record(conversation, 'user', text), { name: 'question' });
      const ask = async () => await askModel(modelUrl, await readMessages(conversation));
      const reply = await DBOS.runStep(ask, { name: 'model' });
      await DBOS.runStep(() => record(conversation, 'assistant', reply), { name: 'reply' });
      return reply;
    },
    { name: 'turn' },
  );
  DBOS.setConfig({
    name: 'bench',
    systemDatabaseUrl: `postgresql://${username}@127.0.0.1:${port}/dbos`,
    logLevel: 'error',
  });
  await DBOS.launch();
  return {
    create: async () => {
      const id = randomUUID();
      await sql`insert into conversation (id) values (${id})`;
      return id;
    },
    send: (id, text) => turn(id, text),
    pids: { application: [], servers: [server.pid] },
    close: async () => {
      await DBOS.shutdown();
      await sql.end();
      await server.stop();
    },
  };
});
