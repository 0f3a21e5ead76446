/** Starting, sharing, killing and restarting a real Temporal server. Needs a server program or a way to get one. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { CopilotClient } from '../../src/client.ts';
import type { Config } from '../../src/config.ts';
import { packageDir } from '../../src/package-info.ts';
import { copilotStatus, copilotUpdatedAt, SEARCH_ATTRIBUTES } from '../../src/contracts/search-attributes.ts';
import { ensureServer, type RunningServer } from '../../src/server/ensure-server.ts';
import { prepareNamespace } from '../../src/server/namespace.ts';
import { findServerProgram } from '../../src/server/program.ts';
import { isAlive } from '../../src/connection/address/home-server.ts';
import { isolatedConfig, killProcess, startTestServer, temporaryFolder, untilGone } from '../helpers/server.ts';
import { freePort } from '../helpers/ports.ts';
import { itInFull } from '../helpers/full.ts';
import { startWorkerProcess } from '../helpers/worker.ts';

const DAY_SECONDS = 24 * 60 * 60;

describe('a server of our own', function () {
  this.timeout(120_000);
  const cleanUp: (() => Promise<unknown>)[] = [];
  let home: string;
  let config: Config;

  beforeEach(async () => {
    home = await temporaryFolder();
    config = isolatedConfig(home);
    cleanUp.push(() => rm(home, { recursive: true, force: true }));
  });
  afterEach(async () => {
    for (const undo of cleanUp.splice(0).reverse()) await undo();
  });

  async function start(options: Parameters<typeof ensureServer>[1] = {}, from = config): Promise<RunningServer> {
    const server = await ensureServer(from, options);
    cleanUp.push(() => server.stop());
    return server;
  }
  async function connectTo(address: string): Promise<Connection> {
    const connection = await Connection.connect({ address });
    cleanUp.push(() => connection.close());
    return connection;
  }

  it('has everything that it had when it is started again after SIGKILL', async () => {
    const server = await startTestServer();
    cleanUp.push(() => server.stop());
    const before = new Client({ connection: await connectTo(server.address) });
    const { firstExecutionRunId } = await before.workflow.start('anything', {
      workflowId: 'kept',
      taskQueue: 'nobody',
      args: ['kept, too'],
      typedSearchAttributes: [
        { key: copilotStatus, value: 'active' },
        { key: copilotUpdatedAt, value: new Date('2026-11-21T00:00:00Z') },
      ],
    });
    await server.kill();
    assert.equal(await journalMode(join(server.homeDir, 'temporal.db')), 'wal');
    await server.restart();

    const after = new Client({ connection: await connectTo(server.address) });
    const found = await after.workflow.getHandle('kept').describe();
    assert.equal(found.runId, firstExecutionRunId);
    assert.equal(found.status.name, 'RUNNING');
    const listed = [];
    for await (const workflow of after.workflow.list({ query: 'CopilotStatus = "active"' }))
      listed.push(workflow.workflowId);
    assert.deepEqual(listed, ['kept']);
  });

  it('answers at its addresses, keeps closed sessions for 10 years, and is gone after stop', async () => {
    const server = await start();
    assert.equal(server.started, true);
    assert.equal(server.namespace, 'default');
    assert.match(await (await fetch(server.uiUrl ?? '')).text(), /<html/i);
    const { config: kept } = await (
      await connectTo(server.address)
    ).workflowService.describeNamespace({ namespace: 'default' });
    assert.equal(Number(kept?.workflowExecutionRetentionTtl?.seconds), 3_653 * DAY_SECONDS);
    const record: unknown = JSON.parse(await readFile(join(home, 'server.json'), 'utf8'));
    assert.equal((record as { pid: unknown }).pid, server.pid); // the file's form is ours

    await Promise.all([server.stop(), server.stop()]);
    assert.ok(server.pid !== undefined && !isAlive(server.pid));
    await assert.rejects(access(join(home, 'server.json')));
  });

  it('is shared by every later call in the same home, and stop there leaves it alone', async () => {
    const first = await start();
    const second = await start();
    assert.deepEqual(
      { address: second.address, uiUrl: second.uiUrl, pid: second.pid, started: second.started },
      { address: first.address, uiUrl: first.uiUrl, pid: first.pid, started: false },
    );
    await second.stop();
    await connectTo(first.address);
    await assert.rejects(ensureServer(config, { reuse: false }), /has .*temporal\.db open.*Three ways out/);
  });

  it('is one when two processes start it at the same time', async () => {
    const processes = [run(config, '{ detached: true }'), run(config, '{ detached: true }')];
    cleanUp.push(...processes.map((child) => () => end(child)));
    const [a, b] = await Promise.all(processes.map(firstLine));
    assert.ok(a !== undefined && b !== undefined);
    cleanUp.push(() => killProcess(a.pid));
    assert.equal(a.pid, b.pid);
    assert.equal(a.address, b.address);
    assert.deepEqual([a.started, b.started].sort(), [false, true]);
  });

  it('is replaced by a new one when its record is stale or broken', async () => {
    const killed = await start();
    assert.ok(killed.pid !== undefined);
    await killProcess(killed.pid);
    const next = await start();
    assert.equal(next.started, true);
    assert.notEqual(next.pid, killed.pid);
    await next.stop();
    await writeFile(join(home, 'server.json'), '{"address": 1');
    assert.equal((await start()).started, true);
  });

  it('takes other ports where the usual ones are in use, next to a second server', async () => {
    const other = await temporaryFolder();
    cleanUp.push(() => rm(other, { recursive: true, force: true }));
    const [a, b] = await Promise.all([start(), start({}, isolatedConfig(other))]);
    assert.notEqual(a.address, b.address);
    assert.notEqual(a.uiUrl, b.uiUrl);
    assert.notEqual(a.pid, b.pid);
    await Promise.all([connectTo(a.address), connectTo(b.address)]);
    const port = Number(a.address.split(':').at(-1));
    const third = ensureServer(isolatedConfig(join(other, 'third')), { port });
    await assert.rejects(third, new RegExp(`Port ${port} .*in use.*Three ways out`));
  });

  itInFull('is used, not stopped, when TEMPORAL_ADDRESS names it', async () => {
    const server = await start();
    const named = isolatedConfig(join(home, 'other'), {
      TEMPORAL_ADDRESS: server.address,
      TEMPORAL_NAMESPACE: 'default',
    });
    const used = await ensureServer(named);
    assert.deepEqual([used.address, used.started, used.pid, used.uiUrl], [server.address, false, undefined, undefined]);
    await used.stop();
    await connectTo(server.address);
  });

  it('ends when the program that started it is killed', async () => {
    const parent = run(config, '{}');
    cleanUp.push(() => end(parent));
    const { pid } = await firstLine(parent);
    assert.ok(isAlive(pid));
    parent.kill('SIGKILL');
    await untilGone(pid);
  });

  it('goes on without the program that started it when it was started detached', async () => {
    const parent = run(config, '{ detached: true }');
    cleanUp.push(() => end(parent));
    const { pid, address } = await firstLine(parent);
    cleanUp.push(() => killProcess(pid));
    await end(parent);
    await sleep(1_000);
    const found = await start();
    assert.deepEqual([found.pid, found.address, found.started], [pid, address, false]);
  });

  it('tells what its log said when it cannot open its database', async () => {
    const dbFile = join(home, 'broken.db');
    await writeFile(dbFile, 'this is no database '.repeat(500));
    await assert.rejects(
      ensureServer(config, { dbFile }),
      /ended while it was starting.*Last lines of .*not a database.*Three ways out/s,
    );
    await assert.rejects(access(join(home, 'server.json')));
  });

  it("that is somebody else's, with Temporal's own settings, deletes open sessions at once, several at a time, too", async () => {
    const { address } = await plainServer(config, home, cleanUp);
    const worker = await startWorkerProcess({ address, homeDir: home });
    cleanUp.push(() => worker.kill());
    const client = await CopilotClient.connect({ config, address });
    cleanUp.push(() => client.close());
    const sessions = await Promise.all(Array.from({ length: 4 }, () => client.create({ user: 'ada' })));
    // Temporal deletes closed workflows a minute or more after their end, one after the other.
    const signal = AbortSignal.timeout(30_000);
    await Promise.all(sessions.map((session) => session.delete({ signal })));
    assert.deepEqual((await client.list({ user: 'ada' })).sessions, []);
  });

  it("that is somebody else's gets the search attributes, any number of times, and a warning for its retention", async () => {
    const { address } = await plainServer(config, home, cleanUp);
    const connection = await connectTo(address);
    const results = await Promise.all([
      prepareNamespace(connection, 'default'),
      prepareNamespace(connection, 'default'),
    ]);
    results.push(await prepareNamespace(connection, 'default'));
    for (const { warnings } of results) {
      assert.equal(warnings.length, 1, warnings.join('\n'));
      assert.match(
        warnings[0] ?? '',
        /forgets a closed session after 1 days.*temporal operator namespace update .*--retention 87672h/,
      );
    }
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    assert.deepEqual(
      SEARCH_ATTRIBUTES.filter(({ name }) => customAttributes?.[name] === undefined),
      [],
    );
    await new Client({ connection }).workflow.start('anything', {
      workflowId: 'w',
      taskQueue: 'nobody',
      typedSearchAttributes: [{ key: copilotStatus, value: 'active' }],
    });
  });

  it('that refuses search attributes gives a warning with the commands to run', async () => {
    const server = await start();
    const connection = await connectTo(server.address);
    const { warnings } = await prepareNamespace(connection, 'not-there');
    const target = `temporal operator search-attribute create --address ${server.address} --namespace not-there`;
    assert.ok(warnings[0]?.includes(`${target} --type Keyword --name CopilotStatus --name CopilotMode`), warnings[0]);
    assert.ok(warnings[0]?.includes(`${target} --type Datetime --name CopilotUpdatedAt`), warnings[0]);
    assert.deepEqual((await prepareNamespace(connection, 'default')).warnings, []);
  });

  it('gets a namespace that the profile names', async () => {
    const server = await start({}, isolatedConfig(home, { TEMPORAL_NAMESPACE: 'team' }));
    assert.equal(server.namespace, 'team');
    const shared = await start({}, isolatedConfig(home, { TEMPORAL_NAMESPACE: 'another' }));
    assert.deepEqual([shared.pid, shared.namespace, shared.started], [server.pid, 'another', false]);
    const connection = await connectTo(server.address);
    for (const namespace of ['team', 'another']) {
      assert.deepEqual((await prepareNamespace(connection, namespace)).warnings, []);
      await new Client({ connection, namespace }).workflow.start('anything', {
        workflowId: 'w',
        taskQueue: 'nobody',
        typedSearchAttributes: [{ key: copilotStatus, value: 'active' }],
      });
    }
  });
});

interface Reported {
  readonly address: string;
  readonly pid: number;
  readonly started: boolean;
}

/** A program of its own that ensures a server, prints it, and stays. */
function run(config: Config, options: string): ChildProcess {
  const from = (file: string): string => JSON.stringify(pathToFileURL(join(packageDir, file)).href);
  const code = `
    const { ensureServer } = await import(${from('src/server/ensure-server.ts')});
    const { loadConfig } = await import(${from('src/config.ts')});
    const { address, pid, started } = await ensureServer(loadConfig(), ${options});
    console.log(JSON.stringify({ address, pid, started }));
    setInterval(() => undefined, 60_000);`;
  return spawn(process.execPath, ['--input-type=module', '-e', code], {
    cwd: packageDir,
    env: { ...config.temporal.environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function firstLine(child: ChildProcess): Promise<Reported> {
  assert.ok(child.stdout);
  let text = '';
  for await (const part of child.stdout) {
    text += String(part);
    if (text.includes('\n')) break;
  }
  return JSON.parse(text) as Reported; // printed by `run`
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** A server as anyone would start it, that knows nothing of this program. */
async function plainServer(
  config: Config,
  home: string,
  cleanUp: (() => Promise<unknown>)[],
): Promise<{ address: string }> {
  const port = await freePort();
  const program = await findServerProgram(config, () => undefined);
  const flags = ['--headless', '--ip', '127.0.0.1', '--port', String(port), '--db-filename', join(home, 'plain.db')];
  const child = spawn(program, ['server', 'start-dev', ...flags], { stdio: 'ignore' });
  cleanUp.push(() => end(child));
  const address = `127.0.0.1:${port}`;
  for (;;) {
    try {
      await (await Connection.connect({ address, connectTimeout: 500 })).close();
      return { address };
    } catch {
      await sleep(50);
    }
  }
}

/** From the file's header, https://www.sqlite.org/fileformat.html#file_format_version_numbers */
async function journalMode(dbFile: string): Promise<'wal' | 'rollback'> {
  const file = await open(dbFile);
  try {
    const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 18);
    return buffer[0] === 2 && buffer[1] === 2 ? 'wal' : 'rollback';
  } finally {
    await file.close();
  }
}
