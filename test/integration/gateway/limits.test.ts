/** What one caller may have at a time, and what becomes of its streams when a gateway stops. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { TokenEvent } from '../../../src/client.ts';
import { runCli } from '../../helpers/cli.ts';
import { addKey, Caller, startGatewayProcess, type TestGateway } from '../../helpers/gateway.ts';
import { until } from '../../helpers/history.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import { startWorld, type World } from '../../helpers/world.ts';

const WORDS = Array.from({ length: 150 }, (_, index) => `word${index}`).join(' ');
const LIMITS = {
  COPILOT_GATEWAY_REQUESTS_PER_MINUTE: '300',
  COPILOT_GATEWAY_STREAMS: '1',
  COPILOT_GATEWAY_SESSIONS_AT_WORK: '1',
  COPILOT_GATEWAY_BODY_MIB: '1',
};

interface Sent {
  readonly body?: string;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

describe('limits of the gateway', function () {
  this.timeout(240_000);
  let world: World;
  let gateway: TestGateway;
  let other: TestGateway;
  const keys = new Map<string, string>();

  before(async () => {
    world = await startWorld();
    for (const name of ['ada', 'bob', 'cyd', 'dan']) keys.set(name, await addKey(world, name));
    gateway = await startGatewayProcess(world, 0, LIMITS);
    other = await startGatewayProcess(world);
    playTeam(world.model, { answer: WORDS, wordDelayMs: 50 });
  });
  after(async () => {
    await gateway.kill();
    await other.kill();
    await world.stop();
  });

  const keyOf = (name: string): string => keys.get(name) ?? assert.fail(name);
  const as = (name: string, at = gateway): Caller => new Caller(at.url, keyOf(name));

  async function request(name: string, method: string, path: string, init: Sent = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${keyOf(name)}`, 'content-type': 'application/json' };
    return await fetch(`${gateway.url}${path}`, { method, ...init, headers: { ...headers, ...init.headers } });
  }

  async function newSession(name: string, options: object = {}): Promise<string> {
    const answer = await as(name).call<{ id: string }>('POST', '/v1/sessions', { mode: 'one-shot', ...options });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body.id;
  }

  const refused = async (response: Response): Promise<unknown[]> => {
    const { type } = (await response.json()) as { type: string };
    return [response.status, type, Number(response.headers.get('retry-after')) >= 1];
  };

  it('[G09] more sessions at work, streams, bytes and requests than allowed are refused, for this caller only', async () => {
    const id = await newSession('ada', { message: 'talk' });
    const again = JSON.stringify({ mode: 'one-shot', message: 'more' });
    const refusal = await request('ada', 'POST', '/v1/sessions', { body: again });
    assert.deepEqual(await refused(refusal), [429, 'TooManyAtWork', true]);
    const openAi = await request('ada', 'POST', '/openai/v1/responses', { body: JSON.stringify({ input: 'more' }) });
    assert.deepEqual([openAi.status, openAi.headers.get('retry-after')], [429, '5']);
    const { error } = (await openAi.json()) as { error: { type: string; code: string } };
    assert.deepEqual([error.type, error.code], ['rate_limit_error', 'TooManyAtWork']);
    assert.equal((await request('bob', 'POST', '/v1/sessions', { body: again })).status, 201);
    await as('ada').call('POST', `/v1/sessions/${id}/interrupt`, {});
    await until('the end of the turn', async () => {
      const { body } = await as('ada').call<{ status: string }[]>('GET', `/v1/sessions/${id}/turns`);
      return body.every(({ status }) => status === 'interrupted') || undefined;
    });
    assert.equal((await request('ada', 'POST', '/v1/sessions', { body: again })).status, 201);

    const open = new AbortController();
    const stream = await request('ada', 'GET', `/v1/sessions/${id}/events`, { signal: open.signal });
    assert.equal(stream.status, 200);
    const second = await request('ada', 'GET', `/v1/sessions/${id}/events`);
    assert.deepEqual(await refused(second), [429, 'TooManyFollowers', true]);
    const streamed = { model: 'default', stream: true, messages: [{ role: 'user', content: 'more' }] };
    const third = await request('ada', 'POST', '/openai/v1/chat/completions', { body: JSON.stringify(streamed) });
    assert.equal(third.status, 429, 'a stream of another protocol counts as well');
    open.abort();

    const large = { body: JSON.stringify({ input: 'x'.repeat(1_100_000) }) };
    const tooLarge = await request('ada', 'POST', '/openai/v1/responses', large);
    assert.equal(tooLarge.status, 413);
    assert.equal(((await tooLarge.json()) as { error: { code: string } }).error.code, 'TooLarge');
    assert.equal((await request('ada', 'POST', '/v1/sessions', large)).status, 413);

    const flood = await until('a refusal', async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, () => request('cyd', 'GET', '/v1/me')));
      return answers.find(({ status }) => status !== 200);
    });
    assert.deepEqual(await refused(flood), [429, 'TooManyRequests', true]);
    assert.equal((await request('ada', 'GET', '/v1/me')).status, 200);
  });

  it('what is no request is refused clearly, and leaves nothing behind', async () => {
    const wrong = await request('bob', 'PUT', '/v1/sessions');
    assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'GET, HEAD, POST']);
    const patched = await request('bob', 'PATCH', '/openai/v1/responses');
    assert.deepEqual([patched.status, patched.headers.get('allow')], [405, 'POST']);
    assert.ok('error' in ((await patched.json()) as object));
    const id = await newSession('bob');
    const unknown = await as('bob').call('GET', `/v1/sessions/${id}/events?turn=turn-99`);
    assert.deepEqual([unknown.status, unknown.body['type']], [400, 'InvalidInput']);
    const before = await world.copilot.count();
    for (const path of ['/openai/v1/responses', '/openai/v1/chat/completions']) {
      const body = JSON.stringify({ input: 'hi', messages: [{ role: 'user', content: 'hi' }] });
      const answer = await request('bob', 'POST', path, { body, headers: { 'idempotency-key': 'k'.repeat(201) } });
      assert.equal(answer.status, 400, path);
    }
    assert.equal(await world.copilot.count(), before);
    const blank = await runCli(['keys', 'add', ' '], programEnvironment(world.server));
    assert.equal(blank.code, 2);
    assert.match(blank.stderr, /name is not valid: it is blank; name the person or program/);
  });

  it('[G09] a message that goes along with continue or interrupt counts as work, too', async () => {
    const [one, two] = [await newSession('dan'), await newSession('dan')];
    const message = JSON.stringify({ message: 'talk' });
    assert.equal(
      (await request('dan', 'POST', `/v1/sessions/${one}/messages`, { body: '{"text":"talk"}' })).status,
      202,
    );
    for (const verb of ['continue', 'interrupt']) {
      const answer = await request('dan', 'POST', `/v1/sessions/${two}/${verb}`, { body: message });
      assert.deepEqual(await refused(answer), [429, 'TooManyAtWork', true], verb);
    }
    assert.deepEqual((await as('dan').call('GET', `/v1/sessions/${two}/turns`)).body, []);
    await as('dan').call('POST', `/v1/sessions/${one}/interrupt`, {});
  });

  it('[G09] no body of an unknown caller is read, however large', async () => {
    const body = JSON.stringify({ input: 'x'.repeat(1_100_000) });
    for (const path of ['/openai/v1/responses', '/v1/sessions', '/ag-ui', '/v1/nothing']) {
      const headers = { authorization: 'Bearer cpk_unknown', 'content-type': 'application/json' };
      assert.equal((await fetch(`${gateway.url}${path}`, { method: 'POST', body, headers })).status, 401, path);
    }
    const login = await fetch(`${gateway.url}/v1/login`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
    assert.equal(login.status, 413);
  });

  it('a caller that leaves in the middle of its body is no failure of the gateway', async () => {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    const head = `POST /v1/sessions HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${keyOf('bob')}\r\n`;
    socket.write(`${head}content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"name": `);
    await new Promise((resolve) => setTimeout(resolve, 200));
    socket.destroy();
    // What comes after it is handled after it.
    for (let count = 0; count < 5; count++) await request('bob', 'GET', '/v1/me');
    assert.doesNotMatch(gateway.cli.stderr(), /request failed/);
  });

  it('[G09] SIGTERM in the middle of a text ends the stream cleanly, and another gateway goes on behind it', async () => {
    const { body: made } = await as('ada', other).call<{ id: string }>('POST', '/v1/sessions', {
      mode: 'one-shot',
      message: 'talk',
    });
    const completion = { model: 'default', stream: true, messages: [{ role: 'user', content: 'talk' }] };
    const chat = await request('dan', 'POST', '/openai/v1/chat/completions', { body: JSON.stringify(completion) });
    // It fails if the connection is cut off.
    const whole = chat.text();
    const texts: string[] = [];
    let lastId: string | undefined;
    let stopped: Promise<number | null> | undefined;
    // It throws if the connection is cut off.
    for await (const { id, event } of as('ada').events(made.id, { query: '?from=0' })) {
      lastId = id;
      if (event.type === 'token') texts.push(event.text);
      if (texts.length === 5) stopped ??= gateway.stop();
    }
    assert.match(
      await whole,
      /data: \[DONE\]\n\n$|"code":"Stopping"/,
      'what cannot go on elsewhere is finished, or told',
    );
    assert.equal(await stopped, 0);
    assert.ok(!texts.join('').includes('word149'), 'it was stopped too late to show anything');
    const turn: TokenEvent[] = [];
    for await (const { event } of as('ada', other).events(made.id, { lastId })) {
      if (event.type === 'token') turn.push(event);
      if (event.type === 'turn-ended') break;
    }
    assert.equal([...texts, ...turn.map(({ text }) => text)].join(''), WORDS);
  });
});
