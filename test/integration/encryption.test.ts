/** Sessions whose payloads are encrypted: what the server's database shows, who can read, and what happens without a key. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CopilotClient } from '../../src/client.ts';
import type { SessionExport, SessionHandle } from '../../src/client.ts';
import { findServerProgram } from '../../src/server/program.ts';
import { type CodecServer, startCodecServer } from '../../src/storage/codec-server.ts';
import { runCli, startCli } from '../helpers/cli.ts';
import { collect, fails, isTurnEnd, screen } from '../helpers/client.ts';
import { itInFull } from '../helpers/full.ts';
import { until } from '../helpers/history.ts';
import { isolatedConfig } from '../helpers/server.ts';
import { found, payloadsIn, play, type Secrets, secretsOfSession } from '../helpers/secrets.ts';
import { programEnvironment, type WorkerProcess } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';
import { freePort } from '../helpers/ports.ts';

const newKey = (): string => randomBytes(32).toString('base64');
const FIRST = `first:${newKey()}`;
const SECOND = `second:${newKey()}`;
const OTHER_FIRST = `first:${newKey()}`;

describe('encryption', function () {
  this.timeout(240_000);
  let world: World;
  let store: string;
  let keyed: Record<string, string>;
  let worker: WorkerProcess;
  let client: CopilotClient;

  before(async () => {
    world = await startWorld({ workers: 0 });
    store = join(world.server.homeDir, 'payloads');
    await mkdir(store);
    keyed = { COPILOT_ENCRYPTION_KEYS: FIRST, COPILOT_PAYLOAD_STORE: store };
    worker = await world.startWorker(keyed);
    client = await connect(keyed);
  });
  after(async () => {
    await client?.close();
    await world?.stop();
  });

  async function connect(env: Record<string, string>): Promise<CopilotClient> {
    const { server } = world;
    return await CopilotClient.connect({
      config: isolatedConfig(server.homeDir, env),
      address: server.address,
      retryForMs: 15_000,
    });
  }

  /** A session with a plan, tools that work and fail, streamed text, a failed turn, and a second run. */
  async function lived(through: CopilotClient, words: Secrets): Promise<SessionHandle> {
    play(world.model, words);
    const folder = await mkdtemp(join(world.server.homeDir, 'attached-'));
    await writeFile(join(folder, 'data.txt'), `${words.toolOutput}\n`);
    const session = await through.create({
      attach: [join(folder, 'data.txt')],
      // Large enough for the payload store.
      context: { [`${words.context}key`]: `${words.context} ${'x'.repeat(140_000)}` },
      config: { historyLimit: 50 },
    });
    await session.setContext('more', words.context);
    const turn = await session.send(words.message);
    assert.equal(turn.status, 'completed', JSON.stringify(turn.error));
    assert.match(turn.reply, new RegExp(words.answer));
    const failed = await session.send(words.error);
    assert.equal(failed.status, 'failed');
    assert.match(failed.error?.message ?? '', new RegExp(words.error));
    await session.suspend({ reason: words.reason });
    await session.continue();
    await session.send(words.correction);
    return session;
  }

  /** Everything that the server has written to its database, and what lies in the payload store. */
  async function databaseBytes(): Promise<Buffer> {
    const names = (await readdir(world.server.homeDir)).filter((name) => /^(temporal\.db|server\.log)/.test(name));
    assert.ok(names.includes('temporal.db') && names.includes('temporal.db-wal'), names.join());
    return Buffer.concat(await Promise.all(names.map((name) => readFile(join(world.server.homeDir, name)))));
  }

  async function storeBytes(): Promise<Buffer> {
    const entries = await readdir(store, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    assert.ok(files.length > 0, 'nothing is in the payload store');
    return Buffer.concat(await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name)))));
  }

  it('[R09] encryption on: no plain text of message, context or tool output in the server’s database; Web UI and CLI read through the codec server; a wrong key is a clear error; keys rotate', async () => {
    const words = secretsOfSession();
    const session = await lived(client, words);
    const other = await client.create({ mode: 'one-shot', message: words.message });
    assert.equal((await other.awaitTurn('turn-1')).status, 'completed');
    for (const { name } of [await session.info(), await other.info()]) assert.match(name, /^[a-z-]+_\d{8}_\d{6}$/);
    const [database, stored] = [await databaseBytes(), await storeBytes()];
    assert.deepEqual(found(database, words), []);
    assert.deepEqual(found(stored, words), []);
    await readersSee(session, words);
    await wrongKeysAreTold(session);
    await keysRotate(session, words);
    assert.deepEqual(found(await databaseBytes(), words), []);
  });

  it('a title that a message gave does not come with an import, and a name that a person gave does', async () => {
    const words = secretsOfSession();
    play(world.model, words);
    const session = await client.create({ mode: 'one-shot', message: words.message });
    assert.equal((await session.awaitTurn('turn-1')).status, 'completed');
    const file = JSON.parse(JSON.stringify(await session.export())) as SessionExport;
    const named = (name: string): SessionExport => ({ ...file, session: { ...file.session, name } });
    // As a program without a key names it.
    const imported = await client.import(named(words.message));
    assert.match((await imported.info()).name, /^one-shot_\d{8}_\d{6}$/);
    assert.equal((await (await client.import(named('Quarterly report'))).info()).name, 'Quarterly report');
    assert.deepEqual(found(await databaseBytes(), words), []);
  });

  async function readersSee(session: SessionHandle, words: Secrets): Promise<void> {
    const { conversation } = await session.transcript().then((page) => ({ conversation: JSON.stringify(page) }));
    assert.ok(conversation.includes(words.message) && conversation.includes(words.answer), conversation);
    const shown = await runCli(['transcript', session.id], programEnvironment(world.server, keyed));
    assert.equal(shown.code, 0, shown.stderr);
    assert.ok(shown.stdout.includes(words.answer), shown.stdout);
    const replayed = await runCli(['replay', session.id], programEnvironment(world.server, keyed));
    assert.equal(replayed.code, 0, replayed.stdout + replayed.stderr);
    const blind = await runCli(['replay', session.id], programEnvironment(world.server));
    assert.equal(blind.code, 2, blind.stdout);
    assert.match(blind.stderr, /key "first" is needed to read this, and none is set/);
    const all = await runCli(['replay', '--all'], programEnvironment(world.server, { COPILOT_PAYLOAD_STORE: store }));
    assert.deepEqual([all.code, all.stdout.includes(session.id)], [1, true], all.stderr);
    assert.match(all.stdout, /key \\*"first\\*" is needed to read this/);
    const listed = await client.list();
    assert.ok(listed.sessions.some(({ id }) => id === session.id));
    const codec = await startCodecServer(isolatedConfig(world.server.homeDir, keyed), {
      origins: [world.server.uiUrl],
      token: 'open sesame',
    });
    try {
      await temporalReads(codec, session, words);
      await webUiReads(codec, session, words);
    } finally {
      await codec.close();
    }
  }

  /** With Temporal's own command. */
  async function temporalReads({ url }: CodecServer, session: SessionHandle, words: Secrets): Promise<void> {
    const show = async (...flags: string[]): Promise<string> => {
      const program = await findServerProgram(isolatedConfig(world.server.homeDir), () => undefined);
      const runId = await firstRunId(session);
      const args = ['workflow', 'show', '--workflow-id', session.id, '--run-id', runId, '--output', 'json'];
      const env = { HOME: world.server.homeDir, TEMPORAL_ADDRESS: world.server.address };
      const { stdout } = await promisify(execFile)(program, [...args, ...flags], { env, maxBuffer: 2 ** 28 });
      return stdout;
    };
    assert.deepEqual(found(Buffer.from(await show()), words), []);
    const shown = await show('--codec-endpoint', url, '--codec-auth', 'Bearer open sesame');
    const early = ['message', 'context', 'step', 'path', 'argument', 'toolOutput', 'toolError', 'report'];
    assert.deepEqual(found(Buffer.from(shown), words).slice(0, early.length), early);
  }

  async function firstRunId(session: SessionHandle): Promise<string> {
    const handle = world.temporal.workflow.getHandle(session.id);
    const { events } = await handle.fetchHistory();
    return events?.[0]?.workflowExecutionStartedEventAttributes?.firstExecutionRunId ?? '';
  }

  /** As a browser asks: with the page's origin, after a preflight. */
  async function webUiReads({ url }: CodecServer, session: SessionHandle, words: Secrets): Promise<void> {
    const runId = await firstRunId(session);
    const history = await fetch(
      `${world.server.uiUrl}/api/v1/namespaces/default/workflows/${session.id}/history?execution.runId=${runId}`,
    );
    const page = (await history.json()) as { history: { events: object[] } };
    const payloads = payloadsIn(page);
    assert.ok(payloads.length > 10, `${payloads.length} payloads`);
    const origin = new URL(world.server.uiUrl).origin;
    const preflight = await fetch(`${url}/decode`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-namespace' },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-origin'), origin);
    const decoded = await fetch(`${url}/decode`, {
      method: 'POST',
      headers: {
        origin,
        authorization: 'Bearer open sesame',
        'content-type': 'application/json',
        'x-namespace': 'default',
      },
      body: JSON.stringify({ payloads }),
    });
    assert.equal(decoded.status, 200, await decoded.clone().text());
    const withoutToken = await fetch(`${url}/decode`, { method: 'POST', body: JSON.stringify({ payloads }) });
    assert.equal(withoutToken.status, 401);
    const { payloads: plain } = (await decoded.json()) as { payloads: { data: string }[] };
    const text = plain.map(({ data }) => Buffer.from(data, 'base64').toString()).join('\n');
    for (const word of [words.message, words.context, words.toolOutput, words.path])
      assert.ok(text.includes(word), word);
  }

  async function wrongKeysAreTold(session: SessionHandle): Promise<void> {
    const cases = [
      [{}, /key "first" is needed to read this, and none is set/],
      [{ COPILOT_ENCRYPTION_KEYS: SECOND }, /key "first" is needed to read this, and only "second" is set/],
      [{ COPILOT_ENCRYPTION_KEYS: OTHER_FIRST }, /encrypted with another key of that id/],
    ] as const;
    for (const [keys, message] of cases) {
      const stranger = await connect({ ...keys, COPILOT_PAYLOAD_STORE: store });
      try {
        await fails(stranger.session(session.id).transcript(), 'InvalidConfig', message);
        await fails(stranger.session(session.id).info(), 'InvalidConfig', message);
        // Lists hold nothing that is encrypted.
        const { sessions } = await stranger.list();
        assert.equal(sessions.find(({ id }) => id === session.id)?.status, 'active');
        const shown = await runCli(['show', session.id], programEnvironment(world.server, { ...keys }));
        assert.equal(shown.code, 2, shown.stderr);
        assert.match(shown.stderr, message);
        assert.ok(![FIRST, SECOND, OTHER_FIRST].some((key) => shown.stderr.includes(key.split(':')[1] ?? '')));
      } finally {
        await stranger.close();
      }
    }
    // A message that no worker can read is refused at once, and the session is none the worse for it.
    const stranger = await connect({ COPILOT_ENCRYPTION_KEYS: `${SECOND},${FIRST}`, COPILOT_PAYLOAD_STORE: store });
    try {
      const refused =
        /the worker cannot read what was sent: key "second" is needed to read this, and only "first" is set/;
      await fails(stranger.session(session.id).send('hello?'), 'InvalidConfig', refused);
      await fails(stranger.create({}), 'InvalidConfig', refused);
      await fails(stranger.session(session.id).transcript(), 'InvalidConfig', /does not have the first of these keys/);
    } finally {
      await stranger.close();
    }
    await until('the worker has said so', async () => /cannot read: .*key \\?"second\\?" is needed/.test(worker.log()));
    assert.equal((await session.send('still here?')).status, 'completed');
  }

  async function keysRotate(session: SessionHandle, words: Secrets): Promise<void> {
    await worker.stop();
    worker = await world.startWorker({ ...keyed, COPILOT_ENCRYPTION_KEYS: `${SECOND},${FIRST}` });
    await client.close();
    client = await connect({ ...keyed, COPILOT_ENCRYPTION_KEYS: `${SECOND},${FIRST}` });
    const rotated = client.session(session.id);
    assert.equal((await rotated.send(words.message)).status, 'completed');
    const fresh = await client.create({ mode: 'one-shot', message: words.message, messageId: 'm1' });
    await fresh.send(words.message, { messageId: 'm1' });
    assert.deepEqual(await keyIds(fresh.id), ['second']);
    assert.ok((await keyIds(session.id)).includes('second'));
  }

  /** Ids of the keys in the history of a session's present run. */
  async function keyIds(id: string): Promise<string[]> {
    const { events } = await world.temporal.workflow.getHandle(id).fetchHistory();
    const ids = payloadsIn(JSON.parse(JSON.stringify(events))).flatMap(({ metadata }) =>
      typeof metadata?.['encryption-key-id'] === 'string' ? [metadata['encryption-key-id']] : [],
    );
    return [...new Set(ids.map((text) => Buffer.from(text, 'base64').toString()))];
  }

  itInFull('a worker without the key says what it needs and does no harm, and one with the key goes on', async () => {
    const words = secretsOfSession();
    play(world.model, words);
    const queue = { COPILOT_TASK_QUEUE: 'lacking' };
    const having = await connect({ ...keyed, ...queue, COPILOT_ENCRYPTION_KEYS: SECOND });
    const good = await world.startWorker({ ...keyed, ...queue, COPILOT_ENCRYPTION_KEYS: SECOND });
    const session = await having.create({ mode: 'one-shot' });
    assert.equal((await session.send('one')).status, 'completed');
    await good.kill();
    const lacking = await world.startWorker({ ...keyed, ...queue, COPILOT_ENCRYPTION_KEYS: FIRST });
    const later = session.send('two');
    later.catch(() => undefined);
    await until('it says so', async () => /cannot read: .*second.* is needed/.test(lacking.log()));
    await lacking.kill();
    await world.startWorker({ ...keyed, ...queue, COPILOT_ENCRYPTION_KEYS: `${SECOND},${FIRST}` });
    assert.equal((await later).status, 'completed');
    await having.close();
  });

  itInFull('a worker without any key refuses what it cannot read, and says which key it needs', async () => {
    play(world.model, secretsOfSession());
    const queue = { COPILOT_TASK_QUEUE: 'keyless' };
    const keyless = await world.startWorker(queue);
    const plain = await connect(queue);
    const sealing = await connect({ ...keyed, ...queue });
    try {
      const { id } = await plain.create({ mode: 'one-shot' });
      const refused = /the worker cannot read what was sent: key "first" is needed to read this, and none is set/;
      await fails(sealing.session(id).send('hello?'), 'InvalidConfig', refused);
      await fails(sealing.create({}), 'InvalidConfig', refused);
      await fails(sealing.session(id).transcript(), 'InvalidConfig', /does not have the first of these keys/);
      assert.equal((await plain.session(id).send('hello')).status, 'completed');
    } finally {
      await plain.close();
      await sealing.close();
      await keyless.kill();
    }
  });

  it('followers see streamed text, and deleting takes the stored payloads along', async () => {
    const words = secretsOfSession();
    play(world.model, words);
    const session = await client.create({ mode: 'one-shot', context: { big: 'y'.repeat(140_000) } });
    const events = collect(session, isTurnEnd);
    await session.send(words.message);
    assert.ok(screen(await events).includes(words.answer));
    const ofSession = async (): Promise<string[]> =>
      (await readdir(store, { recursive: true })).filter((path) => path.includes(session.id));
    assert.ok((await ofSession()).length > 0);
    await session.delete();
    assert.deepEqual(await ofSession(), []);
  });

  itInFull('`copilot dev` gives its Web UI a codec server, and `copilot codec` runs one for others', async () => {
    const homeDir = await mkdtemp(join(world.server.homeDir, 'dev-'));
    const { TEMPORAL_ADDRESS: _, ...env } = programEnvironment({ ...world.server, homeDir }, keyed);
    const ports = [await freePort(), await freePort()];
    const dev = startCli(['dev', '--json', '--port', String(ports[0]), '--ui-port', String(ports[1])], env);
    await dev.untilStdout(/"ready"/, 90_000);
    const ready = JSON.parse(dev.stdout()) as { address: string; uiUrl: string; codecUrl: string };
    const settings = await fetch(`${ready.uiUrl}/api/v1/settings`);
    assert.equal(((await settings.json()) as { Codec: { Endpoint: string } }).Codec.Endpoint, ready.codecUrl);
    assert.equal((await askAs(ready.uiUrl, ready.codecUrl)).status, 204);
    assert.equal((await askAs('http://localhost:1', ready.codecUrl)).status, 403);
    // Its worker, a process of its own, has the keys too.
    const client = await CopilotClient.connect({ config: isolatedConfig(homeDir, keyed), address: ready.address });
    const session = await client.create({ mode: 'one-shot' });
    assert.equal((await session.send('hello')).status, 'completed');
    await client.close();

    const port = String(await freePort());
    const codec = startCli(['codec', '--json', '--port', port], env);
    await codec.untilStdout(/"ready"/);
    assert.equal((await askAs(ready.uiUrl, `http://127.0.0.1:${port}`)).status, 204);
    codec.process.kill('SIGTERM');
    assert.equal((await codec.ended).code, 0);
    const { COPILOT_ENCRYPTION_KEYS: _keys, COPILOT_PAYLOAD_STORE: _store, ...plain } = env;
    const useless = await runCli(['codec'], plain);
    assert.deepEqual(
      [useless.code, /all payloads are plain text already/.test(useless.stderr)],
      [2, true],
      useless.stderr,
    );
    const named = await runCli(['codec', '--host', '127.example.org'], env);
    assert.match(named.stderr, /everybody who can reach 127\.example\.org could read/);
    const open = await runCli(['codec', '--host', '0.0.0.0'], env);
    assert.deepEqual([open.code, /could read every session; set a token/.test(open.stderr)], [2, true], open.stderr);
    dev.process.kill('SIGINT');
    assert.equal((await dev.ended).code, 0);
  });

  const askAs = (page: string, codecUrl: string): Promise<Response> =>
    fetch(`${codecUrl}/decode`, { method: 'OPTIONS', headers: { origin: new URL(page).origin } });

  itInFull('the same words are found where there are no keys', async () => {
    const queue = { COPILOT_TASK_QUEUE: 'plain' };
    await world.startWorker(queue);
    const plain = await connect(queue);
    const words = secretsOfSession();
    await lived(plain, words);
    assert.deepEqual(found(await databaseBytes(), words).sort(), Object.keys(words).sort());
    await plain.close();
  });
});
