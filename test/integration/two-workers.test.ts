/** Two workers in the process of a service: different task queues, namespaces, homes, teams and providers, given as objects. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { z } from 'zod';
import { CopilotClient, type CopilotError } from '../../src/client.ts';
import type { ModelReply, Provider } from '../../src/models/index.ts';
import { keepClosedSessions } from '../../src/server/namespace.ts';
import { openConnection } from '../../src/connection/open-connection.ts';
import { findServer } from '../../src/connection/address/server-address.ts';
import {
  copilotPlugin,
  defineTool,
  type ObjectStore,
  type RunningWorker,
  startWorker,
  type WorkerOptions,
} from '../../src/worker.ts';
import { packageDir } from '../../src/package-info.ts';
import { itInFull } from '../helpers/full.ts';
import type { askElsewhere } from '../helpers/service/workflows.ts';
import { writeTeam } from '../helpers/own-team.ts';
import { isolatedConfig, startTestServer, temporaryFolder, type TestServer } from '../helpers/server.ts';

/** A provider that calls the first tool on offer, once, and then says what it gave. */
function ownProvider(name: string): Provider {
  const usage = {
    inputTokens: 1,
    cachedTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 1,
    reasoningTokens: 0,
    isEstimate: false,
  };
  const said = (text: string): ModelReply => ({
    text,
    reasoning: '',
    toolCalls: [],
    finish: 'stop',
    usage,
    model: name,
  });
  return {
    name,
    model: (id) => ({
      id: `${name}/${id}`,
      reply: ({ messages, tools = [] }) => {
        const last = messages.at(-1);
        const tool = tools.find((one) => one.name === 'whoami');
        if (last?.role === 'tool') return Promise.resolve(said(`${name} says ${last.text}`));
        if (tool === undefined) return Promise.resolve(said(`${name} has no tool`));
        const call = { id: 'call-1', name: tool.name, arguments: '{}' };
        return Promise.resolve({ ...said(''), toolCalls: [call], finish: 'tool_calls' as const });
      },
    }),
    close: () => Promise.resolve(),
  };
}

function ownTool(answer: string) {
  return defineTool({
    name: 'whoami',
    description: 'Says who this is.',
    parameters: z.object({}),
    category: 'read',
    effects: 'none',
    run: () => answer,
  });
}

/** A store of a service's own. */
function memoryStore(place: string): ObjectStore & { readonly files: Map<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>();
  return {
    place,
    files,
    has: (key) => Promise.resolve(files.has(key)),
    put: (key, bytes) => Promise.resolve(void files.set(key, bytes)),
    get: (key) => Promise.resolve(files.get(key)),
    remove: (key) => Promise.resolve(void files.delete(key)),
    removeAll: (prefix) => {
      for (const key of files.keys()) if (key.startsWith(prefix)) files.delete(key);
      return Promise.resolve();
    },
  };
}

describe('[E03] two workers in one process', function () {
  this.timeout(180_000);
  let server: TestServer;
  const workers: RunningWorker[] = [];
  const clients: CopilotClient[] = [];
  const homes: string[] = [];
  let connection: NativeConnection;
  let runtime: Runtime;

  before(async () => {
    server = await startTestServer();
    // The service's own; a worker of ours must not replace it.
    runtime = Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
    connection = await NativeConnection.connect({ address: server.address });
    const config = isolatedConfig(server.homeDir);
    const plain = await openConnection(await findServer(config, { address: server.address }));
    await keepClosedSessions(plain, 'elsewhere');
    await plain.close();
  });
  after(async () => {
    for (const client of clients) await client.close();
    for (const worker of workers) await worker.stop();
    await connection.close();
    await server.stop();
    for (const home of homes) await rm(home, { recursive: true, force: true });
  });

  async function host(name: string, namespace: string, more: WorkerOptions = {}) {
    const homeDir = await temporaryFolder();
    homes.push(homeDir);
    const agentsDir = join(homeDir, 'teams');
    await writeTeam(agentsDir, name, { agents: { writer: { tools: ['whoami', 'write_file'] } } });
    const config = isolatedConfig(server.homeDir, { COPILOT_LOG_LEVEL: 'error', COPILOT_TASK_QUEUE: name });
    const worker = await startWorker({
      config,
      connection,
      namespace,
      homeDir,
      teams: agentsDir,
      maxOpenSessions: 50,
      tools: [ownTool(`${name} in ${namespace}`)],
      providers: { own: ownProvider(name) },
      defaultProvider: 'own',
      ...more,
    });
    workers.push(worker);
    const { payloadStore } = more;
    const client = await CopilotClient.connect({
      config: { ...config, ...(payloadStore === undefined ? {} : { payloadStore }) },
      address: server.address,
      namespace,
    });
    clients.push(client);
    return { worker, client, homeDir };
  }

  it('serve sessions side by side, each with its own task queue, namespace, home, team, tool and provider', async () => {
    const listeners = process.eventNames().map((event) => [event, process.listenerCount(event)]);
    const environment = { ...process.env };
    const first = await host('first', 'default');
    const second = await host('second', 'elsewhere');
    assert.equal(Runtime.instance(), runtime);
    assert.notEqual(first.worker.identity, second.worker.identity);
    assert.deepEqual([first.worker.model, second.worker.model], ['own', 'own']);
    const replies = await Promise.all(
      [first, second].map(async ({ client }, index) => {
        const session = await client.create({ team: index === 0 ? 'first' : 'second', mode: 'one-shot' });
        const turn = await session.send('Who are you?');
        await session.complete();
        return turn.reply;
      }),
    );
    assert.deepEqual(replies, ['first says first in default', 'second says second in elsewhere']);
    await assert.rejects(first.client.create({ team: 'second' }), { type: 'TeamNotFound' });
    for (const { homeDir } of [first, second]) assert.ok(existsSync(join(homeDir, 'archive')), homeDir);
    // Connections that are the service's own stay open, and the other worker goes on.
    await first.worker.stop();
    const session = await second.client.create({ team: 'second', mode: 'one-shot' });
    assert.equal((await session.send('Still there?')).reply, 'second says second in elsewhere');
    assert.deepEqual(
      process.eventNames().map((event) => [event, process.listenerCount(event)]),
      listeners,
    );
    assert.deepEqual({ ...process.env }, environment);
  });

  it('[E10] take an archive and a payload store as objects', async () => {
    const archive = memoryStore('the archive of a test');
    const payloadStore = memoryStore('the payloads of a test');
    const { client, homeDir } = await host('stored', 'default', { archive, payloadStore });
    const session = await client.create({ team: 'stored', mode: 'one-shot' });
    // Long enough to be stored, and not written into the history.
    await session.send(`Who are you? ${'x'.repeat(200_000)}`);
    await session.complete();
    assert.deepEqual([...archive.files.keys()], [`${session.id}.json`]);
    assert.ok(payloadStore.files.size > 0);
    for (const key of payloadStore.files.keys()) assert.match(key, new RegExp(`/wi/${session.id}/`));
    assert.equal((await session.transcript()).messages.length, 2);
    assert.ok(!existsSync(join(homeDir, 'archive')));
    const exported = await client.archived(session.id);
    assert.equal(exported.session.id, session.id);
    await session.delete();
    assert.equal(archive.files.size, 0);
    assert.deepEqual(
      [...payloadStore.files.keys()].filter((key) => key.includes(session.id)),
      [],
    );
  });

  it('[E05] host the session of a workflow whose own worker knows nothing of sessions', async () => {
    await host('third', 'default');
    const workflowsPath = join(packageDir, 'test/helpers/service/workflows.ts');
    const worker = await Worker.create({ connection, taskQueue: 'plain', workflowsPath });
    const reply = await worker.runUntil(
      new Client({ connection }).workflow.execute<typeof askElsewhere>('askElsewhere', {
        taskQueue: 'plain',
        workflowId: 'ask-elsewhere',
        args: ['third'],
      }),
    );
    assert.equal(reply, 'third says third in default, completed');
  });

  itInFull('end with the error if something cannot be opened, and let their connection go', async () => {
    const own = await NativeConnection.connect({ address: server.address });
    const options = {
      config: isolatedConfig(server.homeDir, { COPILOT_LOG_LEVEL: 'silent' }),
      defaultProvider: 'none',
    };
    const problem = {
      type: 'InvalidInput',
      message: /^defaultProvider \("none"\) is not valid: there is no such provider/,
    };
    await assert.rejects(startWorker({ ...options, connection: own }), problem);
    const both = startWorker({ connection: own, apiKey: 'key' });
    await assert.rejects(both, { type: 'InvalidInput', message: /^connection is not valid: apiKey is given too/ });
    const wrong: [WorkerOptions, CopilotError['type'], RegExp][] = [
      [{ taskQueue: '' }, 'InvalidInput', /^taskQueue \(""\) is not valid: it is empty/],
      [{ maxOpenSessions: 1.5 }, 'InvalidInput', /^maxOpenSessions \(1\.5\) is not valid/],
      [
        { providers: { a: { baseUrl: 'ftp://x' } } },
        'InvalidInput',
        /^providers\.a\.baseUrl is not valid: it is a URL/,
      ],
      [{ maxOpenSessions: 0 }, 'InvalidInput', /^maxOpenSessions \(0\) is not valid/],
      [{ namespace: 'nope' }, 'InvalidConfig', /^TEMPORAL_NAMESPACE=nope is not valid: the server at .* has no such/],
    ];
    for (const [given, type, message] of wrong) {
      await assert.rejects(startWorker({ config: options.config, connection: own, ...given }), { type, message });
    }
    const worker = await Worker.create({ connection: own, taskQueue: 'in-vain', plugins: [copilotPlugin(options)] });
    await assert.rejects(worker.run(), problem);
    await own.close();
  });
});
