/** Everything that the client can do, over HTTP. Real server, worker and gateway. */
import assert from 'node:assert/strict';
import { CopilotClient, SessionFiles, SessionHandle } from '../../../src/client.ts';
import { SessionReader } from '../../../src/client/reading/session-reader.ts';
import { Webhooks } from '../../../src/client/webhooks.ts';
import { addKey, Caller, startGatewayProcess, type TestGateway } from '../../helpers/gateway.ts';
import { until } from '../../helpers/history.ts';
import { freePort } from '../../helpers/ports.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { startWorld, type World } from '../../helpers/world.ts';

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, unknown>>;
}
interface Api {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** The request that does what a method of the client does, by its name in the document. */
const REQUESTS: Readonly<Record<string, string>> = {
  'CopilotClient.create': 'postSessions',
  'CopilotClient.import': 'postImports',
  'CopilotClient.archived': 'getArchiveId',
  'CopilotClient.list': 'getSessions',
  'CopilotClient.count': 'getCounts',
  'CopilotClient.countByStatus': 'getCounts',
  'CopilotClient.inbox': 'getInbox',
  'SessionHandle.send': 'postSessionsIdMessages',
  'SessionHandle.stream': 'getSessionsIdEvents',
  'SessionHandle.awaitTurn': 'getSessionsIdTurnsTurnId',
  'SessionHandle.suspend': 'postSessionsIdSuspend',
  'SessionHandle.continue': 'postSessionsIdContinue',
  'SessionHandle.interrupt': 'postSessionsIdInterrupt',
  'SessionHandle.unqueue': 'deleteSessionsIdMessagesMessageId',
  'SessionHandle.decide': 'postSessionsIdRequestsRequestIdDecision',
  'SessionHandle.configure': 'patchSessionsIdConfig',
  'SessionHandle.editPlan': 'patchSessionsIdPlan',
  'SessionHandle.rate': 'postSessionsIdRatings',
  'SessionHandle.complete': 'postSessionsIdComplete',
  'SessionHandle.save': 'putSessionsIdSaved',
  'SessionHandle.setContext': 'putSessionsIdContextValuesKey',
  'SessionHandle.deleteContext': 'deleteSessionsIdContextValuesKey',
  'SessionHandle.updateContext': 'patchSessionsIdContext',
  'SessionHandle.mergeContext': 'postSessionsIdContextMerge',
  'SessionHandle.clearEphemeral': 'postSessionsIdContextClearEphemeral',
  'SessionHandle.snapshot': 'postSessionsIdSnapshots',
  'SessionHandle.loadContext': 'postSessionsIdContextLoad',
  'SessionHandle.restoreContext': 'postSessionsIdContextRestore',
  'SessionHandle.fork': 'postSessionsIdFork',
  'SessionHandle.delete': 'deleteSessionsId',
  'SessionReader.load': 'getSessionsIdSaved',
  'SessionReader.export': 'getSessionsIdExport',
  'SessionReader.info': 'getSessionsId',
  'SessionReader.describe': 'getSessionsId',
  'SessionReader.transcript': 'getSessionsIdTranscript',
  'SessionReader.turns': 'getSessionsIdTurns',
  'SessionReader.plan': 'getSessionsIdPlan',
  'SessionReader.context': 'getSessionsIdContext',
  'SessionReader.getContext': 'getSessionsIdContext',
  'SessionReader.hasContext': 'getSessionsIdContext',
  'SessionReader.savedContext': 'getSessionsIdContextSaved',
  'SessionReader.getSnapshot': 'getSessionsIdSnapshotsSnapshot',
  'SessionReader.snapshots': 'getSessionsIdSnapshots',
  'SessionReader.changes': 'getSessionsIdContextChanges',
  'SessionReader.contextSize': 'getSessionsIdContextSize',
  'SessionReader.contextDiff': 'getSessionsIdContextDiff',
  'SessionReader.requests': 'getSessionsIdRequests',
  'SessionReader.request': 'getSessionsIdRequestsRequestId',
  'SessionReader.decisions': 'getSessionsIdDecisions',
  'SessionReader.usage': 'getSessionsIdUsage',
  'SessionReader.position': 'getSessionsIdEvents',
  'SessionReader.follow': 'getSessionsIdEvents',
  'SessionReader.attached': 'getSessionsIdFollowers',
  'SessionFiles.list': 'getSessionsIdFiles',
  'SessionFiles.get': 'getSessionsIdFilesPath',
  'SessionFiles.open': 'getSessionsIdFilesPath',
  'SessionFiles.put': 'putSessionsIdFilesPath',
  'SessionFiles.delete': 'deleteSessionsIdFilesPath',
  'Webhooks.add': 'postWebhooks',
  'Webhooks.list': 'getWebhooks',
  'Webhooks.remove': 'deleteWebhooksWebhookId',
  'Webhooks.rotateSecret': 'postWebhooksWebhookIdSecret',
  'Webhooks.test': 'postWebhooksWebhookIdTest',
};
/** They make a handle, or end or check the connection: a gateway has its own, with `/readyz`. */
const OF_THE_PROCESS = ['CopilotClient.session', 'CopilotClient.close', 'CopilotClient.serverAnswers'];

describe('REST of the gateway', function () {
  this.timeout(240_000);
  let world: World;
  let gateway: TestGateway;
  let key: string;
  let ada: Caller;
  let api: Api;
  /** Operations that answered with the status that the document gives. */
  const used = new Set<string>();

  before(async () => {
    world = await startWorld({ env: { COPILOT_WEBHOOK_PRIVATE: '1' } });
    key = await addKey(world, 'ada');
    gateway = await startGatewayProcess(world);
    ada = new Caller(gateway.url, key);
    api = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as Api; // the document of this version
    playTeam(world.model, { answer: 'done' });
  });
  after(async () => {
    await gateway.kill();
    await world.stop();
  });

  /** Calls an operation of the document. */
  async function call<Body = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await ada.call<Body>(method, path, body);
    const [bare = ''] = path.split('?');
    const found = Object.entries(api.paths).filter(
      ([template, operations]) =>
        method.toLowerCase() in operations && new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(bare),
    );
    // `/turns/{turnId}` has a name of its own beside `/turns`; no path fits two templates.
    const operation = found[0]?.[1][method.toLowerCase()];
    assert.ok(operation, `${method} ${path} is not described`);
    assert.ok(
      String(answer.status) in operation.responses,
      `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`,
    );
    used.add(operation.operationId);
    return answer.body;
  }

  const newSession = async (options: object = { mode: 'one-shot' }): Promise<string> =>
    `/v1/sessions/${(await call<{ id: string }>('POST', '/v1/sessions', options)).id}`;

  it('sends messages once, waits for turns, and reads what was said', async () => {
    const at = await newSession();
    const turn = await call('POST', `${at}/messages?wait=true`, { text: 'hello', messageId: 'm1' });
    assert.deepEqual([turn['status'], turn['reply']], ['completed', 'done']);
    const again = await call('POST', `${at}/messages?wait=true`, { text: 'hello', messageId: 'm1' });
    assert.equal(again['id'], turn['id']);
    const queued = await call('POST', `${at}/messages`, { text: 'more' });
    assert.equal((await call('GET', `${at}/turns/${String(queued['id'])}`))['reply'], 'done');
    assert.equal((await call<unknown[]>('GET', `${at}/turns?from=2`)).length, 1);
    const { messages } = await call<{ messages: { text: string }[] }>('GET', `${at}/transcript?all=true`);
    assert.deepEqual(
      messages.map(({ text }) => text),
      ['hello', 'done', 'more', 'done'],
    );
    assert.deepEqual(await call('GET', '/v1/me'), { name: 'ada', role: 'user' });
    assert.equal((await call('GET', at))['turns'], 2);
    assert.equal((await call<{ total: { modelCalls: number } }>('GET', `${at}/usage`)).total.modelCalls, 2);
    await call('POST', `${at}/ratings`, { rating: 5, turnId: 'turn-1', comment: 'well done' });
    assert.equal(await call('GET', `${at}/plan`), null);
    await call('DELETE', `${at}/messages/none`);
    await call('GET', `${at}/followers`);
  });

  it('suspends, continues, interrupts, forks, exports, imports, completes and deletes', async () => {
    const at = await newSession();
    assert.equal((await call('POST', `${at}/suspend`, { reason: 'lunch' }))['status'], 'suspended');
    const { turn } = await call<{ turn: { id: string } }>('POST', `${at}/continue`, { message: 'go on' });
    await call('GET', `${at}/turns/${turn.id}`);
    assert.deepEqual(await call('POST', `${at}/interrupt`, {}), { changed: false, status: 'active' });
    await call('PATCH', `${at}/config`, { idleTimeoutMs: 3_600_000 });
    const fork = await call<{ id: string }>('POST', `${at}/fork`, { name: 'another way' });
    assert.equal((await call('GET', `/v1/sessions/${fork.id}`))['name'], 'another way');
    const file = await call('GET', `${at}/export`);
    const imported = await call<{ id: string }>('POST', '/v1/imports', { file, name: 'again' });
    assert.equal((await call('GET', `/v1/sessions/${imported.id}`))['user'], 'ada');
    assert.equal((await call('POST', `${at}/complete`))['status'], 'completed');
    const closed = await ada.call('POST', `${at}/messages`, { text: 'too late' });
    assert.deepEqual([closed.status, closed.body['type']], [409, 'SessionClosed']);
    await until(
      'the lists have them',
      async () =>
        (await call<{ sessions: unknown[] }>('GET', '/v1/sessions?status=completed')).sessions.length === 1 ||
        undefined,
    );
    assert.equal((await call('GET', '/v1/counts'))['completed'], 1);
    const archive = at.replace('sessions', 'archive');
    assert.equal((await call<{ session: { id: string } }>('GET', archive)).session.id, at.split('/').at(-1));
    const bob = new Caller(gateway.url, await addKey(world, 'bob'));
    const [theirs, none] = [await bob.call('GET', archive), await bob.call('GET', '/v1/archive/ses_none')];
    assert.deepEqual([theirs.status, none.status], [404, 404]);
    const nameless = JSON.stringify(theirs.body).replaceAll(at.split('/').at(-1) ?? '', 'ses_none');
    assert.deepEqual(JSON.parse(nameless), none.body, 'nobody learns that it is there');
    await call('DELETE', at);
    assert.equal((await ada.call('GET', at)).status, 404);
    assert.equal((await ada.call('GET', archive)).status, 404);
  });

  it('reads and changes the context', async () => {
    const at = await newSession({ mode: 'one-shot', context: { city: 'Rome' } });
    await call('PUT', `${at}/context/values/limit`, { value: 3, protect: true });
    await call('PATCH', `${at}/context`, { values: { city: 'Oslo' } });
    const { snapshot } = await call<{ snapshot: { id: string } }>('POST', `${at}/snapshots`, { reason: 'before' });
    await call('POST', `${at}/context/merge`, { values: { street: 'Karl Johans gate' } });
    await call('DELETE', `${at}/context/values/city`);
    const { values } = await call<{ values: object }>('GET', `${at}/context`);
    assert.deepEqual(values, { limit: 3, street: 'Karl Johans gate' });
    assert.equal((await call<unknown[]>('GET', `${at}/snapshots`)).length, 1);
    await call('GET', `${at}/snapshots/${snapshot.id}`);
    await call('GET', `${at}/snapshots/latest`);
    await call('GET', `${at}/context/diff?from=latest`);
    await call('POST', `${at}/context/restore`, { snapshot: 'latest' });
    assert.deepEqual((await call<{ values: object }>('GET', `${at}/context`)).values, { limit: 3, city: 'Oslo' });
    assert.equal((await ada.call('PUT', `${at}/context/values/limit`, { value: 4 })).status, 409);
    const saved = await call('GET', `${at}/context/saved`);
    await call('POST', `${at}/context/load`, { saved });
    await call('POST', `${at}/context/clear-ephemeral`);
    assert.ok((await call<unknown[]>('GET', `${at}/context/changes`)).length > 4);
    await call('GET', `${at}/context/size`);
    const { version, status: _, id: __, ...whole } = await call('GET', `${at}/saved`);
    const stale = await ada.call('PUT', `${at}/saved`, { ...savable(whole), expectedVersion: Number(version) - 1 });
    assert.deepEqual([stale.status, stale.body['type']], [409, 'VersionConflict']);
    await call('PUT', `${at}/saved`, { ...savable(whole), expectedVersion: version });
  });

  /** What a save takes of what a load gave. */
  function savable({ conversation, context, phase, step }: Record<string, unknown>): object {
    const messages = conversation as { role: string; text: string }[]; // of a load
    return { conversation: messages.map(({ role, text }) => ({ role, text })), context, phase, step };
  }

  it('lists requests, edits plans and decides', async () => {
    playTeam(world.model, { files: ['a.txt', 'b.txt'], answer: 'written' });
    const at = await newSession({ mode: 'planning-control', config: { approvals: { plan: true } } });
    await call('POST', `${at}/messages?wait=true`, { text: 'write them' });
    await until(
      'the inbox has it',
      async () => (await call<{ requests: unknown[] }>('GET', '/v1/inbox?limit=5')).requests.length === 1 || undefined,
    );
    const [request] = await call<{ id: string; digest: string }[]>('GET', `${at}/requests`);
    assert.ok(request);
    await call('GET', `${at}/requests/${request.id}`);
    await call('PATCH', `${at}/plan`, { edits: [{ op: 'change', step: 2, task: 'write c.txt' }] });
    const [now] = await call<{ id: string; digest: string }[]>('GET', `${at}/requests`);
    assert.ok(now);
    await call('POST', `${at}/requests/${now.id}/decision`, { decision: 'approve', digest: now.digest });
    assert.equal((await call('GET', `${at}/turns/turn-1`))['status'], 'completed');
    assert.equal((await call<unknown[]>('GET', `${at}/decisions`)).length, 1);
  });

  it('writes, lists, reads and deletes files', async () => {
    const at = await newSession();
    assert.equal((await call('PUT', `${at}/files/notes%2Fa.json`, { city: 'Rome' }))['path'], 'notes/a.json');
    assert.deepEqual(await call('GET', `${at}/files/notes%2Fa.json`), { city: 'Rome' });
    const body = new FormData();
    body.append('file', new File(['x'], 'b.txt'));
    const headers = { authorization: `Bearer ${key}` };
    const posted = await fetch(`${gateway.url}${at}/files`, { method: 'POST', headers, body });
    assert.ok(String(posted.status) in (api.paths['/v1/sessions/{id}/files']?.['post']?.responses ?? {}));
    used.add('postSessionsIdFiles');
    const listed = await call<{ path: string }[]>('GET', `${at}/files`);
    assert.deepEqual(new Set(listed.map(({ path }) => path)), new Set(['b.txt', 'notes/a.json']));
    await call('DELETE', `${at}/files/b.txt`);
    assert.equal((await call<unknown[]>('GET', `${at}/files`)).length, 1);
  });

  it('adds, lists, tests, rotates and removes webhooks', async () => {
    const url = `http://127.0.0.1:${await freePort()}/`;
    const { id, secret } = await call<{ id: string; secret: string }>('POST', '/v1/webhooks', { url });
    const { webhooks } = await call<{ webhooks: { id: string }[] }>('GET', '/v1/webhooks');
    assert.deepEqual(
      webhooks.map((webhook) => webhook.id),
      [id],
    );
    assert.equal((await call('GET', `/v1/webhooks/${id}`))['url'], url);
    assert.equal((await call('POST', `/v1/webhooks/${id}/test`))['delivered'], false);
    assert.notEqual((await call('POST', `/v1/webhooks/${id}/secret`))['secret'], secret);
    assert.equal((await call('DELETE', `/v1/webhooks/${id}`))['id'], id);
  });

  it('[G02] has a request for each method of the client, in one document that each answer keeps to', async () => {
    const methods = [CopilotClient, SessionHandle, SessionReader, SessionFiles, Webhooks].flatMap((one) =>
      Object.entries(Object.getOwnPropertyDescriptors(one.prototype))
        .filter(([name, { value }]) => name !== 'constructor' && typeof value === 'function')
        .map(([name]) => `${one.name}.${name}`),
    );
    assert.deepEqual(new Set(methods), new Set([...Object.keys(REQUESTS), ...OF_THE_PROCESS]));

    assert.equal(api.openapi, '3.1.0');
    assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200);
    const all = Object.values(api.paths).flatMap((operations) =>
      Object.values(operations).map((one) => one.operationId),
    );
    assert.equal(new Set(all).size, all.length, 'each has a name of its own');
    const reference = await fetch(`${gateway.url}/reference`);
    const shown = [...(await reference.text()).matchAll(/<h2 id="(\w+)"/g)].map(([, id]) => id);
    assert.deepEqual(shown, all, 'the page for people has each');
    assert.doesNotMatch(reference.headers.get('content-security-policy') ?? '', /script|unsafe/);
    // The stream of events has a test file of its own.
    assert.deepEqual(
      all.filter((id) => !used.has(id)),
      ['getSessionsIdEvents'],
    );
    assert.deepEqual(
      Object.values(REQUESTS).filter((id) => !all.includes(id)),
      [],
    );
  });
});
