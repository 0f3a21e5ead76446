/** LangGraph: a graph of one node over the state of messages. The variant is the store of its checkpoints. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AIMessage, type BaseMessage, HumanMessage, SystemMessage } from '@langchain/core/messages';
import { END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint';
import { PostgresSaver } from '@langchain/langgraph-checkpoint-postgres';
import { SqliteSaver } from '@langchain/langgraph-checkpoint-sqlite';
import { startPostgres } from '../../../test/helpers/postgres.ts';
import { servePeer } from '../driver.ts';
import { askModel, type Message } from '../../ask-model.ts';

interface Store {
  readonly checkpointer: BaseCheckpointSaver;
  readonly servers: readonly number[];
  close(): Promise<void>;
}

const ROLES: Record<string, Message['role']> = { system: 'system', human: 'user', ai: 'assistant' };

await servePeer(async (modelUrl, variant) => {
  const store = variant === 'sqlite' ? await openSqlite() : await openPostgres();
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('answer', async ({ messages }) => ({
      messages: [new AIMessage(await askModel(modelUrl, messages.map(toMessage)))],
    }))
    .addEdge(START, 'answer')
    .addEdge('answer', END)
    .compile({ checkpointer: store.checkpointer });
  const configOf = (id: string) => ({ configurable: { thread_id: id } });
  return {
    create: async () => {
      const id = randomUUID();
      // A thread exists with its first checkpoint.
      await graph.updateState(configOf(id), { messages: [new SystemMessage('Answer.')] }, START);
      return id;
    },
    send: async (id, text) => {
      const { messages } = await graph.invoke({ messages: [new HumanMessage(text)] }, configOf(id));
      return messages.at(-1)?.text ?? '';
    },
    pids: { application: [], servers: store.servers },
    close: () => store.close(),
  };
});

function toMessage(message: BaseMessage): Message {
  return { role: ROLES[message.getType()] ?? 'user', content: message.text };
}

async function openSqlite(): Promise<Store> {
  const folder = await mkdtemp(join(tmpdir(), 'copilot-langgraph-'));
  const checkpointer = SqliteSaver.fromConnString(join(folder, 'checkpoints.db'));
  // As the other stores do. The default of better-sqlite3 in WAL mode does not wait for the disk.
  checkpointer.db.pragma('synchronous = FULL');
  return {
    checkpointer,
    servers: [],
    close: async () => {
      checkpointer.db.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function openPostgres(): Promise<Store> {
  const server = await startPostgres('bench', []);
  const checkpointer = PostgresSaver.fromConnString(`postgresql://${server.user}@127.0.0.1:${server.port}/postgres`);
  await checkpointer.setup();
  return {
    checkpointer,
    servers: [server.pid],
    close: async () => {
      await checkpointer.end();
      await server.stop();
    },
  };
}
