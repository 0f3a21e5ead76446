/** What `doctor` says of key and model, asked of real HTTP servers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadConfig } from '../../../src/config.ts';
import type { Check } from '../../../src/doctor/check.ts';
import { checkModel } from '../../../src/doctor/model.ts';

const KEY = 'sk-very-secret';

describe('key and model, as doctor sees them', () => {
  let server: Server;
  let asked: IncomingMessage[];
  let status: number;
  let body: string;

  beforeEach(async () => {
    asked = [];
    server = createServer((request, response) => {
      asked.push(request);
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => server.close());

  const origin = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on TCP

  async function check(
    answer: { status: number; body: unknown },
    changes: Record<string, string> = {},
  ): Promise<Check> {
    ({ status } = answer);
    body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
    const config = loadConfig({ OPENAI_BASE_URL: `${origin()}/v1/`, OPENAI_API_KEY: KEY, ...changes });
    const checks = await checkModel(config, ['small', 'large']);
    assert.ok(!JSON.stringify(checks).includes('secret'), JSON.stringify(checks));
    assert.deepEqual(
      checks.map(({ check: name }) => name),
      ['key', 'model'],
    );
    assert.ok(checks[1]);
    return checks[1];
  }

  const list = (...ids: string[]) => ({ status: 200, body: { object: 'list', data: ids.map((id) => ({ id })) } });

  it('are ok where the server lists every model that the teams ask for, after one request with the key', async () => {
    const found = await check(list('small', 'large', 'other'));
    assert.deepEqual(found, {
      check: 'model',
      status: 'ok',
      detail: `small, large at ${origin()}/v1/models`,
      hint: null,
    });
    assert.deepEqual(
      asked.map(({ method, url, headers }) => [method, url, headers.authorization]),
      [['GET', '/v1/models', `Bearer ${KEY}`]],
    );
  });

  it('are a warning where a model is not listed, with one that is', async () => {
    const found = await check(list('tiny', 'small'));
    assert.equal(found.status, 'warning');
    assert.match(found.detail, /does not list large; it has tiny, small$/);
    assert.match(found.hint ?? '', /export COPILOT_MODEL=tiny$/);
  });

  it('know that COPILOT_MODEL takes the place of the teams’ models', async () => {
    assert.equal((await check(list('tiny'), { COPILOT_MODEL: 'tiny' })).status, 'ok');
    assert.match((await check(list('small', 'large'), { COPILOT_MODEL: 'tiny' })).detail, /does not list tiny/);
  });

  it('are missing where the key is refused; what the server says of the key is not repeated', async () => {
    const found = await check({ status: 401, body: { error: { message: `Incorrect API key provided: ${KEY}` } } });
    assert.equal(found.status, 'missing');
    assert.match(found.detail, /refuses the request \(status 401\)/);
    assert.match(found.hint ?? '', /export OPENAI_API_KEY=/);
  });

  it('are a warning where the server has no list, or no list that can be read', async () => {
    assert.match((await check({ status: 404, body: '' })).detail, /no list of models \(status 404\)/);
    assert.match((await check({ status: 200, body: '<html>' })).detail, /with no list of models/);
    assert.match((await check({ status: 503, body: '' })).detail, /answers with status 503/);
    for (const code of [404, 503]) assert.equal((await check({ status: code, body: '' })).status, 'warning');
  });

  it('are missing where nobody listens, or the address or key cannot be used at all', async () => {
    const closed = await check(list(), { OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' });
    assert.deepEqual([closed.status, /127\.0\.0\.1:1\/v1\/models: /.test(closed.detail)], ['missing', true]);
    const withPassword = await check(list(), { OPENAI_BASE_URL: `${origin().replace('//', '//me:secret@')}/v1` });
    assert.deepEqual(
      [withPassword.status, withPassword.hint],
      ['missing', `Set it without: export OPENAI_BASE_URL=${origin()}/v1`],
    );
    const badKey = await check(list(), { OPENAI_API_KEY: 'secret\nsecret' });
    assert.deepEqual([badKey.status, /check OPENAI_API_KEY/.test(badKey.detail)], ['missing', true]);
    assert.equal(asked.length, 0);
  });

  it('are ok without key and base URL: the offline model, and no request', async () => {
    const checks = await checkModel(loadConfig({}), ['small']);
    assert.deepEqual(
      checks.map(({ status: found }) => found),
      ['ok', 'ok'],
    );
    assert.match(checks[1]?.detail ?? '', /^offline: /);
  });
});
