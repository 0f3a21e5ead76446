/**
 * [P06] [G04] How long a token takes from the model to a follower, and which calls a reply of 1,000 tokens at 30 a second
 * costs the Temporal server, and Temporal Cloud's bill: by heartbeat, directly from the worker, and while nobody follows.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { CopilotClient } from '../src/client.ts';
import { startGrpcProxy } from '../test/helpers/grpc-proxy.ts';
import { isolatedConfig, startTestServer, type TestServer } from '../test/helpers/server.ts';
import { startWorkerProcess } from '../test/helpers/worker.ts';
import { type Counted, countActions, showActions } from './actions.ts';
import { show } from './world.ts';

const TOKENS = 1_000;
const TOKENS_PER_SECOND = 30;
/** How a worker waits for its next task, whether there is one or not. */
const POLLS = /^Poll|^GetSystemInfo|^DescribeNamespace/;

export async function text(): Promise<void> {
  const server = await startTestServer();
  const model = await startSlowModel();
  try {
    const before = await measureReply(server, model, { COPILOT_DIRECT_TEXT: '0' });
    const direct = await measureReply(server, model, {});
    const alone = await measureReply(server, model, {}, false);
    show('by heartbeat: lag of a token', before.lags);
    show('directly: lag of a token (aim p50 15, p95 40)', direct.lags);
    for (const [name, { calls, actions }] of Object.entries({
      'by heartbeat': before,
      directly: direct,
      'while nobody follows': alone,
    })) {
      showCalls(name, calls);
      showActions(name, 1, ...actions);
    }
    console.log(
      `ratio of calls, direct to heartbeat (aim 0.20): ${(direct.calls.length / before.calls.length).toFixed(3)}`,
    );
  } finally {
    await model.close();
    await server.stop();
  }
}

interface SlowModel {
  readonly baseUrl: string;
  /** When each token of the latest reply was written. */
  readonly writtenAt: readonly number[];
  close(): Promise<void>;
}

interface MeasuredReply {
  readonly lags: readonly number[];
  readonly calls: readonly string[];
  /** Before and after the turn. */
  readonly actions: readonly [Counted, Counted];
}

async function measureReply(
  server: TestServer,
  model: SlowModel,
  changes: Record<string, string>,
  isFollowed = true,
): Promise<MeasuredReply> {
  const proxy = await startGrpcProxy(server.address);
  const behindProxy = { address: proxy.address, homeDir: server.homeDir };
  const environment = { OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: 'bench', ...changes };
  const worker = await startWorkerProcess(behindProxy, environment);
  const config = isolatedConfig(server.homeDir, changes);
  const follower = await CopilotClient.connect({ config, address: proxy.address });
  const temporal = new Client({ connection: await Connection.connect({ address: server.address }) });
  const sender = await CopilotClient.connect({ config, address: server.address });
  try {
    const session = await follower.create({ mode: 'one-shot' });
    const following = session.follow();
    if (isFollowed) await following.cursor();
    else await following.return();
    await sleep(1_000);
    const begin = proxy.calls.length;
    const before = await countActions(temporal, session.id, proxy.calls);
    const turn = sender.session(session.id).send('Write.');
    const shownAt: number[] = [];
    let shown = '';
    for await (const event of following) {
      if (event.type === 'token') {
        shown += event.text;
        const now = performance.now();
        for (let count = shown.split(' ').length - 1; shownAt.length < count;) shownAt.push(now);
      }
      if (event.type === 'turn-ended') break;
    }
    await turn;
    const lags = shownAt.map((at, token) => at - (model.writtenAt[token] ?? Number.NaN));
    const after = await countActions(temporal, session.id, proxy.calls);
    return { lags, calls: proxy.calls.slice(begin).filter((call) => !POLLS.test(call)), actions: [before, after] };
  } finally {
    await Promise.all([follower.close(), sender.close(), temporal.connection.close()]);
    await worker.stop();
    await proxy.close();
  }
}

/** Writes tokens at an even pace. */
async function startSlowModel(): Promise<SlowModel> {
  const writtenAt: number[] = [];
  const write = async (response: ServerResponse): Promise<void> => {
    writtenAt.length = 0;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (delta: object, finish: string | null = null): void => {
      const choice = { index: 0, delta, finish_reason: finish };
      const chunk = { id: 'bench', object: 'chat.completion.chunk', created: 0, model: 'bench', choices: [choice] };
      response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    };
    const beganAt = performance.now();
    for (let token = 0; token < TOKENS; token++) {
      await sleep(Math.max(0, beganAt + ((token + 1) * 1_000) / TOKENS_PER_SECOND - performance.now()));
      writtenAt.push(performance.now());
      send({ content: `token${token} ` });
    }
    send({}, 'stop');
    response.end('data: [DONE]\n\n');
  };
  const server = createServer((request, response) => {
    request.resume();
    void write(response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo; // listening on TCP
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    writtenAt,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function showCalls(name: string, calls: readonly string[]): void {
  const counts = new Map<string, number>();
  for (const call of calls) counts.set(call, (counts.get(call) ?? 0) + 1);
  const list = [...counts].sort(([, one], [, other]) => other - one).map(([call, count]) => `${call} ${count}`);
  console.log(`${name}: ${calls.length} calls to Temporal: ${list.join(', ')}`);
}
