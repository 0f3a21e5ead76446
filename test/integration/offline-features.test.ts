/** Every phrase that README documents for the offline model, on a real server and worker, with the default team. */
import assert from 'node:assert/strict';
import { appendFile, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { packageDir } from '../../src/package-info.ts';
import { CopilotClient, type FollowEvent, type SessionHandle, type TurnView } from '../../src/client.ts';
import { collect, isTurnEnd } from '../helpers/client.ts';
import { isolatedConfig, startTestServer, temporaryFolder, type TestServer } from '../helpers/server.ts';
import { startWorkerProcess, type WorkerProcess } from '../helpers/worker.ts';

describe('the offline model, phrase by phrase', function () {
  this.timeout(120_000);
  let server: TestServer;
  let worker: WorkerProcess;
  let copilot: CopilotClient;
  let temporal: Client;
  let web: Server;
  let folder: string;

  before(async () => {
    folder = await temporaryFolder();
    await cp(join(packageDir, 'agents/default'), join(folder, 'default'), { recursive: true });
    await cp(join(packageDir, 'agents/default'), join(folder, 'forgetful'), { recursive: true });
    const teamFile = join(folder, 'forgetful/team.yaml');
    await writeFile(teamFile, `${await readFile(teamFile, 'utf8')}\ncompaction: {atTokens: 500, keepTokens: 100}\n`);
    await cp(join(packageDir, 'agents/default'), join(folder, 'formal'), { recursive: true });
    for (const name of await readdir(join(folder, 'formal'))) {
      if (name !== 'team.yaml') await appendFile(join(folder, 'formal', name), `\noutput: ${JSON.stringify(FIGURE)}\n`);
    }
    web = createServer((_, response) => response.setHeader('content-type', 'text/html').end(PAGE)).listen(
      0,
      '127.0.0.1',
    );
    server = await startTestServer();
    worker = await startWorkerProcess(server, { COPILOT_AGENTS_DIR: folder, COPILOT_FETCH_PRIVATE: '1' });
    const config = isolatedConfig(server.homeDir, { COPILOT_AGENTS_DIR: folder });
    copilot = await CopilotClient.connect({ config, address: server.address });
    temporal = new Client({ connection: await Connection.connect({ address: server.address }) });
  });
  after(async () => {
    await copilot.close();
    await temporal.connection.close();
    await worker.kill();
    await server.stop();
    web.close();
    await rm(folder, { recursive: true, force: true });
  });

  const FIGURE = {
    type: 'object',
    properties: { words: { type: 'string' }, figure: { type: 'integer' } },
    required: ['words', 'figure'],
    additionalProperties: false,
  };
  const PAGE = '<html><head><title>Ports</title></head><body><p>Port 7233 is used.</p></body></html>';
  const start = () => copilot.create({ user: 'ada' });
  const file = (session: SessionHandle, name: string) =>
    readFile(join(server.homeDir, 'workspaces', session.id, name), 'utf8');
  const put = async (session: SessionHandle, name: string, text: string) => {
    await mkdir(join(server.homeDir, 'workspaces', session.id), { recursive: true });
    await writeFile(join(server.homeDir, 'workspaces', session.id, name), text);
  };
  const decide = (session: SessionHandle, turn: TurnView, decision: string) =>
    temporal.workflow.getHandle(session.id).executeUpdate('decide', {
      args: [{ requestId: turn.requests?.[0]?.id, decision, by: 'ada' }],
    });
  const eventsOf = async (session: SessionHandle): Promise<FollowEvent[]> => await collect(session, isTurnEnd, 0);
  const called = (events: readonly FollowEvent[]) =>
    events.flatMap((event) => (event.type === 'tool-started' ? [event.tool] : []));

  it('ask me first which city: …', async () => {
    const session = await start();
    const asked = await session.send('ask me first which city: write the answer to city.txt');
    assert.deepEqual([asked.status, asked.questions, asked.artifacts], ['awaiting-input', ['Which city?'], []]);
    const turn = await session.send('Graz');
    assert.deepEqual([turn.id, turn.status, turn.artifacts], [asked.id, 'completed', ['city.txt']]);
    assert.equal(await file(session, 'city.txt'), 'Graz');
  });

  it('ask me which city, then …', async () => {
    const session = await start();
    const asked = await session.send('ask me which city, then write "Hello {answer}" to city.txt');
    assert.equal(asked.status, 'awaiting-input');
    assert.deepEqual(
      asked.steps.map(({ status }) => status),
      ['in-progress', 'pending'],
    );
    const turn = await session.send('Graz');
    assert.equal(turn.status, 'completed', turn.error?.message);
    assert.equal(await file(session, 'city.txt'), 'Hello Graz');
  });

  it('remember that my unit is mm', async () => {
    const session = await start();
    const { reply } = await session.send('remember that my unit is mm');
    assert.match(reply, /^Noted: my unit is mm/);
    assert.equal((await session.context()).values['unit'], 'mm');
    assert.equal((await session.send('what is my unit?')).reply, 'Your unit is mm.');
  });

  it('hand over to the writer: …', async () => {
    const session = await start();
    const turn = await session.send('hand over to the writer: write "by hand" to a.txt');
    assert.equal(turn.status, 'completed', turn.error?.message);
    const events = await eventsOf(session);
    const [handedOff, ...others] = events.filter((event) => event.type === 'handed-off');
    assert.deepEqual([handedOff?.to, others.length], ['writer', 0]);
    const agents = events.flatMap((event) => (event.type === 'model-started' ? [event.agent] : []));
    assert.deepEqual(agents.slice(-3), [handedOff?.from, 'writer', 'writer']);
    assert.equal(await file(session, 'a.txt'), 'by hand');
  });

  it('replace "a" with "b" in notes.txt, append "x" to log.txt', async () => {
    const session = await start();
    await put(session, 'notes.txt', 'one\ntwo\n');
    const turn = await session.send('replace "two" with "2, and more" in notes.txt, then append "x" to log.txt');
    assert.equal(turn.status, 'completed', turn.error?.message);
    assert.deepEqual(turn.artifacts, ['notes.txt', 'log.txt']);
    assert.equal(await file(session, 'notes.txt'), 'one\n2, and more\n');
    assert.equal(await file(session, 'log.txt'), 'x\n');
    assert.deepEqual(called(await eventsOf(session)), ['edit_file', 'read_file', 'append_file']);
  });

  it('fetch http://…', async () => {
    const session = await start();
    const { port } = web.address() as AddressInfo; // it listens on a port
    const { reply } = await session.send(`fetch http://127.0.0.1:${port}/ports.html`);
    assert.match(reply, /titled "Ports", has \d+ characters of text\. It begins: "Port 7233 is used\."/);
  });

  it('run the command: …, which a person allows or not', async () => {
    const session = await start();
    await put(session, 'here.txt', '');
    const text = 'run the command: ls *.txt | tr a-z A-Z';
    const asked = await session.send(text);
    assert.deepEqual([asked.status, asked.requests?.[0]?.tool?.name], ['awaiting-approval', 'shell']);
    await decide(session, asked, 'once');
    assert.equal((await session.awaitTurn(asked.id)).reply, 'The command ran and printed: HERE.TXT.');
    const again = await session.send(text);
    await decide(session, again, 'deny');
    assert.equal((await session.awaitTurn(again.id)).reply, 'Not done: ada does not allow this call.');
  });

  it('plan: a; b; c, with steps at the same time', async () => {
    const session = await start();
    const turn = await session.send(
      'plan: write "one" to one.txt; at the same time write "two" to two.txt; list the files',
    );
    assert.equal(turn.status, 'completed', turn.error?.message);
    assert.deepEqual(turn.artifacts.toSorted(), ['one.txt', 'two.txt']);
    const order = (await eventsOf(session)).flatMap((event) =>
      event.type === 'step-started' || event.type === 'step-ended' ? [`${event.type} ${event.step}`] : [],
    );
    assert.deepEqual(order.slice(0, 2), ['step-started 1', 'step-started 2']);
    assert.deepEqual(order.slice(-2), ['step-started 3', 'step-ended 3']);
    assert.match(turn.reply, /2 files in the workspace/);
  });

  it('fail this step twice, fail always', async () => {
    const session = await start();
    const twice = await session.send('plan: fail this step twice, then write "x" to x.txt; read x.txt');
    assert.deepEqual(
      twice.steps.map(({ status, attempts }) => [status, attempts]),
      [
        ['completed', 3],
        ['completed', 1],
      ],
    );
    const always = await session.send('calculate 2 + 3, then fail always');
    assert.deepEqual([always.status, always.error?.type], ['failed', 'StepFailed']);
    assert.match(always.error?.message ?? '', /Failed on purpose, time 3/);
    const direct = await copilot.create({ mode: 'one-shot' });
    const refused = await direct.send('fail always');
    assert.deepEqual([refused.status, refused.error?.type], ['failed', 'ModelRejected']);
    assert.equal((await direct.send('calculate 2 + 3')).reply, '2 + 3 = 5');
  });

  it('answer with broken JSON: …', async () => {
    const session = await start();
    const task = 'write "a" to a.txt, then write "b" to b.txt';
    const once = await session.send(`answer with broken JSON: ${task}`);
    assert.deepEqual([once.status, once.route, once.steps.length], ['completed', 'planned', 2]);
    assert.match(once.routeReason ?? '', /\(repaired\)$/);
    const nothing = await session.send('let the router answer with nothing always: calculate 2 + 3');
    assert.deepEqual([nothing.status, nothing.route, nothing.reply], ['completed', 'one-shot', '2 + 3 = 5']);
    assert.match(nothing.routeReason ?? '', /it is empty.*\(heuristic\)$/);
    const unknown = await session.send(`let the planner answer with an unknown agent: ${task}`);
    assert.equal(unknown.status, 'completed', unknown.error?.message);
    const always = await session.send(`let the planner answer with broken JSON always: ${task}`);
    assert.deepEqual([always.status, always.error?.type], ['failed', 'InvalidModelOutput']);
    assert.equal((await session.send('calculate 2 + 3')).reply, '2 + 3 = 5');
  });

  it('older messages are summed up, and what they said is not lost', async () => {
    const session = await copilot.create({ team: 'forgetful' });
    await session.send('My favourite colour is teal.');
    for (const letter of ['a', 'b', 'c']) await session.send(`repeat after me: ${`${letter} `.repeat(600)}`);
    const { reply } = await session.send('what is my favourite colour?');
    assert.equal(reply, 'Your favourite colour is teal.');
    const { messages } = await session.transcript();
    assert.match(
      messages[0]?.text ?? '',
      /^\[Summary of \d+ earlier messages of this conversation\]\nThe person said:/,
    );
  });

  it('answers and reports in the form that a team asks for: its words, and the first number in them', async () => {
    const session = await copilot.create({ team: 'formal' });
    const direct = await session.send('calculate 19 * 23');
    assert.equal(direct.status, 'completed', JSON.stringify(direct.error));
    const { words, figure } = JSON.parse(direct.reply ?? '') as { words: string; figure: number };
    assert.match(words, /437/);
    assert.ok(words.includes(String(figure)));
    const planned = await session.send('plan: calculate 2 + 2; write "four" to four.txt');
    assert.equal(planned.status, 'completed', JSON.stringify(planned.error));
    for (const { summary } of planned.steps) assert.match(summary, /\n\n\{"words":".+","figure":-?\d+\}$/);
  });
});
