/** How a program says which server it means: an open connection or client of Temporal's, or address, TLS and key. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import { Client, Connection, type WorkflowClientInterceptor } from '@temporalio/client';
import { type ConnectOptions, CopilotClient } from '../../src/client.ts';
import { createDataConverter } from '../../src/storage/data-converter.ts';
import { fails } from '../helpers/client.ts';
import { isolatedConfig, temporaryFolder } from '../helpers/server.ts';
import { playTeam } from '../helpers/team-script.ts';
import { Certificates, startRefusingServer, startTlsProxy } from '../helpers/tls-proxy.ts';
import { startWorld, type World } from '../helpers/world.ts';

const KEYS = `test:${Buffer.alloc(32, 7).toString('base64')}`;

describe('[E10] a client takes', function () {
  this.timeout(120_000);
  let world: World;
  let folder: string;
  let config: ReturnType<typeof isolatedConfig>;

  before(async () => {
    world = await startWorld({ env: { COPILOT_ENCRYPTION_KEYS: KEYS } });
    playTeam(world.model, { answer: 'hello' });
    folder = await temporaryFolder();
    // A home folder without a server, and an environment that names none.
    config = isolatedConfig(folder, { COPILOT_ENCRYPTION_KEYS: KEYS });
  });
  after(async () => {
    await world.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Connects, has a session answer, and closes the client. */
  async function talks(options: ConnectOptions): Promise<void> {
    const copilot = await CopilotClient.connect({ config, ...options });
    const session = await copilot.create({ mode: 'one-shot' });
    assert.equal((await session.send('Hi')).reply, 'hello');
    await copilot.close();
    await fails(session.info(), 'InvalidInput', /its client is closed; connect another/);
  }

  it('no proxy to the server: the variables of proxies are for models', async () => {
    const names = ['http_proxy', 'https_proxy'] as const;
    const before = names.map((name) => process.env[name]);
    for (const name of names) process.env[name] = 'http://127.0.0.1:1';
    try {
      await talks({ address: world.server.address });
    } finally {
      for (const [index, name] of names.entries()) {
        const value = before[index];
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  });

  it('an open connection, which it leaves open', async () => {
    const connection = await Connection.connect({ address: world.server.address });
    await talks({ connection });
    await talks({ connection, namespace: 'default' });
    const there = await CopilotClient.connect({ config, connection });
    assert.deepEqual([there.address, there.namespace, there.guess], [world.server.address, 'default', undefined]);
    const waiting = fails(there.session('none').info(), 'InvalidInput', /its client is closed/);
    await there.close();
    await waiting;
    assert.ok((await connection.workflowService.getSystemInfo({})).serverVersion);
    await connection.close();
  });

  it('a client with its interceptors, and its data converter if it has one', async () => {
    const connection = await Connection.connect({ address: world.server.address });
    const started: string[] = [];
    const interceptor: WorkflowClientInterceptor = {
      startWithDetails: async (input, next) => {
        started.push(input.workflowType);
        return await next(input);
      },
    };
    const interceptors = { workflow: [interceptor] };
    await talks({ client: new Client({ connection, interceptors }) });
    assert.ok(started.includes('copilotSession'), started.join());

    // The keys are in the converter alone.
    const dataConverter = createDataConverter(config);
    const keyless = isolatedConfig(folder);
    await talks({ config: keyless, client: new Client({ connection, dataConverter }) });
    await talks({ config: keyless, connection, dataConverter });
    const elsewhere = new Client({ connection, namespace: 'nowhere' });
    const lost = await CopilotClient.connect({ config, client: elsewhere });
    assert.equal(lost.namespace, 'nowhere');
    await fails(lost.session('any').info(), 'InvalidConfig', /nowhere/);
    await lost.close();
    await connection.close();
  });

  it('no two ways to one server at once', async () => {
    const connection = Connection.lazy({ address: world.server.address });
    await fails(
      CopilotClient.connect({ config, connection, address: 'localhost:1' }),
      'InvalidInput',
      /connection.*address is given too.*leave one of them out/,
    );
    await connection.close();
  });

  it('address, TLS and API key, and names them if the server refuses them', async () => {
    const certificates = new Certificates(folder);
    certificates.authority('ca');
    certificates.authority('other');
    certificates.issue('server');
    const proxy = await startTlsProxy(world.server.address, certificates.options('server'));
    const refusing = await startRefusingServer(certificates.options('server'), status.UNAUTHENTICATED, 'who are you?');
    const tls = { serverRootCACertificate: readFileSync(certificates.pem('ca')) };
    await talks({ address: proxy.address, tls, apiKey: 'any' });
    const wrong = { serverRootCACertificate: readFileSync(certificates.pem('other')) };
    await fails(
      CopilotClient.connect({ config, address: proxy.address, tls: wrong }),
      'WrongConnection',
      /^tls\.serverRootCACertificate=\(given as data\) does not fit .* no authority in it has signed/,
    );
    await fails(
      CopilotClient.connect({ config, address: refusing.address, tls, apiKey: 'secret-key' }),
      'WrongConnection',
      /^apiKey=\(hidden\) does not fit .* the server refuses it \(who are you\?\)/,
    );
    await Promise.all([proxy.close(), refusing.close()]);
  });
});
