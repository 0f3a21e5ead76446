/** Webhooks: real server, workers and gateway, and receivers that check signatures by a package that is not ours. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WebhookInfo, WebhookWithSecret } from '../../../src/client.ts';
import { webhooksId } from '../../../src/contracts/webhooks.ts';
import { runCli } from '../../helpers/cli.ts';
import { itInFull } from '../../helpers/full.ts';
import { addKey, Caller, startGatewayProcess, type TestGateway } from '../../helpers/gateway.ts';
import { fullHistory, noTaskFailed, until } from '../../helpers/history.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { WebhookReceiver } from '../../helpers/webhook-receiver.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import { startWorld, type World } from '../../helpers/world.ts';

const WORDS = 'a secret of the person';

describe('webhooks', function () {
  this.timeout(300_000);
  let world: World;
  let gateway: TestGateway;
  const callers = new Map<string, Caller>();
  const receivers: WebhookReceiver[] = [];

  before(async () => {
    world = await startWorld({ env: { COPILOT_WEBHOOK_PRIVATE: '1' } });
    const keys = new Map<string, string>();
    for (const name of ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay']) keys.set(name, await addKey(world, name));
    keys.set('op', await addKey(world, 'op', 'operator'));
    gateway = await startGatewayProcess(world);
    for (const [name, key] of keys) callers.set(name, new Caller(gateway.url, key));
    playTeam(world.model, { files: ['a.txt', 'b.txt', 'c.txt'], answer: 'written' });
  });
  after(async () => {
    await gateway.kill();
    await world.stop();
    for (const receiver of receivers) await receiver.close();
  });

  const as = (name: string): Caller => callers.get(name) ?? assert.fail(name);

  async function newReceiver(): Promise<WebhookReceiver> {
    const receiver = await WebhookReceiver.start();
    receivers.push(receiver);
    return receiver;
  }

  async function add(name: string, receiver: WebhookReceiver, options: object = {}): Promise<WebhookWithSecret> {
    const body = { url: receiver.url, ...options };
    const added = await as(name).call<WebhookWithSecret>('POST', '/v1/webhooks', body);
    assert.equal(added.status, 201, JSON.stringify(added.body));
    receiver.secrets.push(added.body.secret);
    return added.body;
  }

  async function newSession(name: string, options: object = { mode: 'one-shot' }): Promise<string> {
    const { body } = await as(name).call<{ id: string }>('POST', '/v1/sessions', options);
    return body.id;
  }

  const send = async (name: string, id: string, text = WORDS): Promise<void> => {
    const { status } = await as(name).call('POST', `/v1/sessions/${id}/messages?wait=true`, { text });
    assert.equal(status, 202);
  };

  async function infoOf(name: string, id: string): Promise<WebhookInfo> {
    return (await as(name).call<WebhookInfo>('GET', `/v1/webhooks/${id}`)).body;
  }

  const remove = async (name: string, id: string): Promise<void> => {
    assert.equal((await as(name).call('DELETE', `/v1/webhooks/${id}`)).status, 200);
  };

  it('[G08] turns, requests and ends are told with a signature that others verify, in sessions old and new', async () => {
    const receiver = await newReceiver();
    const old = await newSession('ada');
    await send('ada', old);
    const hook = await add('ada', receiver);
    assert.match(hook.secret, /^whsec_/);
    await send('ada', old);
    const [turn] = await receiver.until('turn.ended');
    assert.deepEqual(turn?.data, { sessionId: old, user: 'ada', turnId: 'turn-2', status: 'completed' });
    const id = await newSession('ada', {
      mode: 'planning-control',
      message: WORDS,
      config: { approvals: { plan: true } },
    });
    const [request] = await receiver.until('request.opened');
    assert.ok(request);
    const { requestId, expiresAt, ...others } = request.data;
    assert.ok(expiresAt && Date.parse(expiresAt) > Date.now());
    assert.deepEqual(others, { sessionId: id, user: 'ada', turnId: 'turn-1', kind: 'plan', status: 'open' });
    await as('ada').call('POST', `/v1/sessions/${id}/requests/${requestId}/decision`, { decision: 'approve' });
    await receiver.until('turn.ended', 2);
    for (const session of [old, id]) await as('ada').call('POST', `/v1/sessions/${session}/complete`);
    const ended = await receiver.until('session.ended', 2);
    assert.deepEqual(ended.map(({ data }) => data['status']).toSorted(), ['completed', 'completed']);
    assert.deepEqual(receiver.wrong, []);
    assert.equal(new Set(receiver.received.map(({ id: event }) => event)).size, receiver.received.length);
    assert.ok(!JSON.stringify(receiver.received).includes(WORDS));
    for (const session of [old, id, webhooksId('ada')]) await noTaskFailed(world.temporal, session);
    await remove('ada', hook.id);
    assert.deepEqual((await as('ada').call('GET', '/v1/webhooks')).body, { webhooks: [] });
  });

  itInFull('[G08] whatever another program starts while a webhook is added is told of from the answer on', async () => {
    const receiver = await newReceiver();
    const create = () => world.copilot.create({ mode: 'one-shot', user: 'fay' });
    const sessions = [await create()];
    let isAdded = false;
    const adding = add('fay', receiver, { events: ['session.ended'] }).then((hook) => ((isAdded = true), hook));
    while (!isAdded) {
      sessions.push(await create());
      await sleep(200);
    }
    sessions.push(await create());
    // Nobody can tell a session that has ended that somebody listens.
    for (const session of sessions) await session.complete();
    const ended = await receiver.until('session.ended', sessions.length);
    const ids = ended.map(({ data }) => data['sessionId']).toSorted();
    assert.deepEqual(ids, sessions.map((session) => session.id).toSorted());
    assert.ok(ids.length > 4, 'several were started meanwhile');
    await remove('fay', (await adding).id);
  });

  itInFull('[G08] somebody is told of their own sessions only, and an operator of all', async () => {
    const [bobs, all] = [await newReceiver(), await newReceiver()];
    const hook = await add('bob', bobs);
    assert.equal((await as('bob').call('POST', '/v1/webhooks', { url: bobs.url, all: true })).status, 403);
    const everywhere = await add('op', all, { all: true, events: ['turn.ended'] });
    const [adas, his] = [await newSession('ada'), await newSession('bob')];
    await send('ada', adas);
    await send('bob', his);
    const told = await all.until('turn.ended', 2);
    assert.deepEqual(told.map(({ data }) => data['sessionId']).toSorted(), [adas, his].toSorted());
    await bobs.until('turn.ended');
    for (const [method, end] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/secret'],
      ['POST', '/test'],
    ] as const) {
      for (const id of [hook.id, everywhere.id]) {
        const { status, body } = await as('ada').call(method, `/v1/webhooks/${id}${end}`);
        assert.deepEqual([status, body['type']], [404, 'WebhookNotFound'], `${method} ${end}`);
      }
    }
    assert.ok(bobs.received.every(({ data }) => data['sessionId'] === his));
    const { webhooks } = (await as('op').call<{ webhooks: WebhookInfo[] }>('GET', '/v1/webhooks')).body;
    assert.deepEqual(
      webhooks.map(({ id }) => id),
      [everywhere.id],
    );
    assert.ok(!JSON.stringify(webhooks).includes('whsec_'));
    await remove('bob', hook.id);
    await remove('op', everywhere.id);
    await until('the session to find nobody', async () => {
      await send('bob', his);
      const before = (await fullHistory(world.temporal, his)).length;
      await send('bob', his);
      // Nobody listens any more: a turn costs what it costs without webhooks.
      const after = (await fullHistory(world.temporal, his)).slice(before);
      return after.every((event) => !event.signalExternalWorkflowExecutionInitiatedEventAttributes) || undefined;
    });
  });

  itInFull(
    '[G08] receivers that are down or do not answer hold up nobody, and get what waited when they are back',
    async () => {
      const [down, silent, up] = [await newReceiver(), await newReceiver(), await newReceiver()];
      down.answers = 503;
      silent.answers = 'never';
      const hook = await add('cyd', down);
      await add('cyd', silent);
      await add('cyd', up);
      const id = await newSession('cyd');
      for (let turn = 1; turn <= 8; turn++) await send('cyd', id);
      const told = await up.until('turn.ended', 8);
      assert.deepEqual((await infoOf('cyd', hook.id)).disabled, null);
      await until('failing', async () => (await infoOf('cyd', hook.id)).failing ?? undefined, 120_000);
      assert.match((await infoOf('cyd', hook.id)).failing?.problem ?? '', /answered 503/);
      down.answers = 200;
      const tested = await as('cyd').call('POST', `/v1/webhooks/${hook.id}/test`);
      assert.deepEqual(tested.body, { delivered: true, problem: null });
      const late = await down.until('turn.ended', 8);
      assert.deepEqual(late.map((event) => event.id).toSorted(), told.map((event) => event.id).toSorted());
      await until('an empty queue', async () => (await infoOf('cyd', hook.id)).waiting === 0 || undefined, 120_000);
      assert.deepEqual([(await infoOf('cyd', hook.id)).failing, (await infoOf('cyd', hook.id)).lost], [null, 0]);
      assert.deepEqual([...down.wrong, ...silent.wrong, ...up.wrong], []);
    },
  );

  it('[G08] what a worker was killed with is delivered by the next one, with the same id', async () => {
    const receiver = await newReceiver();
    receiver.answers = 'never';
    const { id: hookId } = await add('dan', receiver);
    const id = await newSession('dan');
    await send('dan', id);
    const [held] = await receiver.until('turn.ended');
    const killed = world.workers.at(-1);
    await killed?.kill();
    receiver.answers = 200;
    await world.startWorker();
    const again = await until(
      'the delivery again',
      () => Promise.resolve(receiver.received.length > 1 ? receiver.received[1] : undefined),
      120_000,
    );
    assert.deepEqual(again, held);
    assert.deepEqual(receiver.wrong, []);
    await remove('dan', hookId);
  });

  it('[G08] 410 disables, a test enables again, two secrets sign after a rotation, and the CLI does it all', async () => {
    const receiver = await newReceiver();
    const cli = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await runCli(['webhooks', ...args], programEnvironment(world.server));
      assert.equal(code, 0, stderr);
      return stdout.trim();
    };
    receiver.secrets.push(await cli('add', receiver.url, '--user', 'eve', '--event', 'turn.ended'));
    const [{ id } = assert.fail('none')] = await world.copilot.webhooks.list({ user: 'eve' });
    const session = await newSession('eve');
    receiver.answers = 410;
    await send('eve', session);
    await until('disabled', async () => (await infoOf('eve', id)).disabled ?? undefined);
    assert.match(await cli('list', '--user', 'eve'), /disabled \(the receiver answered 410 Gone\)/);
    receiver.answers = 200;
    receiver.secrets.push(await cli('rotate', id, '--user', 'eve'));
    assert.equal(await cli('test', id, '--user', 'eve'), 'Delivered.');
    const before = receiver.received.length;
    await send('eve', session);
    await until('an event', () => Promise.resolve(receiver.received.length > before || undefined));
    assert.deepEqual(receiver.wrong, []);
    assert.equal(await cli('remove', id, '--user', 'eve'), `Removed ${id}.`);
  });

  it('[G08] a target that is no public HTTPS address is refused, and gets nothing if it was there before', async () => {
    const receiver = await newReceiver();
    const { id } = await add('eve', receiver);
    await world.workers.at(-1)?.kill();
    await world.startWorker({ COPILOT_WEBHOOK_PRIVATE: '0' });
    for (const url of [
      receiver.url,
      'https://127.0.0.1/',
      'https://169.254.169.254/latest/meta-data',
      'https://[::1]:8443/',
      'https://0x7f.1/',
      'https://localhost/',
      'http://example.org/',
      'https://ada:secret@example.org/',
      'file:///etc/passwd',
      'not a URL',
    ]) {
      const { status, body } = await as('eve').call('POST', '/v1/webhooks', { url });
      assert.deepEqual([status, body['type']], [400, 'InvalidInput'], `${url} ${JSON.stringify(body)}`);
    }
    const { body } = await as('eve').call<{ delivered: boolean }>('POST', `/v1/webhooks/${id}/test`);
    assert.equal(body.delivered, false);
    assert.deepEqual(receiver.received, []);
  });
});
