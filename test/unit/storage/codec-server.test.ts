/** The codec server: what the Web UI and the `temporal` command ask of it, and whom it answers. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { ExternalStorageRunner } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { JSONToPayload, payloadToJSON } from '@temporalio/common/lib/proto-utils.js';
import { type Config, loadConfig } from '../../../src/config.ts';
import { type CodecServer, type CodecServerOptions, startCodecServer } from '../../../src/storage/codec-server.ts';
import { EncryptionCodec } from '../../../src/storage/encryption.ts';
import { openExternalStorage } from '../../../src/storage/payload-store.ts';
import { refuse } from '../../../src/storage/unreadable.ts';
import { LARGE } from '../../helpers/payload-store.ts';

const PAGE = 'http://localhost:8233';

describe('the codec server', () => {
  let dir: string;
  let config: Config;
  const servers: CodecServer[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'copilot-test-'));
    const keys = `a:${randomBytes(32).toString('base64')}`;
    config = loadConfig({ COPILOT_ENCRYPTION_KEYS: keys, COPILOT_PAYLOAD_STORE: dir });
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
  });
  after(() => rm(dir, { recursive: true }));

  async function start(options: Partial<CodecServerOptions> = {}): Promise<CodecServer> {
    const server = await startCodecServer(config, { origins: [PAGE], ...options });
    servers.push(server);
    return server;
  }

  async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: text,
    });
  }

  async function payloadsOf(response: Response): Promise<Payload[]> {
    assert.equal(response.status, 200, await response.clone().text());
    const { payloads } = (await response.json()) as { payloads: Parameters<typeof JSONToPayload>[0][] }; // its protocol
    return payloads.map(JSONToPayload);
  }

  const bodyOf = (...payloads: Payload[]) => ({ payloads: payloads.map(payloadToJSON) });
  const valueOf = (payload: Payload | undefined): unknown => defaultPayloadConverter.fromPayload(payload ?? {});

  it('encodes and decodes, in their order, also what lies in the payload store and what is plain', async () => {
    const { url } = await start();
    const values = [{ text: 'one' }, 'two', LARGE];
    const sealed = await payloadsOf(
      await post(`${url}/encode`, bodyOf(...values.map((value) => defaultPayloadConverter.toPayload(value)))),
    );
    assert.deepEqual(
      sealed.map(({ metadata }) => Buffer.from(metadata?.['encryption-key-id'] ?? []).toString()),
      ['a', 'a', 'a'],
    );
    const stored = await new ExternalStorageRunner(openExternalStorage(config.payloadStore, refuse)).store(sealed);
    assert.ok((stored[2]?.data?.length ?? 0) < 1_000);
    const plain = defaultPayloadConverter.toPayload('plain');
    const opened = await payloadsOf(await post(`${url}/decode?namespace=default`, bodyOf(...stored, plain)));
    assert.deepEqual(opened.map(valueOf), [...values, 'plain']);
    assert.deepEqual(await payloadsOf(await post(`${url}/decode`, {})), []);
  });

  it('answers pages that it knows, and no others', async () => {
    const server = await start();
    const ask = (origin: string, method = 'OPTIONS') => fetch(`${server.url}/decode`, { method, headers: { origin } });
    const preflight = await ask(PAGE);
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-origin'), PAGE);
    assert.equal(preflight.headers.get('access-control-allow-credentials'), 'true');
    assert.match(
      preflight.headers.get('access-control-allow-headers') ?? '',
      /authorization.*content-type.*x-namespace/,
    );
    for (const origin of [
      'http://evil.example',
      'http://localhost:8234',
      'null',
      'http://localhost:8233.evil.example',
    ]) {
      const refused = await ask(origin);
      assert.equal(refused.status, 403);
      assert.equal(refused.headers.get('access-control-allow-origin'), null);
      const posted = await post(`${server.url}/decode`, bodyOf(), { origin, 'content-type': 'text/plain' });
      assert.equal(posted.status, 403);
    }
    server.allow('http://127.0.0.1:8233/namespaces');
    assert.equal((await ask('http://127.0.0.1:8233')).status, 204);
  });

  it('with a token answers nobody without it', async () => {
    const { url } = await start({ token: 'open sesame' });
    const say = async (authorization?: string) =>
      (await post(`${url}/decode`, bodyOf(), authorization === undefined ? {} : { authorization })).status;
    assert.deepEqual(
      [await say(), await say('Bearer guess'), await say('open sesame'), await say('Bearer open sesame')],
      [401, 401, 401, 200],
    );
  });

  it('says what is wrong with a request, and lives on', async () => {
    const { url } = await start();
    const cases = [
      ['/decode', 'no json', 400],
      ['/decode', { payloads: 'none' }, 400],
      ['/decode', { payloads: [{ metadata: { encoding: 7 } }] }, 400],
      ['/other', {}, 404],
      ['/', {}, 404],
    ] as const;
    for (const [path, body, status] of cases) assert.equal((await post(`${url}${path}`, body)).status, status, path);
    assert.equal((await fetch(`${url}/decode`)).status, 404);
    const [sealed] = await new EncryptionCodec(
      loadConfig({ COPILOT_ENCRYPTION_KEYS: `z:${randomBytes(32).toString('base64')}` }).encryptionKeys,
    ).encode([defaultPayloadConverter.toPayload('x')]);
    assert.ok(sealed);
    const refused = await post(`${url}/decode`, bodyOf(sealed));
    assert.equal(refused.status, 422);
    assert.match(await refused.text(), /key "z" is needed to read this, and only "a" is set/);
    assert.equal((await payloadsOf(await post(`${url}/decode`, {}))).length, 0);
  });

  it('says that its port is in use', async () => {
    const { url } = await start();
    await assert.rejects(start({ port: Number(new URL(url).port) }), /is not valid: .*EADDRINUSE/);
  });
});
