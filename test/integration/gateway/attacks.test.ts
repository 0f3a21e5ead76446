/** What people who have a key, and pages that have none, try against others. Real server, worker and gateway. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { PendingRequest } from '../../../src/client.ts';
import type { Gateway } from '../../../src/gateway/gateway.ts';
import { KeyStore } from '../../../src/gateway/principals/key-file.ts';
import { Caller, sendRaw, startGatewayHere } from '../../helpers/gateway.ts';
import { until } from '../../helpers/history.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { startWorld, type World } from '../../helpers/world.ts';

const JSON_TYPE = 'application/json';

type Name = 'ada' | 'bob' | 'approver' | 'operator';
interface Api {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly requestBody?: object }>>>>;
}

describe('attacks on the gateway', function () {
  this.timeout(240_000);
  let world: World;
  let gateway: Gateway;
  const keys = new Map<Name, string>();
  /** Of ada, with a turn and a file. */
  let hers: string;

  before(async () => {
    world = await startWorld();
    playTeam(world.model, { answer: 'a secret answer' });
    const store = new KeyStore(world.server.homeDir);
    for (const name of ['ada', 'bob', 'approver', 'operator'] as const) {
      const role = name === 'ada' || name === 'bob' ? 'user' : name;
      keys.set(name, (await store.add(name, role)).key);
    }
    gateway = await startGatewayHere(world);
    hers = await newSession('ada', { name: 'her own' });
    await as('ada').call('POST', `/v1/sessions/${hers}/messages?wait=true`, { text: 'a secret question' });
    await send('ada', 'PUT', `/v1/sessions/${hers}/files/a.txt`, 'a secret file');
  });
  after(async () => {
    await gateway.close();
    await world.stop();
  });

  const keyOf = (name: Name): string => keys.get(name) ?? assert.fail(name);
  const as = (name: Name): Caller => new Caller(gateway.url, keyOf(name));

  /** With a body as it is. */
  async function send(name: Name, method: string, path: string, body: string, type = JSON_TYPE): Promise<Response> {
    const headers = { authorization: `Bearer ${keyOf(name)}`, 'content-type': type };
    return await fetch(`${gateway.url}${path}`, { method, headers, body });
  }

  async function newSession(name: Name, options: object = {}): Promise<string> {
    const { status, body } = await as(name).call<{ id: string }>('POST', '/v1/sessions', options);
    assert.equal(status, 201, JSON.stringify(body));
    return body.id;
  }

  /** @returns the first line of the answer */
  async function sendLine(line: string, headers: readonly string[] = [], host = 'gateway'): Promise<string> {
    const all = [`${line} HTTP/1.1`, `Host: ${host}`, `Authorization: Bearer ${keyOf('bob')}`, ...headers, '', ''];
    return await sendRaw(gateway.url, all.join('\r\n'));
  }

  it('every operation on the session of somebody else is refused as if there were none, and to an approver if it changes it', async () => {
    const { body: api } = await as('bob').call<Api>('GET', '/openapi.json');
    let count = 0;
    for (const [template, operations] of Object.entries(api.paths)) {
      if (!template.startsWith('/v1/sessions/{id}')) continue;
      const values: Record<string, string> = { id: hers, path: 'a.txt', turnId: 'turn-1', snapshot: 'latest' };
      const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? 'x');
      for (const [method, { requestBody }] of Object.entries(operations)) {
        const body = requestBody ? {} : undefined;
        const { status, body: problem } = await as('bob').call(method.toUpperCase(), path, body);
        assert.deepEqual([status, problem['type']], [404, 'SessionNotFound'], `${method} ${path}`);
        count++;
        if (method === 'get' || template.endsWith('/decision')) continue;
        const changing = await as('approver').call(method.toUpperCase(), path, body);
        assert.deepEqual([changing.status, changing.body['type']], [403, 'Forbidden'], `${method} ${path}`);
      }
    }
    assert.ok(count > 40, `${count} operations`);
    const message = { id: 'm1', role: 'user', parts: [{ type: 'text', text: 'hello' }], content: 'hello' };
    const response = `resp_${hers}.0.turn-1`;
    for (const [method, path, body] of [
      ['GET', `conversations/conv_${hers}`],
      ['POST', `conversations/conv_${hers}`, { metadata: {} }],
      ['DELETE', `conversations/conv_${hers}`],
      ['GET', `conversations/conv_${hers}/items`],
      ['POST', `conversations/conv_${hers}/items`, { items: [message] }],
      ['GET', `conversations/conv_${hers}/items/msg_0`],
      ['GET', `responses/${response}`],
      ['GET', `responses/${response}?stream=true`],
      ['GET', `responses/${response}/input_items`],
      ['POST', `responses/${response}/cancel`],
      ['POST', 'responses', { input: 'hello', conversation: `conv_${hers}` }],
      ['POST', 'responses', { input: 'hello', previous_response_id: response }],
      ['POST', '../../ai-sdk/chat', { id: hers, messages: [message] }],
      ['GET', `../../ai-sdk/chat/${hers}/stream`],
      ['POST', '../../ag-ui', { threadId: hers, runId: 'run', messages: [message] }],
    ] as const) {
      const answer = await as('bob').call(method, `/openai/v1/${path}`, body);
      assert.equal(answer.status, 404, `${method} ${path}`);
      assert.ok(!JSON.stringify(answer.body).includes('secret'), path);
    }
    assert.equal((await world.copilot.session(hers).turns()).length, 1);
  });

  it('a filter or a cursor shows nobody the sessions of others', async () => {
    const listed = async (name: Name, query: string): Promise<string> =>
      JSON.stringify((await as(name).call('GET', `/v1/sessions?${query}`)).body);
    await until('the list has it', async () => (await listed('ada', '')).includes(hers) || undefined);
    const injected = `x' OR CopilotUser = 'ada' OR CopilotUser = 'x`;
    for (const [key, value] of [
      ['user', 'ada'],
      ['user', injected],
      ['name', 'her own'],
      ['name', injected],
      ['namePrefix', 'her'],
      ['namePrefix', injected],
      ['mode', `\\' OR ''='`],
      ['after', Buffer.from('{"user":"ada"}').toString('base64url')],
    ] as const) {
      const query = new URLSearchParams([[key, value]]).toString();
      assert.ok(!(await listed('bob', query)).includes(hers), query);
    }
    const { body: counts } = await as('bob').call('GET', '/v1/counts?user=ada');
    assert.deepEqual(new Set(Object.values(counts)), new Set([0]));

    const cursors: string[] = [];
    for await (const { id } of as('ada').events(hers, { query: '?from=0' })) {
      cursors.push(id);
      if (cursors.length === 3) break;
    }
    const his = await newSession('bob');
    for (const lastId of cursors) {
      const headers = { authorization: `Bearer ${keyOf('bob')}`, 'last-event-id': lastId };
      const answer = await fetch(`${gateway.url}/v1/sessions/${his}/events`, { headers });
      assert.deepEqual([answer.status, ((await answer.json()) as { type: string }).type], [400, 'InvalidInput']);
    }
  });

  it('the name of a conversation leads nobody into a session that somebody else began under its id', async () => {
    const hash = (...parts: string[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex');
    const chat = `chat_${hash('ada', 'main').slice(0, 32)}`;
    assert.equal((await as('bob').call('POST', '/v1/sessions', { id: chat })).status, 400);
    assert.equal(
      (await as('bob').call('POST', `/v1/sessions/${await newSession('bob')}/fork`, { id: chat })).status,
      400,
    );
    // Programs with a client of their own choose any id.
    await world.copilot.create({ user: 'bob', id: chat });
    const begin = `chat_${hash('ada', 'default', 'hello').slice(0, 24)}`;
    const { id: completions } = await world.copilot.create({ user: 'bob', id: `${begin}_0` });
    const said = [
      { role: 'user', text: 'hello' },
      { role: 'assistant', text: 'hi' },
    ];
    const saved = await as('bob').call('PUT', `/v1/sessions/${completions}/saved`, {
      conversation: said,
      context: {},
      phase: null,
      step: null,
    });
    assert.equal(saved.status, 200, JSON.stringify(saved.body));

    const message = { id: 'm1', role: 'user', parts: [{ type: 'text', text: 'secret' }], content: 'secret' };
    const ada = as('ada');
    assert.equal((await ada.call('POST', '/ai-sdk/chat', { id: 'main', messages: [message] })).status, 404);
    assert.equal((await ada.call('POST', '/ag-ui', { threadId: 'main', runId: 'r', messages: [message] })).status, 404);
    const { body } = await ada.call('POST', '/openai/v1/chat/completions', {
      messages: [...said.map(({ role, text: content }) => ({ role, content })), { role: 'user', content: 'secret' }],
    });
    assert.equal(body['id'], `chatcmpl-${begin}_1`, JSON.stringify(body));
    for (const id of [chat, completions]) assert.deepEqual(await world.copilot.session(id).turns({ from: 1 }), [], id);
  });

  it('an approver decides by a protocol, and says nothing in the name of the owner beside it', async () => {
    playTeam(world.model, { files: ['a.txt', 'b.txt'], answer: 'written' });
    const id = await newSession('ada', { mode: 'planning-control', config: { approvals: { plan: true } } });
    await as('ada').call('POST', `/v1/sessions/${id}/messages?wait=true`, { text: 'write both' });
    const { body: requests } = await as('ada').call<PendingRequest[]>('GET', `/v1/sessions/${id}/requests`);
    const [request] = requests;
    assert.ok(request);
    const approval = {
      type: 'mcp_approval_response',
      approval_request_id: `ask_${request.id}.${request.digest}`,
      approve: true,
    };
    const respond = async (...input: object[]): Promise<number> =>
      (await as('approver').call('POST', '/openai/v1/responses', { input, conversation: `conv_${id}` })).status;
    assert.equal(await respond(approval, { role: 'user', content: 'and send it to me' }), 403);
    assert.equal((await world.copilot.session(id).requests()).length, 1, 'it waits as before');
    assert.equal(await respond(approval), 200);
    const [decision] = await world.copilot.session(id).decisions();
    assert.equal(decision?.verdict.by, 'approver');
    assert.equal((await world.copilot.session(id).turns()).length, 1);
  });

  it('a body sets nothing that its caller may not set', async () => {
    const his = await newSession('bob');
    const { body: file } = await as('bob').call<{ session: object }>('GET', `/v1/sessions/${his}/export`);
    const granting = {
      ...file,
      session: { ...file.session, user: 'ada', config: { workspace: '/etc', allowCode: true } },
    };
    const { status, body: imported } = await as('bob').call('POST', '/v1/imports', { file: granting });
    assert.equal(status, 201, JSON.stringify(imported));
    const { user, config } = await world.copilot.session(String(imported['id'])).info();
    assert.deepEqual([user, config.workspace, config.allowCode], ['bob', undefined, undefined]);
    const polluted = JSON.parse('{"value":{"a":{"__proto__":{"b":1}}}}') as unknown;
    for (const [method, path, body, expected] of [
      ['POST', '/v1/sessions', { user: 'ada' }, 403],
      ['POST', '/v1/sessions', { config: { workspace: '/etc' } }, 403],
      ['POST', '/v1/sessions', { attach: ['/etc/passwd'] }, 400],
      ['POST', '/v1/sessions', { by: 'ada' }, 400],
      ['POST', '/v1/sessions', { team: '../../etc/passwd' }, 400],
      ['POST', '/v1/imports', { file, user: 'ada' }, 400],
      ['POST', '/v1/imports', { file, trust: true }, 400],
      ['POST', '/v1/imports', { file, id: hers }, 409],
      ['POST', `/v1/sessions/${his}/fork`, { user: 'ada' }, 400],
      ['POST', `/v1/sessions/${his}/fork`, { config: { workspace: '/etc' } }, 403],
      ['POST', `/v1/sessions/${his}/fork`, { id: hers }, 409],
      ['PATCH', `/v1/sessions/${his}/config`, { workspace: '/etc' }, 400],
      ['POST', `/v1/sessions/${his}/ratings`, { rating: 5, by: 'ada' }, 400],
      ['POST', `/v1/sessions/${his}/messages`, { text: 'read it', files: ['/etc/passwd'] }, 404],
      ['PUT', `/v1/sessions/${his}/context/values/__proto__`, { value: 1 }, 400],
      ['PUT', `/v1/sessions/${his}/context/values/k`, polluted, 400],
      ['PUT', `/v1/sessions/${his}/context/values/${'k'.repeat(9_000)}`, { value: 1 }, 400],
      ['POST', '/v1/webhooks', { url: 'https://1.1.1.1/', all: true }, 403],
    ] as const) {
      const answer = await as('bob').call(method, path, body);
      assert.equal(answer.status, expected, `${method} ${path} ${JSON.stringify(answer.body)}`);
    }
  });

  it('webhooks lead to no private address, and nobody finds those of others', async () => {
    for (const url of [
      'https://127.0.0.1:7233/',
      'https://[::ffff:127.0.0.1]/',
      'https://[::ffff:a9fe:a9fe]/latest/meta-data',
      'https://[64:ff9b::7f00:1]/',
      'https://2130706433/',
      'https://0177.0.0.1/',
      'https://localhost./',
      'https://①②⑦.0.0.1/',
      'http://1.1.1.1/',
      'gopher://1.1.1.1/',
    ]) {
      const { status, body } = await as('bob').call('POST', '/v1/webhooks', { url });
      assert.equal(status, 400, `${url} ${JSON.stringify(body)}`);
    }
    const { status, body } = await as('ada').call('POST', '/v1/webhooks', { url: 'https://1.1.1.1/' });
    assert.equal(status, 201, JSON.stringify(body));
    const path = `/v1/webhooks/${String(body['id'])}`;
    for (const operation of ['GET ', 'DELETE ', 'POST /secret', 'POST /test']) {
      const [method = '', part = ''] = operation.split(' ');
      for (const name of ['bob', 'approver'] as const) {
        assert.equal((await as(name).call(method, `${path}${part}`)).status, 404, `${name} ${method} ${part}`);
      }
    }
    assert.equal((await as('ada').call('DELETE', path)).status, 200);
  });

  it('no id leads out of the sessions, and none comes back as a header', async () => {
    const ids = [
      '%2e%2e%2f',
      '..%5c',
      'a%2fb',
      'copilot-webhooks%2fof%2fada',
      '%00',
      '%ff',
      'x'.repeat(10_000),
      '__proto__',
    ];
    for (const id of [...ids, `ѕ${hers.slice(1)}`, `${hers}%0d%0ax-evil:%201`, '%3Cscript%3E', "'%20OR%20''='"]) {
      for (const [method, path] of [
        ['GET', `/v1/sessions/${id}`],
        ['DELETE', `/v1/sessions/${id}`],
        ['GET', `/v1/sessions/${id}/files/a.txt`],
        ['GET', `/openai/v1/conversations/conv_${id}`],
        ['GET', `/openai/v1/responses/resp_${id}.0.turn-1`],
      ] as const) {
        const headers = { authorization: `Bearer ${keyOf('operator')}` };
        const answer = await fetch(`${gateway.url}${path}`, { method, headers });
        assert.ok([400, 404].includes(answer.status), `${method} ${path}: ${answer.status}`);
        assert.match(answer.headers.get('content-type') ?? '', /json/);
        assert.equal(answer.headers.get('x-evil'), null);
      }
    }
  });

  it('a body that is broken, endless, deep or false in its length is refused, and the gateway goes on', async () => {
    const his = await newSession('bob');
    const files = `/v1/sessions/${his}/files`;
    const part = (name: string): string =>
      `--b\r\ncontent-disposition: form-data; name="f"; filename="${name}"\r\n\r\nx\r\n`;
    const forms = [
      part('cut.txt'),
      part('cut.txt').slice(0, -4),
      'no part',
      `${part('..')}--b--`,
      Array.from({ length: 3_000 }, () => part('many.txt')).join(''),
      Array.from({ length: 3_000 }, () => part('field').replace('; filename="field"', '')).join(''),
    ];
    for (const form of forms) {
      const answer = await send('bob', 'POST', files, form, 'multipart/form-data; boundary=b');
      assert.equal(answer.status, 400, `${form.slice(0, 80)} ${await answer.text()}`);
    }
    const nest = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
    for (const [method, path, body] of [
      ['PATCH', `/v1/sessions/${his}/context`, `{"values":{"a":${nest(100_000)}}}`],
      ['PATCH', `/v1/sessions/${his}/context`, '{"values":{"__proto__":{"a":1}}}'],
      ['POST', '/v1/imports', `{"file":${nest(100_000)}}`],
      ['POST', '/v1/sessions', `{"context":{"a":${nest(100_000)}}}`],
      ['POST', '/openai/v1/responses', `{"input":${nest(100_000)}}`],
      [
        'POST',
        '/ag-ui',
        `{"threadId":"t","runId":"r","messages":[{"id":"m","role":"user","content":${nest(100_000)}}]}`,
      ],
    ] as const) {
      assert.equal((await send('bob', method, path, body)).status, 400, `${path} ${body.slice(0, 60)}`);
    }
    for (const url of ['http://169.254.169.254/latest/meta-data', 'file:///etc/passwd', '//169.254.169.254/']) {
      const content = [{ type: 'input_image', image_url: url }];
      const answer = await as('bob').call('POST', '/openai/v1/responses', { input: [{ role: 'user', content }] });
      assert.equal(answer.status, 400, url);
    }
    const json = 'Content-Type: application/json';
    const twoLengths = [json, 'Content-Length: 4', 'Transfer-Encoding: chunked'];
    assert.match(await sendLine('POST /v1/sessions', twoLengths), / 400 /);
    assert.match(await sendLine('POST /v1/sessions', [json, 'Content-Length: 99999999999']), / 413 /);
    assert.match(await sendLine('GET /v1/me', [`x: ${'y'.repeat(20_000)}`]), / 431 /);
    assert.match(await sendLine('GET /v1/me', [], 'x@evil/y?'), / 400 /);
    assert.equal((await as('bob').call('GET', '/v1/me')).status, 200);
    assert.deepEqual((await as('bob').call('GET', files)).body, []);
  });

  it('no page of another origin reads, frames or sends anything', async () => {
    const authorization = `Bearer ${keyOf('ada')}`;
    const origin = 'https://evil.example';
    for (const path of [
      '/',
      '/login?code=x',
      '/healthz',
      '/openapi.json',
      '/v1/nothing',
      '/v1/me',
      `/v1/sessions/${hers}/events?from=0`,
      `/v1/sessions/${hers}/files/a.txt`,
      '/openai/v1/models/%3Cscript%3E',
      '/openai/v1/nothing',
    ]) {
      for (const headers of [{ authorization, origin }, { origin }]) {
        const leave = new AbortController();
        const answer = await fetch(`${gateway.url}${path}`, { headers, redirect: 'manual', signal: leave.signal });
        assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'.*frame-ancestors 'none'/);
        assert.equal(answer.headers.get('x-frame-options'), 'DENY', path);
        assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', path);
        assert.equal(answer.headers.get('cross-origin-resource-policy'), 'same-origin', path);
        assert.deepEqual(
          [...answer.headers.keys()].filter((name) => name.startsWith('access-control')),
          [],
          path,
        );
        leave.abort();
      }
    }
    const cookie = `copilot-${new URL(gateway.url).port}=${keyOf('ada')}`;
    const from = async (headers: Record<string, string>, method = 'POST'): Promise<number> => {
      const init = method === 'POST' ? { body: '{}' } : {};
      const all = { cookie, 'content-type': 'application/json', ...headers };
      return (await fetch(`${gateway.url}/v1/sessions`, { method, headers: all, ...init })).status;
    };
    assert.equal(await from({ origin: gateway.url, 'sec-fetch-site': 'same-origin' }), 201);
    for (const headers of [
      { origin },
      { origin: 'null' },
      { 'sec-fetch-site': 'same-site', origin: gateway.url },
      {},
    ]) {
      assert.equal(await from(headers), 403, JSON.stringify(headers));
    }
    assert.equal(await from({ 'sec-fetch-site': 'cross-site' }, 'GET'), 403);
    const login = await fetch(`${gateway.url}/v1/login`, {
      method: 'POST',
      headers: { origin, 'content-type': 'application/json' },
      body: JSON.stringify({ key: keyOf('bob') }),
    });
    assert.deepEqual([login.status, login.headers.getSetCookie()], [403, []]);
  });
});
