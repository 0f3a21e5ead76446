/** Which server a command speaks to, and which setting is to blame if it cannot. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CopilotClient } from '../../src/client.ts';
import { type CliResult, runCli, startCli } from '../helpers/cli.ts';
import { fails } from '../helpers/client.ts';
import { until } from '../helpers/history.ts';
import { itInFull } from '../helpers/full.ts';
import { isolatedConfig, temporaryFolder } from '../helpers/server.ts';
import { playTeam } from '../helpers/team-script.ts';
import { Certificates, startRefusingServer, startTlsProxy, type TlsServer } from '../helpers/tls-proxy.ts';
import { startWorker } from '../../src/worker.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

const DEAD_PID = 2 ** 22 + 1;

describe('the server that a command uses', function () {
  this.timeout(180_000);
  let world: World;
  let folder: string;

  before(async () => {
    world = await startWorld();
    playTeam(world.model);
    folder = await temporaryFolder();
  });
  after(async () => {
    await world.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** The environment of a person who named no server, in this home folder. */
  function unnamed(homeDir: string, changes: Record<string, string> = {}): Record<string, string> {
    const { TEMPORAL_ADDRESS: _, ...env } = programEnvironment({ homeDir, address: '' });
    return { ...env, ...changes };
  }

  it('[R17] is named where the command fell back to localhost, and nothing is changed there where the server of the home folder is down', async () => {
    const { id } = await world.copilot.create();
    const home = join(folder, 'home');
    await mkdir(home);
    // Another server listens at the address that the dead one of this home had.
    const { address } = world.server;
    const record = {
      address,
      uiUrl: 'http://127.0.0.1:1',
      namespace: 'default',
      pid: DEAD_PID,
      dbFile: 'x',
      startedAt: '',
    };
    await writeFile(join(home, 'server.json'), JSON.stringify(record));
    const env = unnamed(home);
    const read = await runCli(['show', id, '--json'], env);
    assert.deepEqual([read.code, (JSON.parse(read.stdout) as { id: string }).id], [0, id]);
    assert.match(read.stderr, new RegExp(`note: The Temporal server of ${home} is not running; .*${address}`));
    for (const args of [
      ['start', 'Hello'],
      ['send', id, 'Hello'],
      ['complete', id],
      ['delete', id, '--yes'],
      ['fork', id],
      ['configure', id, '--idle-timeout', 'never'],
    ]) {
      const { code, stderr } = await runCli(args, env);
      assert.equal(code, 5, `${args.join(' ')}: ${stderr}`);
      assert.match(
        stderr,
        new RegExp(`error: The Temporal server of ${home} is not running, and nothing is changed on ${address}`),
      );
      assert.match(stderr, /`copilot dev`.*TEMPORAL_ADDRESS=/);
    }
    const worker = startCli(['worker'], env);
    const isWaiting = async (): Promise<boolean> => /waiting: The Temporal server of/.test(worker.stderr());
    await until('what the worker waits for', isWaiting, 60_000);
    // Long enough for a worker that waits for nothing to be ready.
    await sleep(1_000);
    worker.process.kill('SIGTERM');
    const { stderr } = await worker.ended;
    assert.doesNotMatch(stderr, /worker ready/);
    assert.equal((await world.copilot.session(id).info()).status, 'active');
    const { sessions } = await world.copilot.list();
    assert.deepEqual(
      sessions.map((row) => row.id),
      [id],
    );
    // A person who names the server means it.
    assert.equal((await runCli(['complete', id], { ...env, TEMPORAL_ADDRESS: address })).code, 0);
  });

  it('is localhost:7233 for a home without a server, by name, and refused there where only its database is left', async () => {
    const fresh = await CopilotClient.connect({ config: isolatedConfig(folder), address: world.server.address });
    assert.equal(fresh.guess, undefined);
    await fresh.close();
    const home = join(folder, 'left');
    await mkdir(home);
    await writeFile(join(home, 'temporal.db'), '');
    // Whether or not something listens at 7233 on this machine.
    const { code, stderr } = await runCli(['start', 'Hello'], unnamed(home));
    assert.equal(code, 5);
    assert.match(stderr, /localhost:7233/);
  });
});

describe('[R17] a connection that fails', function () {
  this.timeout(180_000);
  let world: World;
  let folder: string;
  let certificates: Certificates;
  const servers: TlsServer[] = [];

  before(async () => {
    world = await startWorld({ workers: 0 });
    folder = await temporaryFolder();
    certificates = new Certificates(folder);
    for (const name of ['ca', 'other']) certificates.authority(name);
    certificates.issue('server');
    certificates.issue('named', { host: 'temporal.test' });
    certificates.issue('expired', { days: -1 });
    certificates.issue('client', { host: 'client' });
    certificates.issue('stranger', { by: 'other', host: 'stranger' });
    certificates.issue('old-client', { host: 'client', days: -1 });
  });
  after(async () => {
    await Promise.all(servers.map((server) => server.close()));
    await world.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function served(name: string, more: object = {}): Promise<string> {
    const server = await startTlsProxy(world.server.address, { ...certificates.options(name), ...more });
    servers.push(server);
    return server.address;
  }

  const list = async (changes: Record<string, string>): Promise<CliResult> =>
    await runCli(['list'], { ...programEnvironment(world.server), ...changes });

  async function blames(changes: Record<string, string>, message: RegExp): Promise<void> {
    const { code, stderr } = await list(changes);
    // For an IP address gRPC adds a warning before it.
    assert.match(stderr.slice(stderr.indexOf('error: ')), message);
    assert.equal(code, 2, stderr);
  }

  it('for a certificate that is not trusted, has expired or is for another name says which setting to change', async () => {
    const CA = { TEMPORAL_TLS_SERVER_CA_CERT_PATH: certificates.pem('ca') };
    const TEMPORAL_ADDRESS = await served('server');
    assert.equal((await list({ TEMPORAL_ADDRESS, ...CA })).code, 0);
    await blames(
      { TEMPORAL_ADDRESS, TEMPORAL_TLS_SERVER_CA_CERT_PATH: certificates.pem('other') },
      /^error: TEMPORAL_TLS_SERVER_CA_CERT_PATH=\S+other\.pem does not fit the Temporal server at localhost:\d+: no authority in it has signed/,
    );
    await blames(
      { TEMPORAL_ADDRESS, TEMPORAL_TLS: 'true' },
      /^error: TEMPORAL_TLS_SERVER_CA_CERT_PATH does not fit .*: no authority that this machine knows/,
    );
    await blames(
      { TEMPORAL_ADDRESS: await served('expired'), ...CA },
      /^error: TEMPORAL_ADDRESS=\S+ does not fit .* out of date \(CERT_HAS_EXPIRED\)/,
    );
    const named = await served('named');
    await blames({ TEMPORAL_ADDRESS: named, ...CA }, /^error: TEMPORAL_TLS_SERVER_NAME does not fit .*temporal\.test/);
    assert.equal((await list({ TEMPORAL_ADDRESS: named, ...CA, TEMPORAL_TLS_SERVER_NAME: 'temporal.test' })).code, 0);
  });

  itInFull('for TLS at one end only says so', async () => {
    await blames({ TEMPORAL_TLS: 'true' }, /^error: TEMPORAL_TLS=true does not fit .* does not speak TLS/);
    await blames(
      { TEMPORAL_API_KEY: 'secret-key' },
      /^error: TEMPORAL_API_KEY=\(hidden\) does not fit .* does not speak TLS .*TEMPORAL_TLS=false, or unset the key/,
    );
    const TEMPORAL_ADDRESS = await served('server');
    await blames(
      { TEMPORAL_ADDRESS },
      /^error: TEMPORAL_TLS does not fit .* takes connections with TLS only\. Set TEMPORAL_TLS=true/,
    );
    await blames({ TEMPORAL_ADDRESS, TEMPORAL_TLS: 'false' }, /^error: TEMPORAL_TLS=false does not fit/);
  });

  itInFull('for a client certificate names that', async () => {
    const mutual = { requestCert: true, rejectUnauthorized: true, ca: [readFileSync(certificates.pem('ca'))] };
    const TEMPORAL_ADDRESS = await served('server', mutual);
    const CA = { TEMPORAL_ADDRESS, TEMPORAL_TLS_SERVER_CA_CERT_PATH: certificates.pem('ca') };
    const pair = (cert: string, key: string): Record<string, string> => ({
      ...CA,
      TEMPORAL_TLS_CLIENT_CERT_PATH: certificates.pem(cert),
      TEMPORAL_TLS_CLIENT_KEY_PATH: certificates.key(key),
    });
    assert.equal((await list(pair('client', 'client'))).code, 0);
    await blames(CA, /^error: TEMPORAL_TLS_CLIENT_CERT_PATH does not fit .* asks for a certificate of the client/);
    await blames(
      pair('stranger', 'stranger'),
      /^error: TEMPORAL_TLS_CLIENT_CERT_PATH=\S+stranger\.pem does not fit .* refuses it/,
    );
    await blames(
      pair('old-client', 'old-client'),
      /^error: TEMPORAL_TLS_CLIENT_CERT_PATH=\S+old-client\.pem .* it expired on/,
    );
    await blames(
      pair('client', 'stranger'),
      /^error: TEMPORAL_TLS_CLIENT_KEY_PATH=\S+stranger\.key .* not the one of TEMPORAL_TLS_CLIENT_CERT_PATH/,
    );
    await blames(
      { ...CA, TEMPORAL_TLS_CLIENT_CERT_PATH: certificates.pem('client') },
      /^error: TEMPORAL_TLS_CLIENT_KEY_PATH= is not valid: TEMPORAL_TLS_CLIENT_CERT_PATH is set; set both/,
    );
    await blames(
      { ...CA, TEMPORAL_TLS_SERVER_CA_CERT_PATH: '/no/such.pem' },
      /^error: TEMPORAL_TLS_SERVER_CA_CERT_PATH=\/no\/such\.pem is not valid: ENOENT/,
    );
    await blames(
      { ...CA, TEMPORAL_TLS_SERVER_CA_CERT_PATH: certificates.key('ca') },
      /^error: TEMPORAL_TLS_SERVER_CA_CERT_PATH=\S+ca\.key .* no certificate in PEM/,
    );
  });

  it('for a wrong key or profile names the variable, or the field of the profile', async () => {
    const refusing = await startRefusingServer(certificates.options('server'), 16, 'Request unauthorized.');
    servers.push(refusing);
    const CA = { TEMPORAL_ADDRESS: refusing.address, TEMPORAL_TLS_SERVER_CA_CERT_PATH: certificates.pem('ca') };
    await blames(
      { ...CA, TEMPORAL_API_KEY: 'secret-key' },
      /^error: TEMPORAL_API_KEY=\(hidden\) does not fit .* refuses it \(Request unauthorized\.\)/,
    );
    await blames(CA, /^error: TEMPORAL_API_KEY does not fit .* it is not set/);
    const TEMPORAL_CONFIG_FILE = join(folder, 'temporal.toml');
    const { TEMPORAL_ADDRESS: _, ...unnamed } = programEnvironment(world.server);
    const profile = async (name: string): Promise<CliResult> =>
      await runCli(['list'], { ...unnamed, TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE: name });
    await writeFile(
      TEMPORAL_CONFIG_FILE,
      `[profile.prod]\naddress = "${refusing.address}"\napi_key = "secret-key"\n[profile.prod.tls]\nserver_ca_cert_path = "${certificates.pem('ca')}"\n` +
        `[profile.wrong]\naddress = "${await served('server')}"\n[profile.wrong.tls]\nserver_ca_cert_path = "${certificates.pem('other')}"\n`,
    );
    assert.match((await profile('prod')).stderr, /^error: api_key of profile "prod"=\(hidden\) does not fit/);
    assert.match(
      (await profile('wrong')).stderr,
      /^error: tls\.server_ca_cert_path of profile "wrong"=\S+other\.pem does not fit/,
    );
    assert.match((await profile('nope')).stderr, /^error: TEMPORAL_PROFILE=nope is not valid: .*not found/);
    await writeFile(TEMPORAL_CONFIG_FILE, 'not toml');
    assert.match((await profile('prod')).stderr, /^error: TEMPORAL_CONFIG_FILE=\S+ is not valid/);
  });

  itInFull('[R17] [E10] is told by workers, too, whose settings may come as objects', async () => {
    const { code, stderr } = await runCli(['worker'], { ...programEnvironment(world.server), TEMPORAL_TLS: 'true' });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /error: TEMPORAL_TLS=true does not fit .* does not speak TLS/);
    const config = isolatedConfig(folder, { COPILOT_LOG_LEVEL: 'error' });
    const plain = startWorker({ config, address: world.server.address, tls: true });
    await fails(plain, 'WrongConnection', /^tls=true does not fit/);
    const address = await served('server');
    await fails(startWorker({ config, address, tls: true }), 'WrongConnection', /^tls\.serverRootCACertificate/);
    const serverRootCACertificate = readFileSync(certificates.pem('ca'));
    const worker = await startWorker({ config, address, tls: { serverRootCACertificate } });
    await worker.stop();
  });

  itInFull('is told by the library and the doctor, too', async () => {
    const config = isolatedConfig(folder, { TEMPORAL_TLS: 'true', TEMPORAL_ADDRESS: world.server.address });
    await fails(CopilotClient.connect({ config }), 'WrongConnection', /TEMPORAL_TLS=true/);
    const { stdout } = await runCli(['doctor', '--json'], {
      ...programEnvironment(world.server),
      TEMPORAL_TLS: 'true',
    });
    assert.match(stdout, /TEMPORAL_TLS does not fit the server at/);
  });
});
