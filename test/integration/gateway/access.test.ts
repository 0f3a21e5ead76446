/** Who may do what through the gateway. */
import assert from 'node:assert/strict';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { PendingRequest } from '../../../src/client.ts';
import { runCli } from '../../helpers/cli.ts';
import { addKey, Caller, startGatewayProcess, type TestGateway } from '../../helpers/gateway.ts';
import { until } from '../../helpers/history.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import { startWorld, type World } from '../../helpers/world.ts';

const ISSUER = 'https://id.example.org/';
const AUDIENCE = 'copilot';

describe('access to the gateway', function () {
  this.timeout(240_000);
  let world: World;
  let gateway: TestGateway;
  let provider: Server;
  let keys: Awaited<ReturnType<typeof generateKeyPair>>;
  const callers = new Map<string, Caller>();

  before(async () => {
    world = await startWorld();
    const open = ['gateway', '--port', '0', '--host', '0.0.0.0'];
    const refused = await runCli(open, programEnvironment(world.server));
    assert.equal(refused.code, 2);
    assert.match(
      refused.stderr,
      /host 0\.0\.0\.0.*without keys .* this machine only; add a key first: copilot keys add <name>/,
    );
    keys = await generateKeyPair('ES256');
    const jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256' }] };
    provider = createServer((_, response) => response.end(JSON.stringify(jwks))).listen(0, '127.0.0.1');
    await once(provider, 'listening');
    const { port } = provider.address() as AddressInfo; // of a server on a port
    const secrets = new Map<string, string>();
    for (const role of ['user', 'approver', 'operator'] as const) secrets.set(role, await addKey(world, role, role));
    secrets.set('other', await addKey(world, 'other'));
    gateway = await startGatewayProcess(world, 0, {
      COPILOT_GATEWAY_JWKS_URL: `http://127.0.0.1:${port}/keys`,
      COPILOT_GATEWAY_ISSUER: ISSUER,
      COPILOT_GATEWAY_AUDIENCE: AUDIENCE,
    });
    for (const [name, key] of secrets) callers.set(name, new Caller(gateway.url, key));
  });
  after(async () => {
    await gateway.kill();
    provider.close();
    await world.stop();
  });
  beforeEach(() => playTeam(world.model, { files: ['a.txt', 'b.txt'], answer: 'written' }));

  function as(name: string): Caller {
    return callers.get(name) ?? assert.fail(name);
  }

  const status = async (caller: Caller, method: string, path: string, body?: unknown): Promise<number> =>
    (await caller.call(method, path, body)).status;

  async function newSession(owner = 'user', options: object = {}): Promise<string> {
    const { status: code, body } = await as(owner).call<{ id: string }>('POST', '/v1/sessions', options);
    assert.equal(code, 201);
    return body.id;
  }

  it('[G01] without a key that is known nobody gets in, and the file of keys holds no key', async () => {
    const id = await newSession();
    for (const authorization of [undefined, 'Bearer', 'Bearer wrong', 'Basic dXNlcjpwYXNz', 'Bearer cpk_']) {
      const response = await fetch(`${gateway.url}/v1/sessions/${id}`, {
        headers: authorization === undefined ? {} : { authorization },
      });
      assert.equal(response.status, 401, authorization);
      assert.equal(response.headers.get('content-type'), 'application/problem+json');
    }
    const added = await runCli(['keys', 'add', 'short-lived', '--role', 'approver'], programEnvironment(world.server));
    assert.equal(added.code, 0, added.stderr);
    const key = added.stdout.trim();
    const file = join(world.server.homeDir, 'gateway-keys.json');
    assert.ok(!(await readFile(file, 'utf8')).includes(key));
    assert.equal((await stat(file)).mode & 0o077, 0);
    const caller = new Caller(gateway.url, key);
    const me = await caller.call('GET', '/v1/me');
    assert.deepEqual([me.status, me.body], [200, { name: 'short-lived', role: 'approver' }]);
    // As docs/operations.md has keys replaced: both count until the old one is revoked by its id.
    const replacement = new Caller(gateway.url, await addKey(world, 'short-lived'));
    const listed = await runCli(['keys', 'list', '--json'], programEnvironment(world.server));
    const known = JSON.parse(listed.stdout) as { id: string; name: string }[]; // what the command prints
    const old = known.find(({ name }) => name === 'short-lived')?.id ?? '';
    for (const one of [caller, replacement]) assert.equal(await status(one, 'GET', '/v1/me'), 200);
    playTeam(world.model, { answer: 'word '.repeat(2_000), wordDelayMs: 100 });
    const streamed = { model: 'default', stream: true, input: 'Go on' };
    const stream = await fetch(`${gateway.url}/openai/v1/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(streamed),
    });
    assert.equal(stream.status, 200);
    const revoked = await runCli(['keys', 'revoke', old], programEnvironment(world.server));
    assert.equal(revoked.code, 0, revoked.stderr);
    assert.equal(await status(caller, 'GET', '/v1/me'), 401, 'at once');
    assert.equal(await status(replacement, 'GET', '/v1/me'), 200);
    // It would last for more than three minutes.
    assert.doesNotMatch(await stream.text(), /"response\.completed"/, 'a stream that it had opened ends');
  });

  it('a damaged file of keys lets nobody in, and callers are not told where it is', async () => {
    const file = join(world.server.homeDir, 'gateway-keys.json');
    const whole = await readFile(file);
    await writeFile(file, whole.subarray(0, -20));
    try {
      const { status: code, body } = await as('user').call<{ type: string; detail: string }>('GET', '/v1/sessions');
      assert.deepEqual([code, body.type], [500, 'Internal']);
      assert.ok(!body.detail.includes(file), body.detail);
    } finally {
      await writeFile(file, whole);
    }
    assert.equal(await status(as('user'), 'GET', '/v1/sessions'), 200);
  });

  it('[G01] a user sees and changes their own sessions only, and cannot tell those of others from none', async () => {
    const id = await newSession();
    await until(
      'the list has it',
      async () => JSON.stringify((await as('user').call('GET', '/v1/sessions')).body).includes(id) || undefined,
    );
    const other = as('other');
    const paths = ['', '/turns', '/transcript', '/context', '/export', '/requests', '/events', '/followers', '/plan'];
    for (const path of paths) {
      const answers = [id, 'ses_00000000000000000000000000'].map((one) =>
        other.call<{ type: string; detail: string }>('GET', `/v1/sessions/${one}${path}`),
      );
      const [theirs, none] = await Promise.all(answers);
      assert.deepEqual([theirs?.status, theirs?.body.type], [404, 'SessionNotFound'], path);
      assert.deepEqual([none?.status, none?.body.type], [404, 'SessionNotFound'], path);
    }
    for (const [method, path, body] of [
      ['POST', '/messages', { text: 'hi' }],
      ['POST', '/complete', undefined],
      ['POST', '/fork', {}],
      ['PATCH', '/context', { values: { a: 1 } }],
      ['DELETE', '', undefined],
    ] as const) {
      assert.equal(await status(other, method, `/v1/sessions/${id}${path}`, body), 404, path);
    }
    assert.ok(!JSON.stringify((await other.call('GET', '/v1/sessions?user=user')).body).includes(id));
    assert.equal(await status(other, 'POST', '/v1/sessions', { id, ifExists: 'use', message: 'mine now' }), 409);
    assert.equal(await status(other, 'POST', '/v1/sessions', { user: 'user' }), 403);
    assert.equal(await status(other, 'POST', '/v1/sessions', { config: { workspace: '/etc' } }), 403);
    assert.deepEqual(await world.copilot.session(id).turns(), []);
  });

  it('[G01] an approver decides in their own name, and changes nothing else; an operator does everything', async () => {
    const id = await newSession('user', { mode: 'planning-control', config: { approvals: { plan: true } } });
    await as('user').call('POST', `/v1/sessions/${id}/messages?wait=true`, { text: 'write both' });
    const approver = as('approver');
    const { requests } = await until('the inbox has it', async () => {
      const { body } = await approver.call<{ requests: (PendingRequest & { sessionId: string })[] }>(
        'GET',
        '/v1/inbox',
      );
      return body.requests.length > 0 ? body : undefined;
    });
    assert.deepEqual((await as('other').call<{ requests: unknown[] }>('GET', '/v1/inbox')).body.requests, []);
    const [request] = requests;
    assert.equal(request?.sessionId, id);
    assert.equal(await status(approver, 'POST', `/v1/sessions/${id}/messages`, { text: 'hello' }), 403);
    assert.equal(await status(approver, 'DELETE', `/v1/sessions/${id}`), 403);
    const path = `/v1/sessions/${id}/requests/${request?.id}/decision`;
    assert.equal(await status(as('other'), 'POST', path, { decision: 'approve' }), 404);
    assert.equal(await status(approver, 'POST', path, { decision: 'approve', by: 'somebody else' }), 400);
    assert.equal(await status(approver, 'POST', path, { decision: 'approve', digest: '0'.repeat(64) }), 409);
    assert.equal(await status(approver, 'POST', path, { decision: 'approve', digest: request?.digest }), 200);
    const { body: decisions } = await as('user').call<{ verdict: { by: string } }[]>(
      'GET',
      `/v1/sessions/${id}/decisions`,
    );
    assert.deepEqual(
      decisions.map(({ verdict }) => verdict.by),
      ['approver'],
    );
    const { body: turn } = await as('user').call('GET', `/v1/sessions/${id}/turns/turn-1`);
    assert.equal(turn['status'], 'completed');
    assert.equal(await status(as('operator'), 'POST', `/v1/sessions/${id}/messages`, { text: 'hello' }), 202);
    assert.equal(await status(as('operator'), 'DELETE', `/v1/sessions/${id}`), 200);
    assert.equal(await status(as('user'), 'GET', `/v1/sessions/${id}`), 404);
  });

  it('[G01] tokens of the identity provider get in by signature, issuer, audience and time', async () => {
    const token = (changes: { sub?: string; aud?: string; iss?: string; exp?: number; role?: string } = {}) => {
      const jwt = new SignJWT(changes.role === undefined ? {} : { copilot_role: changes.role })
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .setIssuer(changes.iss ?? ISSUER)
        .setAudience(changes.aud ?? AUDIENCE)
        .setExpirationTime(changes.exp ?? Math.floor(Date.now() / 1_000) + 3_600);
      return jwt.setSubject(changes.sub ?? 'grace');
    };
    const tried = async (jwt: string): Promise<number> => status(new Caller(gateway.url, jwt), 'GET', '/v1/sessions');
    assert.equal(await tried(await token().sign(keys.privateKey)), 200);
    const stranger = await generateKeyPair('ES256');
    const bad = [
      await token().sign(stranger.privateKey),
      await token({ aud: 'another' }).sign(keys.privateKey),
      await token({ iss: 'https://evil.example/' }).sign(keys.privateKey),
      await token({ exp: 1_000 }).sign(keys.privateKey),
      await token({ role: 'root' }).sign(keys.privateKey),
      await token({ sub: 'x'.repeat(201) }).sign(keys.privateKey),
      await token({ sub: 'grace\n' }).sign(keys.privateKey),
      await new SignJWT({})
        .setProtectedHeader({ alg: 'HS256', kid: 'one' })
        .setSubject('grace')
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setExpirationTime('1h')
        .sign(new TextEncoder().encode('a secret of thirty-two bytes ....')),
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(
        JSON.stringify({ sub: 'grace', iss: ISSUER, aud: AUDIENCE, exp: 9_999_999_999 }),
      ).toString('base64url')}.`,
    ];
    for (const jwt of bad) assert.equal(await tried(jwt), 401, jwt);
    const grace = new Caller(gateway.url, await token().sign(keys.privateKey));
    const { body } = await grace.call<{ id: string; user: string }>('POST', '/v1/sessions', {});
    assert.equal(body.user, 'grace');
    assert.equal(await status(as('user'), 'GET', `/v1/sessions/${body.id}`), 404);
    const operator = new Caller(gateway.url, await token({ sub: 'root', role: 'operator' }).sign(keys.privateKey));
    assert.equal(await status(operator, 'GET', `/v1/sessions/${body.id}`), 200);
  });

  it('bodies that are too large, no JSON or of another type are refused, and a page of another origin reads nothing', async () => {
    const id = await newSession();
    const user = as('user');
    assert.equal(
      await status(user, 'POST', `/v1/sessions/${id}/messages`, { text: 'x'.repeat(33 * 1024 * 1024) }),
      413,
    );
    assert.equal(await status(user, 'POST', `/v1/sessions/${id}/messages`, { text: 'hi', extra: 1 }), 400);
    assert.equal(await status(user, 'POST', `/v1/sessions/${id}/messages`, {}), 400);
    assert.equal(await status(user, 'GET', `/v1/sessions?limit=many`), 400);
    assert.equal(await status(user, 'GET', `/v1/sessions/${encodeURIComponent('../../etc/passwd')}`), 400);
    assert.equal(await status(user, 'GET', '/v1/nothing'), 404);
    const post = async (body: string, type: string): Promise<Response> =>
      fetch(`${gateway.url}/v1/sessions`, { method: 'POST', body, headers: { 'content-type': type } });
    assert.equal((await post('{}', 'text/plain')).status, 401);
    const preflight = await fetch(`${gateway.url}/v1/sessions`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' },
    });
    assert.equal(preflight.headers.get('access-control-allow-origin'), null);
    assert.equal(preflight.headers.get('x-frame-options'), 'DENY');
    const slow = httpRequest(`${gateway.url}/v1/sessions`, { method: 'POST', headers: { 'content-length': '100' } });
    slow.on('error', () => undefined).write('{');
    assert.equal(await status(user, 'GET', '/v1/sessions'), 200, 'a slow body holds nobody up');
    slow.destroy();
  });
});
