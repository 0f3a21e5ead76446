/** Probes and metrics of worker and gateway processes, whatever becomes of their server. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { CopilotClient } from '../../src/client.ts';
import { startCli } from '../helpers/cli.ts';
import { until } from '../helpers/history.ts';
import { type ModelServer, startModelServer } from '../helpers/model-server.ts';
import { freePort } from '../helpers/ports.ts';
import { packageDir } from '../../src/package-info.ts';
import { isolatedConfig, startTestServer, temporaryFolder, type TestServer } from '../helpers/server.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment, startWorkerProcess, type WorkerProcess } from '../helpers/worker.ts';

const CONTAINER = ['--user', '--map-root-user', '--pid', '--fork', '--kill-child', '--mount-proc'];
const canContain = spawnSync('unshare', [...CONTAINER, 'true']).status === 0;

describe('the first process of a container', function () {
  this.timeout(60_000);

  for (const command of ['worker', 'gateway']) {
    (canContain ? it : it.skip)(`ends by SIGTERM while it waits for its server: ${command}`, async () => {
      const home = await temporaryFolder();
      const main = join(packageDir, 'src/cli/main.ts');
      const port = command === 'gateway' ? ['--port', '0'] : [];
      const outside = spawn('unshare', [...CONTAINER, process.execPath, main, command, ...port], {
        env: { PATH: process.env['PATH'], COPILOT_HOME: home, TEMPORAL_ADDRESS: '127.0.0.1:1' },
      });
      const ended = once(outside, 'exit');
      let said = '';
      outside.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
      await until('it waits', async () => said.includes('waiting: '), 30_000);
      const task = `/proc/${outside.pid}/task/${outside.pid}/children`;
      process.kill(Number(readFileSync(task, 'utf8')), 'SIGTERM');
      assert.deepEqual(await ended, [143, null]);
      await rm(home, { recursive: true });
    });
  }
});

describe('probes', function () {
  this.timeout(300_000);
  let server: TestServer;
  let model: ModelServer;
  let starting: Promise<WorkerProcess>;
  let gateway: ReturnType<typeof startCli>;
  const ports = { worker: 0, gateway: 0 };

  before(async () => {
    server = await startTestServer();
    model = await startModelServer();
    await server.kill();
    for (const part of ['worker', 'gateway'] as const) ports[part] = await freePort();
    starting = startWorkerProcess(server, {
      OPENAI_BASE_URL: model.baseUrl,
      OPENAI_API_KEY: 'test',
      COPILOT_METRICS_PORT: String(ports.worker),
    });
    const metrics = { COPILOT_METRICS_PORT: String(ports.gateway) };
    gateway = startCli(['gateway', '--json', '--port', '0'], programEnvironment(server, metrics));
  });
  after(async () => {
    await (await starting).kill();
    gateway.process.kill('SIGKILL');
    await server.stop();
    await model.close();
  });

  const probe = async (part: keyof typeof ports, path: string): Promise<number> =>
    await fetch(`http://127.0.0.1:${ports[part]}${path}`).then(
      ({ status }) => status,
      () => 0,
    );
  /** Whether both are ready, or neither is; both are alive. */
  const become = async (readiness: 200 | 503): Promise<void> => {
    for (const part of ['worker', 'gateway'] as const) {
      await until(`${part} with ${readiness}`, async () => (await probe(part, '/readyz')) === readiness);
      assert.equal(await probe(part, '/healthz'), 200);
    }
  };

  it('[O02] worker and gateway are ready while they can work: not before their server is there, nor while it is away or they stop; alive they are always', async () => {
    await become(503);
    await server.restart();
    await become(200);
    const { url } = JSON.parse(gateway.stdout().split('\n')[0] ?? '') as { url: string }; // what the command prints
    for (const path of ['/healthz', '/readyz']) assert.equal((await fetch(url + path)).status, 200);
    await server.kill();
    await become(503);
    assert.equal((await fetch(`${url}/readyz`)).status, 503);
    await server.restart();
    await become(200);

    // Each metric that is served is in the list, and the other way round; numbers come with a turn.
    playTeam(model, { answer: 'done' });
    const client = await CopilotClient.connect({ config: isolatedConfig(server.homeDir), address: server.address });
    const session = await client.create();
    assert.equal((await session.send('hello')).reply, 'done');
    const listed = listedMetrics();
    for (const part of ['worker', 'gateway'] as const) {
      const text = await (await fetch(`http://127.0.0.1:${ports[part]}/metrics`)).text();
      const served = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
      assert.deepEqual(served.toSorted(), listed[part].toSorted(), part);
      if (part === 'worker') assert.match(text, /^copilot_model_tokens_total\{model="scripted",type="input"\} [1-9]/m);
      else assert.match(text, /^copilot_gateway_request_duration_seconds_count\{.*route="\/readyz",status="503"\} 1$/m);
    }

    // A model's call holds the worker back while it stops.
    playTeam(model, { answer: 'late', instead: ({ last }) => (last === 'wait' ? { delayMs: 200_000 } : undefined) });
    await session.send('wait', { wait: false });
    await until('the call', () => Promise.resolve(model.requests.length === 2));
    const stopping = (await starting).stop();
    await until('a worker that stops', async () => (await probe('worker', '/readyz')) === 503);
    assert.equal(await probe('worker', '/healthz'), 200);
    await client.close();
    assert.equal(await stopping, 0);
    const exited = once(gateway.process, 'exit');
    gateway.process.kill('SIGTERM');
    assert.equal((await exited)[0], 0);
  });
});

/** What docs/operations.md lists, by who serves it. */
function listedMetrics(): { readonly worker: string[]; readonly gateway: string[] } {
  const rows = [
    ...readFileSync('docs/operations.md', 'utf8').matchAll(
      /^\| `(\w+)` \| ([a-z, ]+) \| (counter|gauge|histogram) \|/gm,
    ),
  ];
  assert.ok(rows.length > 10);
  const of = (part: string): string[] =>
    rows.filter(([, , parts = '']) => parts.split(', ').includes(part)).map(([, name, , type]) => `${name} ${type}`);
  return { worker: of('worker'), gateway: of('gateway') };
}
