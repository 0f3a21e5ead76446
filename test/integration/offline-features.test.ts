/** The phrases of docs/offline-model.md that need a person, another agent or the web. Real server, real worker. */
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
    assert.equal(asked.route, 'one-shot');
    const turn = await session.send('Graz');
    assert.equal(turn.status, 'completed', turn.error?.message);
    assert.equal(await file(session, 'city.txt'), 'Hello Graz');
  });

  it('remember that my unit is mm', async () => {
    const session = await start();
    const { reply } = await session.send('remember that my unit is mm');
    assert.equal(reply, "The session's context has unit: mm.");
    assert.equal((await session.context()).values['unit'], 'mm');
  });

  it('hand over to the writer: …', async () => {
    const session = await start();
    const turn = await session.send('hand over to the writer: write "by hand" to a.txt');
    assert.equal(turn.status, 'completed', turn.error?.message);
    const events = await eventsOf(session);
    // The writer answers, and nobody hands over to themselves.
    const handedOff = events.flatMap((event) => (event.type === 'handed-off' ? [event.to] : []));
    assert.deepEqual(handedOff, ['engineer', 'writer']);
    const agents = events.flatMap((event) => (event.type === 'model-started' ? [event.agent] : []));
    assert.deepEqual(agents, ['writer', 'engineer', 'writer', 'writer']);
    assert.equal(await file(session, 'a.txt'), 'by hand');
  });

  it('replace "a" with "b" in notes.txt, append "x" to log.txt', async () => {
    const session = await start();
    await put(session, 'notes.txt', 'one\ntwo\n');
    const turn = await session.send('replace "two" with "2, and more" in notes.txt, then append "x" to log.txt');
    assert.equal(turn.status, 'completed', turn.error?.message);
    assert.deepEqual(turn.artifacts, ['notes.txt', 'log.txt']);
    assert.equal(await file(session, 'notes.txt'), 'one\n2, and more\n');
    assert.equal(await file(session, 'log.txt'), 'x');
    assert.deepEqual(called(await eventsOf(session)), ['edit_file', 'append_file']);
  });

  it('fetch http://…', async () => {
    const session = await start();
    const { port } = web.address() as AddressInfo; // it listens on a port
    const { reply } = await session.send(`fetch http://127.0.0.1:${port}/ports.html`);
    assert.match(reply, /Title: Ports[^]*Port 7233 is used\./);
  });

  it('run the command: …, which a person allows or not', async () => {
    const session = await start();
    await put(session, 'here.txt', '');
    const text = 'run the command: ls *.txt | tr a-z A-Z';
    const asked = await session.send(text);
    assert.deepEqual([asked.status, asked.requests?.[0]?.tool?.name], ['awaiting-approval', 'shell']);
    await decide(session, asked, 'once');
    assert.equal((await session.awaitTurn(asked.id)).status, 'completed');
    assert.match((await session.awaitTurn(asked.id)).reply, /^shell gave[^]*HERE\.TXT/);
    const again = await session.send(text);
    await decide(session, again, 'deny');
    assert.equal(
      (await session.awaitTurn(again.id)).reply,
      'shell gave: ada does not allow this call. Do without it, or say what cannot be done.',
    );
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
    assert.match(turn.reply, /list_files gave 2 lines/);
  });

  it('read missing.txt fails its step, and `continue` takes it up once the file is there', async () => {
    const session = await start();
    const failed = await session.send('What is 2 + 3?, then read missing.txt');
    assert.deepEqual([failed.status, failed.error?.type], ['failed', 'StepFailed']);
    assert.match(failed.error?.message ?? '', /read_file.*missing\.txt/);
    await put(session, 'missing.txt', 'here it is');
    await session.continue();
    const turn = await session.awaitTurn(failed.id);
    assert.equal(turn.reply, '2 + 3 = 5\n\nread_file gave: here it is');
  });

  it('anything else gets the list of phrases', async () => {
    const turn = await (await start()).send('Which product sold the most?');
    assert.deepEqual([turn.status, turn.route], ['completed', 'one-shot']);
    assert.match(turn.reply, /^I do not understand this message\.[^]*- read notes\.txt/);
  });

  it('answers and reports in the form that a team asks for: its words, and the first number in them', async () => {
    const session = await copilot.create({ team: 'formal' });
    const direct = await session.send('What is 19 * 23?');
    assert.equal(direct.status, 'completed', JSON.stringify(direct.error));
    const { words, figure } = JSON.parse(direct.reply ?? '') as { words: string; figure: number };
    assert.match(words, /437/);
    assert.ok(words.includes(String(figure)));
    const planned = await session.send('plan: calculate 2 + 2; write "four" to four.txt');
    assert.equal(planned.status, 'completed', JSON.stringify(planned.error));
    for (const { summary } of planned.steps) assert.match(summary, /\n\n\{"words":".+","figure":-?\d+\}$/);
  });
});
