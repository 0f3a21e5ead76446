/** Server-sent events of the gateway. `test/chaos/followers.test.ts` has them over crashes of everything. */
import assert from 'node:assert/strict';
import type { FollowEvent } from '../../../src/client.ts';
import { collect, isTurnEnd, screen } from '../../helpers/client.ts';
import { addKey, Caller, startGatewayProcess, type TestGateway } from '../../helpers/gateway.ts';
import { startGrpcProxy } from '../../helpers/grpc-proxy.ts';
import { until } from '../../helpers/history.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { startWorld, type World } from '../../helpers/world.ts';

describe('events of the gateway', function () {
  this.timeout(300_000);
  let world: World;
  let gateway: TestGateway;
  let key: string;
  let ada: Caller;

  before(async () => {
    world = await startWorld();
    key = await addKey(world, 'ada');
    gateway = await startGatewayProcess(world);
    ada = new Caller(gateway.url, key);
  });
  after(async () => {
    await gateway.kill();
    await world.stop();
  });

  async function newSession(): Promise<string> {
    const { status, body } = await ada.call<{ id: string }>('POST', '/v1/sessions', { mode: 'one-shot' });
    assert.equal(status, 201);
    return body.id;
  }

  it('[G03] goes on after a stream that gave nothing yet, and ends for good with the session', async () => {
    playTeam(world.model, { answer: 'hello' });
    const id = await newSession();
    const leave = new AbortController();
    const response = await fetch(`${gateway.url}/v1/sessions/${id}/events`, {
      headers: { authorization: `Bearer ${key}` },
      signal: leave.signal,
    });
    let head = '';
    const reader = (response.body as unknown as ReadableStream<Uint8Array>).getReader(); // of a response with a body
    while (!/^id: \S+$/m.test(head)) head += Buffer.from((await reader.read()).value ?? []).toString();
    leave.abort();
    const lastId = /^id: (\S+)$/m.exec(head)?.[1];
    await ada.call('POST', `/v1/sessions/${id}/messages?wait=true`, { text: 'hi' });
    await ada.call('POST', `/v1/sessions/${id}/complete`);
    const events: FollowEvent[] = [];
    let last = '';
    for await (const given of ada.events(id, { lastId })) {
      events.push(given.event);
      last = given.id;
    }
    assert.deepEqual(
      events
        .filter(({ type }) => type === 'queued' || type === 'turn-ended' || type === 'session')
        .map(({ type }) => type),
      ['queued', 'turn-ended', 'session'],
    );
    const again = await fetch(`${gateway.url}/v1/sessions/${id}/events`, {
      headers: { authorization: `Bearer ${key}`, 'last-event-id': last },
    });
    assert.equal(again.status, 204, 'a browser does not come back');
  });

  it('HEAD of a stream leaves nothing open', async () => {
    const id = await newSession();
    const headers = { authorization: `Bearer ${key}` };
    const { status } = await fetch(`${gateway.url}/v1/sessions/${id}/events?from=0`, { method: 'HEAD', headers });
    assert.equal(status, 200);
    assert.deepEqual((await ada.call('GET', `/v1/sessions/${id}/followers`)).body, []);
  });

  it('a follower with a wrong cursor disturbs nobody who joins at the same time', async () => {
    playTeam(world.model, { answer: 'hello' });
    const id = await newSession();
    const follow = async (): Promise<FollowEvent[]> => {
      const events: FollowEvent[] = [];
      for await (const { event } of ada.events(id, { query: '?from=0' })) {
        events.push(event);
        if (isTurnEnd(event)) break;
      }
      return events;
    };
    const good = follow();
    const wrong = async (): Promise<void> => {
      for await (const { event } of ada.events(id, { lastId: 'nonsense' })) assert.fail(event.type);
    };
    await Promise.all(Array.from({ length: 5 }, () => assert.rejects(wrong(), /400 .*cursor/)));
    await world.copilot.session(id).send('hi');
    assert.equal(screen(await good), 'hello');
  });

  it('[G03] one reader of the session serves any number of followers', async () => {
    const proxy = await startGrpcProxy(world.server.address);
    const own = await startGatewayProcess(world, 0, { TEMPORAL_ADDRESS: proxy.address });
    const there = new Caller(own.url, key);
    const answer = Array.from({ length: 60 }, (_, n) => `word${n} `).join('');
    playTeam(world.model, { answer, wordDelayMs: 40 });
    const id = await newSession();
    const follow = async (): Promise<FollowEvent[]> => {
      const events: FollowEvent[] = [];
      for await (const { event } of there.events(id)) {
        events.push(event);
        if (isTurnEnd(event)) break;
      }
      return events;
    };
    const followers = Array.from({ length: 20 }, follow);
    await until('all follow', async () =>
      (await there.call<unknown[]>('GET', `/v1/sessions/${id}/followers`)).body.length === 20 ? true : undefined,
    );
    const before = proxy.calls.length;
    const startedAt = Date.now();
    const alone = collect(world.copilot.session(id), isTurnEnd);
    await world.copilot.session(id).send('tell me');
    for (const events of await Promise.all(followers)) assert.equal(screen(events), answer);
    await alone;
    const reads = proxy.calls.slice(before).filter((call) => call === 'DescribeWorkflowExecution').length;
    // One reader reads once in 70 ms at most.
    const most = (2 * (Date.now() - startedAt)) / 70;
    assert.ok(reads < most, `${reads} reads for 20 followers`);
    await own.kill();
    await proxy.close();
  });
});
