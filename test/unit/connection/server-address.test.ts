import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkAddress } from '../../../src/connection/address/connection-problem.ts';
import { findServer } from '../../../src/connection/address/server-address.ts';
import { isolatedConfig, temporaryFolder } from '../../helpers/server.ts';

describe('the server that a client uses', () => {
  let home: string;
  const record = {
    address: '127.0.0.1:7777',
    namespace: 'mine',
    uiUrl: 'http://127.0.0.1:8777',
    pid: 1,
    dbFile: '/tmp/temporal.db',
    startedAt: '2026-01-01T00:00:00.000Z',
  };

  beforeEach(async () => {
    home = await temporaryFolder();
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  it('is localhost:7233 where nothing says otherwise', async () => {
    const { address, namespace, uiUrl } = await findServer(isolatedConfig(home));
    assert.deepEqual(
      { address, namespace, uiUrl },
      { address: 'localhost:7233', namespace: 'default', uiUrl: undefined },
    );
  });

  it('is the one that serves the home folder', async () => {
    await writeFile(join(home, 'server.json'), JSON.stringify(record));
    const { address, namespace, uiUrl } = await findServer(isolatedConfig(home));
    assert.deepEqual(
      { address, namespace, uiUrl },
      { address: record.address, namespace: 'mine', uiUrl: record.uiUrl },
    );
  });

  it('is the one of TEMPORAL_ADDRESS before that, whose Web UI is not known', async () => {
    await writeFile(join(home, 'server.json'), JSON.stringify(record));
    const config = isolatedConfig(home, { TEMPORAL_ADDRESS: 'temporal.example', TEMPORAL_NAMESPACE: 'prod' });
    const { address, namespace, uiUrl } = await findServer(config);
    assert.deepEqual(
      { address, namespace, uiUrl },
      { address: 'temporal.example:7233', namespace: 'prod', uiUrl: undefined },
    );
  });

  it('has the Web UI that COPILOT_UI_URL names, before any other', async () => {
    await writeFile(join(home, 'server.json'), JSON.stringify(record));
    const COPILOT_UI_URL = 'https://ui.example/temporal/';
    for (const changes of [{ COPILOT_UI_URL }, { COPILOT_UI_URL, TEMPORAL_ADDRESS: 'temporal.example' }]) {
      assert.equal((await findServer(isolatedConfig(home, changes))).uiUrl, 'https://ui.example/temporal');
    }
    assert.throws(() => isolatedConfig(home, { COPILOT_UI_URL: 'localhost:8080' }), /COPILOT_UI_URL=localhost:8080/);
  });

  it('says what named it', async () => {
    const source = async (changes: Record<string, string> = {}, address?: string): Promise<string> =>
      (await findServer(isolatedConfig(home, changes), { address })).source;
    const TEMPORAL_CONFIG_FILE = join(home, 'temporal.toml');
    await writeFile(TEMPORAL_CONFIG_FILE, '[profile.default]\naddress = "cloud.example:7233"\n');
    assert.equal(await source(), 'default');
    await writeFile(join(home, 'server.json'), JSON.stringify(record));
    assert.equal(await source(), 'home');
    assert.equal(await source({ TEMPORAL_CONFIG_FILE }), 'profile');
    assert.equal(await source({ TEMPORAL_CONFIG_FILE, TEMPORAL_ADDRESS: 'a:1' }), 'TEMPORAL_ADDRESS');
    assert.equal(await source({ TEMPORAL_ADDRESS: 'a:1' }, 'b:2'), 'caller');
  });

  it('is the one of a profile, with its TLS and key', async () => {
    const file = join(home, 'temporal.toml');
    await writeFile(
      file,
      '[profile.default]\naddress = "cloud.example:7233"\nnamespace = "team"\napi_key = "secret"\n',
    );
    const server = await findServer(isolatedConfig(home, { TEMPORAL_CONFIG_FILE: file }));
    assert.equal(server.address, 'cloud.example:7233');
    assert.equal(server.namespace, 'team');
    assert.deepEqual(server.credentials, { apiKey: 'secret', tls: true });
  });

  it('is what the caller names before all', async () => {
    const { address } = await findServer(isolatedConfig(home, { TEMPORAL_ADDRESS: 'a:1' }), { address: 'b:2' });
    assert.equal(address, 'b:2');
  });

  it('is signed in to as the caller says before all, under the names that the caller knows', async () => {
    const config = isolatedConfig(home, { TEMPORAL_API_KEY: 'of the environment', TEMPORAL_TLS: 'false' });
    const serverRootCACertificate = Buffer.from('a certificate');
    const given = { address: 'b:2', apiKey: 'given', tls: { serverRootCACertificate } };
    const { credentials, settings } = await findServer(config, given);
    assert.deepEqual(credentials, { apiKey: 'given', tls: { serverRootCACertificate } });
    assert.deepEqual(settings.apiKey, { name: 'apiKey', value: '(hidden)' });
    assert.deepEqual(settings.serverCa, { name: 'tls.serverRootCACertificate', value: '(given as data)' });
    assert.deepEqual(settings.clientCert, { name: 'tls.clientCertPair.crt', value: undefined });
    assert.deepEqual(settings.address.name, 'TEMPORAL_ADDRESS');
  });

  it('is not guessed from an unreadable server.json', async () => {
    await writeFile(join(home, 'server.json'), '{');
    assert.equal((await findServer(isolatedConfig(home))).address, 'localhost:7233');
  });

  it('is not guessed past a profile that cannot be read', async () => {
    const file = join(home, 'broken.toml');
    await writeFile(file, '[profile');
    await assert.rejects(
      findServer(isolatedConfig(home, { TEMPORAL_CONFIG_FILE: file })),
      (error: Error & { type?: string }) => {
        assert.equal(error.type, 'InvalidConfig');
        assert.match(error.message, /^TEMPORAL_CONFIG_FILE=.*broken\.toml is not valid/);
        return true;
      },
    );
  });

  it('has an address of host and port and nothing else', () => {
    for (const address of ['localhost:7233', '10.0.0.1:7233', '[::1]:7233', 'a-b.example.org:1']) checkAddress(address);
    for (const address of ['http://localhost:7233', 'localhost:7233/', 'a@b:1', 'a:1?x', ':7233', '"a:1":7233', '']) {
      assert.throws(() => checkAddress(address), {
        type: 'InvalidConfig',
        message: `TEMPORAL_ADDRESS=${address} is not valid: use host:port, such as localhost:7233. Correct or unset TEMPORAL_ADDRESS.`,
      });
    }
  });
});
