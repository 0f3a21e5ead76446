/** How a browser gets in, and which of its requests count. Real gateway, plain HTTP. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { addKey, startGatewayProcess, type TestGateway } from '../../helpers/gateway.ts';
import { startWorld, type World } from '../../helpers/world.ts';

describe('signing in to the page', function () {
  this.timeout(240_000);
  let world: World;
  let gateway: TestGateway;

  before(async () => {
    world = await startWorld({ workers: 0 });
    gateway = await startGatewayProcess(world);
  });
  after(async () => {
    await gateway?.kill();
    await world?.stop();
  });

  interface Answered {
    readonly status: number;
    readonly headers: Readonly<Record<string, string | string[] | undefined>>;
    readonly body: string;
  }

  /** As `fetch`, which sets `Host` and `Origin` by itself. */
  async function call(
    path: string,
    headers: Record<string, string> = {},
    method = 'GET',
    body = '',
  ): Promise<Answered> {
    return await new Promise((resolve, reject) => {
      const sent = request(`${gateway.url}${path}`, { method, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      });
      sent.on('error', reject).end(body);
    });
  }

  const pathOf = (link: string): string => link.slice(new URL(link).origin.length);
  const cookieOf = ({ headers }: Answered): string => (headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '';

  async function signedIn(): Promise<string> {
    const link = /"link":"([^"]+)"/.exec(gateway.cli.stdout())?.[1] ?? assert.fail();
    const newer = /Another browser: (\S+)/g;
    const links = [link, ...[...gateway.cli.stderr().matchAll(newer)].map(([, one = '']) => one)];
    return cookieOf(await call(pathOf(links.at(-1) ?? '')));
  }

  it('the link works once, for an operator of this machine, with a cookie that no script and no other site gets', async () => {
    const path = pathOf(gateway.link ?? assert.fail('there is a link without keys'));
    assert.equal((await call('/login?code=wrong')).headers['set-cookie'], undefined);
    const first = await call(path);
    assert.equal(first.status, 303);
    assert.equal(first.headers['location'], '/');
    const [cookie = ''] = first.headers['set-cookie'] ?? [];
    assert.match(cookie, /; HttpOnly/);
    assert.match(cookie, /; SameSite=Strict/);
    const me = await call('/v1/me', { cookie: cookieOf(first) });
    assert.deepEqual(JSON.parse(me.body), { name: 'local', role: 'operator' });
    assert.equal((await call(path)).headers['set-cookie'], undefined, 'once');
    assert.equal((await call('/v1/me')).status, 401);
    assert.notEqual(await signedIn(), '', 'the terminal names the next link');
    assert.equal((await stat(join(world.server.homeDir, 'gateway-local-secret'))).mode & 0o077, 0);
  });

  it('stays signed in when the gateway is started again', async () => {
    const cookie = await signedIn();
    const { port } = new URL(gateway.url);
    await gateway.kill();
    gateway = await startGatewayProcess(world, Number(port));
    assert.equal((await call('/v1/me', { cookie })).status, 200);
  });

  it('a name that another server resolves to this machine gets no answer', async () => {
    const cookie = await signedIn();
    for (const host of ['evil.example', 'evil.example:80', '127.0.0.1.evil.example', 'localhost.evil.example']) {
      assert.equal((await call('/', { host })).status, 403, host);
      assert.equal((await call('/v1/me', { host, cookie })).status, 403, host);
      assert.equal((await call(pathOf(gateway.link ?? ''), { host })).headers['set-cookie'], undefined, host);
    }
    const { port } = new URL(gateway.url);
    for (const host of ['localhost', '127.0.0.1', '[::1]']) {
      assert.equal((await call('/v1/me', { host: `${host}:${port}`, cookie })).status, 200, host);
    }
  });

  it('the cookie counts for the own page only: not for another site, nor another port of this machine', async () => {
    const cookie = await signedIn();
    const { origin, host, port } = new URL(gateway.url);
    const json = { cookie, 'content-type': 'application/json' };
    const start = async (headers: Record<string, string>): Promise<number> =>
      (await call('/v1/sessions', { ...json, ...headers }, 'POST', '{"message":""}')).status;
    const refused = [
      {},
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${Number(port) + 1}` },
      { origin: `http://localhost:${port}` },
      { origin, 'sec-fetch-site': 'same-site' },
      { origin, 'sec-fetch-site': 'cross-site' },
    ];
    for (const headers of refused) assert.equal(await start(headers), 403, JSON.stringify(headers));
    // The body is wrong, so the request has got in.
    assert.equal(await start({ origin, 'sec-fetch-site': 'same-origin' }), 400);
    assert.equal((await call('/v1/me', { cookie, 'sec-fetch-site': 'same-site' })).status, 403, host);
    assert.equal((await call('/v1/logout', { cookie, origin: 'https://evil.example' }, 'POST')).status, 403);
  });

  it('nothing frames the page, and it loads nothing but its own files', async () => {
    for (const path of ['/', '/v1/me', '/nothing']) {
      const { headers } = await call(path);
      const policy = String(headers['content-security-policy']);
      assert.match(policy, /frame-ancestors 'none'/, path);
      assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/, path);
      assert.doesNotMatch(policy, /unsafe|\*|https?:/, path);
      assert.equal(headers['x-frame-options'], 'DENY', path);
      assert.match(String(headers['cache-control']), path === '/' ? /^no-cache$/ : /^no-store$/, path);
      assert.equal(headers['x-content-type-options'], 'nosniff', path);
      assert.equal(headers['referrer-policy'], 'no-referrer', path);
    }
    const { body } = await call('/');
    assert.doesNotMatch(body, /<script(?![^>]*\bsrc=)|<style|\son\w+=|style=/, 'nothing inline');
    assert.equal((await call('/assets/..%2f..%2fpackage.json')).status, 404);
    // The paths are as a browser would never send them.
    assert.equal((await call('/assets/%2e%2e/%2e%2e/package.json')).status, 404);
  });

  it('with keys there is no link: a key becomes the cookie, and revoking it signs the browser out', async () => {
    await gateway.kill();
    const key = await addKey(world, 'ada');
    gateway = await startGatewayProcess(world);
    assert.equal(gateway.link, undefined);
    const json = { 'content-type': 'application/json' };
    const { origin } = new URL(gateway.url);
    const login = async (given: string, from = origin): Promise<Answered> =>
      call('/v1/login', { ...json, origin: from }, 'POST', JSON.stringify({ key: given }));
    assert.equal((await login('cpk_wrong')).status, 401);
    assert.equal((await login(key, 'https://evil.example')).status, 403);
    const cookie = cookieOf(await login(key));
    assert.deepEqual(JSON.parse((await call('/v1/me', { cookie })).body), { name: 'ada', role: 'user' });
    const out = await call('/v1/logout', { cookie, origin }, 'POST');
    assert.match(out.headers['set-cookie']?.[0] ?? '', /Max-Age=0/);
    assert.equal((await call('/v1/me', { cookie: `${cookie}x` })).status, 401);
  });
});
