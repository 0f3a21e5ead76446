/** The code of agents in containers: real server, real workers, and a program that stands in for Docker. */
import assert from 'node:assert/strict';
import { itInFull } from '../helpers/full.ts';
import { rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { runCli } from '../helpers/cli.ts';
import { type FakeDocker, fakeDocker } from '../helpers/fake-docker.ts';
import { until } from '../helpers/history.ts';
import { startWorldOf } from '../helpers/own-team.ts';
import { nextRequest } from '../helpers/requests.ts';
import { temporaryFolder } from '../helpers/server.ts';
import { playToolCalls } from '../helpers/tool-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import type { World } from '../helpers/world.ts';

describe('code in containers', function () {
  this.timeout(180_000);
  let world: World;
  let folder: string;
  let docker: FakeDocker;
  let env: Record<string, string>;

  before(async () => {
    folder = await temporaryFolder();
    docker = await fakeDocker(join(folder, 'bin'));
    env = {
      COPILOT_CODE_RUNNER: 'docker:node:24',
      PATH: [dirname(docker.program), process.env['PATH'] ?? ''].join(delimiter),
    };
    const approvals = { tools: { shell: 'allow', code: 'allow' } } as const;
    const agents = { engineer: { tools: ['run_code', 'shell'] } };
    const team = { approvals, answering: { agent: 'engineer' } };
    world = await startWorldOf({ default: { team, agents } }, { env });
    playToolCalls(world.model);
  });
  after(async () => {
    await world?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('runs in a container of its own, by the name of the environment, and never as root', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    const { reply } = await session.send('use run_code with {"language": "node", "code": "console.log(6 * 7)"}');
    assert.match(reply, /Exit code 0\.[^]*--- stdout ---\n42/);
    const [run = []] = (await docker.calls()).filter(([command]) => command === 'run');
    assert.match(run.join(' '), /--network none --read-only .*--user (?!0:)\d+:\d+ .* node:24 node /);
    assert.deepEqual(await docker.containers(), []);
  });

  it('what a killed worker left is removed by the next one, and a person says what became of the call', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    await session.send('use shell with {"command": "sleep 600"}', { wait: false });
    await until('the container', async () => (await docker.containers()).length === 1, 60_000);
    await Promise.all(world.workers.map((worker) => worker.kill()));
    assert.equal((await docker.containers()).length, 1);
    await world.startWorker();
    await until('the end of the container', async () => (await docker.containers()).length === 0, 60_000);
    const request = await nextRequest(session, 60_000);
    assert.equal(request.kind, 'outcome');
    await session.decide(request.id, 'not-done');
    assert.equal((await session.awaitTurn('turn-1')).status, 'completed');
  });

  it('an interrupt removes it', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    await session.send('use shell with {"command": "sleep 600"}', { wait: false });
    await until('the container', async () => (await docker.containers()).length === 1, 60_000);
    await session.interrupt();
    await until('the end of the container', async () => (await docker.containers()).length === 0, 60_000);
  });

  itInFull('doctor and the agent say what keeps it from running', async () => {
    const line = async (): Promise<string> =>
      (await runCli(['doctor'], programEnvironment(world.server, env))).stdout
        .split('\n')
        .filter((text) => text.includes('code runner'))
        .join();
    assert.match(await line(), /code runner +docker, node:24$/);
    await docker.fail('no daemon');
    assert.match(await line(), /code runner +docker: Cannot connect to the Docker daemon/);
    const session = await world.copilot.create({ mode: 'one-shot' });
    const { reply } = await session.send('use shell with {"command": "true"}');
    assert.match(reply, /shell: the container did not start \(docker: Cannot connect to the Docker daemon/);
  });
});
