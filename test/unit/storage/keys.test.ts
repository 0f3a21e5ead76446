/** Settings of encryption and payload store: what is taken, what is refused, and that no message shows a key. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { type Config, loadConfig } from '../../../src/config.ts';
import { CopilotError } from '../../../src/contracts/errors.ts';

const A = randomBytes(32).toString('base64');
const B = randomBytes(32).toString('base64url');

describe('settings of encryption and payload store', () => {
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'copilot-test-'));
  });
  after(() => rm(dir, { recursive: true }));

  const idsOf = ({ encryptionKeys }: Config): string[] => encryptionKeys.map(({ id }) => id);

  function refused(environment: Record<string, string>): CopilotError {
    try {
      loadConfig(environment);
    } catch (error) {
      assert.ok(error instanceof CopilotError, String(error));
      assert.equal(error.type, 'InvalidConfig');
      return error;
    }
    assert.fail('it was taken');
  }

  it('keys come in their order, from the variable or a file with remarks', async () => {
    assert.deepEqual(idsOf(loadConfig({})), []);
    assert.deepEqual(idsOf(loadConfig({ COPILOT_ENCRYPTION_KEYS: `2026-02:${A}, 2026-01:${B}` })), [
      '2026-02',
      '2026-01',
    ]);
    const file = join(dir, 'keys');
    await writeFile(file, `# the new one\nnew:${A}\n\nold:${B}\n`);
    const config = loadConfig({ COPILOT_ENCRYPTION_KEYS_FILE: file });
    assert.deepEqual(idsOf(config), ['new', 'old']);
    assert.deepEqual(config.encryptionKeys[1]?.key.export(), Buffer.from(B, 'base64url'));
  });

  it('what is wrong with a key is said without the key', async () => {
    const file = join(dir, 'wrong');
    await writeFile(file, `only:${A}x\n`);
    const short = randomBytes(16).toString('base64');
    const cases: readonly (readonly [Record<string, string>, RegExp])[] = [
      [{ COPILOT_ENCRYPTION_KEYS: A }, /entry 1 has no id/],
      [{ COPILOT_ENCRYPTION_KEYS: `a:${A},${B}` }, /entry 2 has no id/],
      [{ COPILOT_ENCRYPTION_KEYS: `a:${short}` }, /entry 1 \("a"\) is not 32 bytes in base64/],
      [{ COPILOT_ENCRYPTION_KEYS: `a:${A}!` }, /is not 32 bytes in base64/],
      [{ COPILOT_ENCRYPTION_KEYS: `a b:${A}` }, /entry 1 has an id/],
      [{ COPILOT_ENCRYPTION_KEYS: `a:${A},a:${B}` }, /"a" occurs twice/],
      [{ COPILOT_ENCRYPTION_KEYS: ' , ' }, /it holds no key/],
      [{ COPILOT_ENCRYPTION_KEYS: '' }, /it is empty; unset it if you do not want encryption/],
      [{ COPILOT_ENCRYPTION_KEYS_FILE: join(dir, 'none') }, /it cannot be read \(ENOENT\)/],
      [{ COPILOT_ENCRYPTION_KEYS_FILE: file }, /is not 32 bytes/],
      [{ COPILOT_ENCRYPTION_KEYS_FILE: file, COPILOT_ENCRYPTION_KEYS: `a:${A}` }, /COPILOT_ENCRYPTION_KEYS is set too/],
    ];
    for (const [environment, message] of cases) {
      const error = refused(environment);
      assert.match(error.message, message);
      const told = inspect(error, { depth: null });
      for (const key of [A, B, short]) assert.ok(!told.includes(key), told);
    }
  });

  it('a configuration that is printed or handed on shows neither key nor token', () => {
    const config = loadConfig({ COPILOT_ENCRYPTION_KEYS: `a:${A}`, COPILOT_CODEC_TOKEN: 'sesame', PATH: '/bin' });
    const { codecToken, ...rest } = config;
    assert.equal(codecToken, 'sesame');
    const hex = Buffer.from(A, 'base64').toString('hex');
    for (const told of [inspect(rest, { depth: null, showHidden: true }), JSON.stringify(rest)]) {
      for (const secret of [A, hex, 'sesame']) assert.ok(!told.includes(secret), told);
    }
    assert.deepEqual(config.environment, { PATH: '/bin' });
    assert.deepEqual(config.temporal.environment, { PATH: '/bin' });
  });

  it('a payload store is a folder that is there, or a bucket', () => {
    assert.equal(loadConfig({}).payloadStore, undefined);
    assert.deepEqual(loadConfig({ COPILOT_PAYLOAD_STORE: dir }).payloadStore, { kind: 'folder', path: dir });
    const credentials = { accessKeyId: 'id', secretAccessKey: 'secret' };
    const aws = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'eu-central-1' };
    const bucket = { kind: 's3', bucket: 'my.bucket', region: 'eu-central-1', credentials };
    const s3 = (value: string, more: Record<string, string> = {}) =>
      loadConfig({ ...aws, ...more, COPILOT_PAYLOAD_STORE: value }).payloadStore;
    assert.deepEqual(s3('s3://my.bucket'), { ...bucket, prefix: '' });
    assert.deepEqual(s3('s3://my.bucket/a/b/'), { ...bucket, prefix: 'a/b' });
    const endpoint = 'http://localhost:9000';
    assert.deepEqual(s3('s3://my.bucket/a', { AWS_ENDPOINT_URL_S3: `${endpoint}/`, AWS_SESSION_TOKEN: 'now' }), {
      ...bucket,
      prefix: 'a',
      endpoint,
      credentials: { ...credentials, sessionToken: 'now' },
    });
    // AWS's client finds the rest by itself.
    assert.deepEqual(loadConfig({ COPILOT_PAYLOAD_STORE: 's3://bucket', AWS_PROFILE: 'team' }).payloadStore, {
      ...{ kind: 's3', bucket: 'bucket', prefix: '', profile: 'team' },
    });
    const { AWS_SECRET_ACCESS_KEY: _, ...halfOfKeys } = aws;
    const cases: readonly (readonly [Record<string, string>, RegExp])[] = [
      [{ COPILOT_PAYLOAD_STORE: join(dir, 'none') }, /there is no such folder; create or mount it/],
      [{ ...halfOfKeys, COPILOT_PAYLOAD_STORE: 's3://bucket' }, /AWS_SECRET_ACCESS_KEY belong together/],
      [{ ...aws, COPILOT_PAYLOAD_STORE: 's3://B' }, /use the path of a folder, or s3:\/\/bucket\/prefix/],
      [{ ...aws, COPILOT_PAYLOAD_STORE: 's3://bucket/../x' }, /use the path/],
      [{ ...aws, COPILOT_PAYLOAD_STORE: 'gs://bucket' }, /use the path/],
      [{ ...aws, COPILOT_PAYLOAD_STORE: 's3://bucket', AWS_ENDPOINT_URL: 'localhost:1' }, /scheme, host and port/],
    ];
    for (const [environment, message] of cases) assert.match(refused(environment).message, message);
  });
});
