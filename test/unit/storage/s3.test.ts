/** A payload store in S3: where its client finds credentials, what it sends, and what it says if something is wrong. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { loadConfig } from '../../../src/config.ts';
import { CopilotError } from '../../../src/contracts/errors.ts';
import type { ObjectStore } from '../../../src/storage/stores/object-store.ts';
import { openS3Store } from '../../../src/storage/stores/s3.ts';
import { temporaryFolder } from '../../helpers/server.ts';

const STATIC = { AWS_ACCESS_KEY_ID: 'AKIDSTATIC', AWS_SECRET_ACCESS_KEY: 'secret' };
const ROLE = {
  AccessKeyId: 'AKIDROLE',
  SecretAccessKey: 'secret',
  Token: 'role-token',
  Expiration: new Date(Date.now() + 3_600_000).toISOString(),
};

describe('a payload store in S3, before a server', function () {
  this.timeout(30_000);
  let server: Server;
  let endpoint: string;
  let seen: { request: IncomingMessage; body: Buffer }[];
  let reply: { status: number; body: string };
  const environment = { ...process.env };

  before(async () => {
    server = createServer((request, response) => {
      void buffer(request).then((body) => {
        if (request.url === '/role') return response.end(JSON.stringify(ROLE));
        seen.push({ request, body });
        return response.writeHead(reply.status).end(reply.body);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on a port
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  beforeEach(() => {
    seen = [];
    reply = { status: 200, body: '' };
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    Object.assign(process.env, { AWS_EC2_METADATA_DISABLED: 'true', AWS_CONFIG_FILE: '/dev/null' });
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = '/dev/null';
  });
  after(() => {
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    Object.assign(process.env, environment);
  });

  function open(variables: Record<string, string>): ObjectStore {
    const { payloadStore } = loadConfig({
      AWS_ENDPOINT_URL_S3: endpoint,
      ...variables,
      COPILOT_PAYLOAD_STORE: 's3://payloads/some',
    });
    assert.ok(payloadStore && 'kind' in payloadStore && payloadStore.kind === 's3');
    return openS3Store(payloadStore);
  }

  const signers = (): string[] =>
    seen.map(
      ({ request }) =>
        /Credential=(\w+)\/\d+\/([\w-]+)\/s3\//
          .exec(request.headers.authorization ?? '')
          ?.slice(1)
          .join(' ') ?? '',
    );

  it('signs with the keys of the environment', async () => {
    await open({ ...STATIC, AWS_REGION: 'eu-central-1', AWS_SESSION_TOKEN: 'token' }).put('a/b c', Buffer.from('x'));
    assert.deepEqual(signers(), ['AKIDSTATIC eu-central-1']);
    const [{ request, body } = assert.fail()] = seen;
    assert.equal(request.headers['x-amz-security-token'], 'token');
    assert.equal(`${request.method} ${request.url?.split('?')[0]} ${body.toString()}`, 'PUT /payloads/a/b%20c x');
  });

  it('takes keys and region of a profile', async () => {
    const file = join(await temporaryFolder(), 'credentials');
    await writeFile(file, '[team]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = s\n');
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = file;
    await open({ AWS_PROFILE: 'team', AWS_REGION: 'eu-west-1' }).get('key');
    assert.deepEqual(signers(), ['AKIDPROFILE eu-west-1']);
  });

  it('takes the role that the machine or container has', async () => {
    process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = `${endpoint}/role`;
    assert.equal(await open({}).has('key'), true);
    assert.deepEqual(signers(), ['AKIDROLE us-east-1']);
    assert.equal(seen[0]?.request.headers['x-amz-security-token'], 'role-token');
  });

  it('says that there are no credentials', async () => {
    await assert.rejects(open({}).get('key'), (error) => {
      assert.ok(error instanceof CopilotError && error.type === 'StoreUnavailable');
      assert.match(error.message, /The payload store s3:\/\/payloads cannot be used \(GET: .*credentials/i);
      return true;
    });
    assert.deepEqual(seen, []);
  });

  it('is tried again while the server is weak, and not after a refusal', async () => {
    reply = { status: 503, body: '<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>' };
    await assert.rejects(open(STATIC).put('key', Buffer.from('x')), /PUT: status 503, SlowDown: Reduce your rate/);
    assert.equal(seen.length, 3);
    seen = [];
    reply = { status: 403, body: '<Error><Code>SignatureDoesNotMatch</Code></Error>' };
    await assert.rejects(open(STATIC).get('key'), /GET: status 403, SignatureDoesNotMatch/);
    assert.equal(seen.length, 1);
  });

  it('names the package that is not installed', async () => {
    const store = openS3Store({ bucket: 'payloads' }, () => Promise.reject(new Error('ERR_MODULE_NOT_FOUND')));
    await assert.rejects(store.get('key'), (error) => {
      assert.ok(error instanceof CopilotError && error.type === 'InvalidConfig' && !error.retryable);
      assert.match(error.message, /COPILOT_PAYLOAD_STORE=s3:\/\/payloads .*npm install @aws-sdk\/client-s3/);
      return true;
    });
  });

  it('stops at the end of its caller', async () => {
    const reason = new Error('enough');
    await assert.rejects(open(STATIC).get('key', AbortSignal.abort(reason)), reason);
  });
});
