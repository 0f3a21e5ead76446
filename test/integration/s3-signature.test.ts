/** Requests to S3 as they go out: signed as AWS's own rules want, by the judgement of another signer. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { ObjectStore } from '../../src/storage/stores/object-store.ts';
import { openS3Store, type S3Credentials } from '../../src/storage/stores/s3.ts';
import { loadSigner, type Signer } from '../helpers/s3.ts';

const CREDENTIALS: S3Credentials = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};
const REGION = 'eu-central-1';

describe('requests to S3', function () {
  this.timeout(200_000);
  let server: Server;
  let signer: Signer;
  let seen: { request: IncomingMessage; body: Buffer }[];
  let reply: { status: number; body: string };

  before(async () => {
    signer = await loadSigner();
    server = createServer((request, response) => {
      void buffer(request).then((body) => {
        seen.push({ request, body });
        response.writeHead(reply.status).end(reply.body);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  beforeEach(() => {
    seen = [];
    reply = { status: 200, body: '' };
  });

  function open(credentials: S3Credentials): ObjectStore {
    const { port } = server.address() as AddressInfo;
    return openS3Store({ bucket: 'payloads', region: REGION, endpoint: `http://127.0.0.1:${port}`, credentials });
  }

  it('bear the signature that another signer makes for them', async () => {
    for (const credentials of [CREDENTIALS, { ...CREDENTIALS, sessionToken: 'token/with+signs==' }]) {
      const store = open(credentials);
      for (const key of ["v0/ns/it's (100%25) *!/d/a", 'v0/ä/ø/~', 'plain']) {
        await store.put(key, Buffer.from('some bytes'));
        await store.get(key);
        await store.has(key);
      }
      await store.removeAll("v0/ns/it's (100%25) *!/");
    }
    assert.equal(seen.length, 20);
    for (const { request, body } of seen) {
      const { authorization, ...given } = request.headers as Record<string, string>; // none of them is repeated
      assert.equal(given['x-amz-content-sha256'], createHash('sha256').update(body).digest('hex'));
      const signed = /SignedHeaders=([^,]*)/.exec(authorization ?? '')?.[1]?.split(';') ?? [];
      const headers = Object.fromEntries(signed.map((name) => [name, given[name] ?? '']));
      const sessionToken = given['x-amz-security-token'];
      const own = signer.sign(
        {
          method: request.method ?? '',
          path: request.url ?? '',
          service: 's3',
          region: REGION,
          headers,
        },
        sessionToken === undefined ? CREDENTIALS : { ...CREDENTIALS, sessionToken },
      );
      const signature = (text = ''): string | undefined => /Signature=([0-9a-f]{64})$/.exec(text)?.[1];
      assert.ok(signature(authorization));
      assert.equal(
        signature(authorization),
        signature(own.headers['Authorization']),
        `${request.method} ${request.url}`,
      );
    }
  });

  it('are tried again where the server has a moment of weakness, and not where it refuses', async () => {
    reply = { status: 503, body: '<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>' };
    await assert.rejects(open(CREDENTIALS).put('key', Buffer.from('x')), /PUT: status 503, SlowDown: Reduce your rate/);
    assert.equal(seen.length, 3);
    seen = [];
    reply = { status: 403, body: '<Error><Code>SignatureDoesNotMatch</Code></Error>' };
    await assert.rejects(open(CREDENTIALS).get('key'), /GET: status 403, SignatureDoesNotMatch\)/);
    assert.equal(seen.length, 1);
  });
});
