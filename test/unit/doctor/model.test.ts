/** What `doctor` says of key and models, asked of real HTTP servers. */
import assert from 'node:assert/strict';
import { loadConfig } from '../../../src/config.ts';
import type { CopilotConfig } from '../../../src/config-file.ts';
import type { Check } from '../../../src/doctor/check.ts';
import { checkModels } from '../../../src/doctor/model.ts';
import { aiSdk, type AiSdkProvider } from '../../../src/models/ai-sdk/provider.ts';
import { type ApiAnswer, type ApiRequest, type ApiServer, startApiServer } from '../../helpers/api-server.ts';
import { failed, said, toolCall } from '../../helpers/chat-answers.ts';

const KEY = 'very-secret-key';

describe('key and models, as doctor sees them', () => {
  let server: ApiServer;
  let respond: (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>;

  beforeEach(async () => {
    server = await startApiServer((request) => respond(request));
  });
  afterEach(() => server.close());

  async function check(
    given: typeof respond,
    { env = {}, file = {}, wanted = ['small'], trialMs = 60_000 }: CheckOptions = {},
  ): Promise<Check[]> {
    respond = given;
    const config = loadConfig({ OPENAI_BASE_URL: `${server.url}/v1/`, OPENAI_API_KEY: KEY, ...env });
    const checks = await checkModels(config, wanted, { file, trialMs });
    assert.ok(!JSON.stringify(checks).includes('secret'), JSON.stringify(checks));
    return checks;
  }

  /** The one check that is not about the key. */
  async function only(given: typeof respond, options?: CheckOptions): Promise<Check> {
    const checks = await check(given, options);
    const [found, ...others] = checks.filter((one) => one.check !== 'key');
    assert.ok(found !== undefined && others.length === 0, JSON.stringify(checks));
    return found;
  }

  /** Calls the tool and fills in the form. */
  const able = ({ body }: ApiRequest): ApiAnswer =>
    body.tools
      ? said({ content: null, tool_calls: [toolCall('{"a":17,"b":25}', 'add')] })
      : said({ content: '{"sum":42}' });

  const models = (...ids: string[]): ApiAnswer => ({ body: { object: 'list', data: ids.map((id) => ({ id })) } });

  it('[M19] each model gets one small tool call and one form, and its dialect is told on one line', async () => {
    const checks = await check(able, { wanted: ['small', 'large', 'small'] });
    assert.deepEqual(checks, [
      { check: 'key', status: 'ok', detail: 'OPENAI_API_KEY is set', hint: null },
      ...['small', 'large'].map((name) => ({
        check: `model ${name}`,
        status: 'ok',
        detail: `chat completions at ${server.url}/v1: tool calls native, forms by schema`,
        hint: null,
      })),
    ]);
    assert.deepEqual(
      server.requests.map(({ path, headers, body }) => [
        path,
        headers.authorization,
        body.model,
        body.max_tokens <= 2_000,
      ]),
      ['small', 'small', 'large', 'large'].map((name) => ['/v1/chat/completions', `Bearer ${KEY}`, name, true]),
    );
  });

  it('[M19] what a server gave up is told: calls in text, forms by prompt, parameters', async () => {
    const found = await only(({ body }) => {
      if ('response_format' in body) return failed(400, { error: { message: 'response_format is not available' } });
      if ('stream_options' in body) return failed(422, { detail: 'Extra inputs are not permitted: stream_options' });
      return body.tools
        ? said({ content: '<tool_call>{"name":"add","arguments":{"a":17,"b":25}}</tool_call>' })
        : said({ content: 'Here it is:\n```json\n{"sum": "42",}\n```' });
    });
    assert.deepEqual(
      [found.status, found.detail],
      ['ok', `chat completions at ${server.url}/v1: tool calls written in text, forms by the prompt; gave up usage`],
    );
  });

  it('[M19] a model that calls nothing, or writes no JSON, is a warning with what it said', async () => {
    const found = await only(() => said({ content: 'I am\na poet. '.repeat(40) }));
    assert.equal(found.status, 'warning');
    assert.match(
      found.detail,
      /made no tool call, but said "I am a poet\. .{90,120}…"; its JSON cannot be read: "I am/,
    );
    assert.match(found.hint ?? '', /export COPILOT_MODEL=/);
    const endless = await only(() => said({ content: '' }, 'length'));
    assert.match(endless.detail, /said more than 2000 tokens/);
  });

  it('COPILOT_MODEL takes the place of the models of teams', async () => {
    assert.equal((await only(able, { env: { COPILOT_MODEL: 'tiny' } })).check, 'model tiny');
    assert.deepEqual(new Set(server.requests.map(({ body }) => body.model)), new Set(['tiny']));
  });

  const errors: Record<string, { given: ApiAnswer; status: Check['status']; detail: RegExp; hint: RegExp }> = {
    'a wrong key, which the server repeats': {
      given: failed(401, { error: { message: `Incorrect API key provided: ${KEY}` } }),
      status: 'missing',
      detail: /Incorrect API key provided: …/,
      hint: /^Set the right key: export OPENAI_API_KEY=/,
    },
    'no credit': {
      given: failed(429, { error: { message: 'x', type: 'insufficient_quota' } }),
      status: 'missing',
      detail: /x$/,
      hint: /Add credit/,
    },
    'a login page': {
      given: { headers: { 'content-type': 'text/html' }, body: '<!DOCTYPE html><html>Log in</html>' },
      status: 'missing',
      detail: /page of HTML/,
      hint: /export OPENAI_BASE_URL=/,
    },
    'an address that is none': {
      given: failed(404, 'page not found'),
      status: 'missing',
      detail: /page not found/,
      hint: /export OPENAI_BASE_URL=/,
    },
    'a rate limit': {
      given: failed(429, { error: { message: 'Rate limit reached' } }),
      status: 'warning',
      detail: /429 Rate limit reached/,
      hint: /copilot doctor$/,
    },
    'too little memory': {
      given: failed(500, { error: { message: 'model requires more system memory' } }),
      status: 'missing',
      detail: /more system memory/,
      hint: /smaller model/,
    },
  };
  for (const [name, { given, status, detail, hint }] of Object.entries(errors)) {
    it(`[M19] ${name}: one request, and what to do`, async () => {
      const found = await only(() => given);
      assert.equal(found.status, status, found.detail);
      assert.match(found.detail, detail);
      assert.match(found.hint ?? '', hint);
      assert.equal(server.requests.length, 1);
    });
  }

  it('[M19] a model that does not exist is missing, with those that do', async () => {
    const missing = failed(404, { error: { message: "model 'small' not found" } });
    const found = await only(({ path }) => (path === '/v1/models' ? models('a', 'b', 'c', 'd', 'e', 'f') : missing));
    assert.deepEqual(
      [found.status, found.hint],
      ['missing', 'Name one that it has, for all teams: export COPILOT_MODEL=a'],
    );
    assert.match(found.detail, /not found; it has a, b, c, d, e and 1 more$/);
    const withoutList = await only(() => missing);
    assert.match(withoutList.hint ?? '', /COPILOT_MODEL=…$/);
  });

  it('[M19] nobody listens, no answer in time, or an address or key that cannot be used', async () => {
    const gone = await startApiServer(able);
    await gone.close();
    const closed = await only(able, { env: { OPENAI_BASE_URL: `${gone.url}/v1` } });
    assert.deepEqual([closed.status, /ECONNREFUSED/.test(closed.detail)], ['missing', true]);
    const silent = await only(() => new Promise<ApiAnswer>(() => undefined), { trialMs: 200 });
    assert.deepEqual([silent.status, /did not answer within 0\.2 s/.test(silent.detail)], ['warning', true]);
    const withPassword = server.url.replace('//', '//me:secret@');
    assert.equal((await only(able, { env: { OPENAI_BASE_URL: `${withPassword}/v1` } })).status, 'missing');
    const badKey = await only(able, { env: { OPENAI_API_KEY: 'secret\nsecret' } });
    assert.match(badKey.detail, /^API key is not valid: .*line break/);
  });

  it('[M19] models of copilot.config.ts are tried where agents name them, those of the AI SDK too', async () => {
    const file: CopilotConfig = {
      providers: {
        cloud: { baseUrl: `${server.url}/cloud`, apiKey: 'c-secret-key', api: 'responses' },
        sdk: aiSdk(noModels, { name: 'sdk' }),
        unused: { baseUrl: 'http://127.0.0.1:1/v1' },
      },
    };
    const checks = await check(
      (request) =>
        request.path === '/cloud/responses' ? failed(401, { error: { message: 'no, c-secret-key' } }) : able(request),
      { file, wanted: ['small', 'cloud/large', 'sdk/x'] },
    );
    assert.deepEqual(
      checks.map(({ check: name, status }) => [name, status]),
      [
        ['key', 'ok'],
        ['model small', 'ok'],
        ['model cloud/large', 'missing'],
        ['model sdk/x', 'missing'],
      ],
    );
    assert.match(checks[2]?.detail ?? '', /^the Responses API at .*\/cloud: no, …$/);
    assert.match(checks[2]?.hint ?? '', /^Correct provider "cloud" in copilot\.config\.ts$/);
    assert.match(checks[3]?.detail ?? '', /no such model x/);
    const own = await check(able, {
      file: { providers: { only: { baseUrl: `${server.url}/v1` } }, defaultProvider: 'only' },
    });
    assert.deepEqual(
      own.map(({ check: name }) => name),
      ['model small'],
    );
  });

  it('[M19] without key and base URL the offline model says so, and no request is made', async () => {
    const checks = await checkModels(loadConfig({}), ['small']);
    assert.deepEqual(
      checks.map(({ check: name, status }) => [name, status]),
      [
        ['key', 'ok'],
        ['model small', 'ok'],
      ],
    );
    assert.match(checks[1]?.detail ?? '', /^offline: a scripted model answers/);
  });
});

interface CheckOptions {
  readonly env?: Record<string, string>;
  readonly file?: CopilotConfig;
  readonly wanted?: readonly string[];
  readonly trialMs?: number;
}

const noModels: AiSdkProvider = {
  languageModel(id) {
    throw Object.assign(new Error(`no such model ${id}`), { name: 'AI_NoSuchModelError' });
  },
};
