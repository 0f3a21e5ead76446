/** Code in containers: what Docker is asked for, and what becomes of a run when something goes wrong. */
import assert from 'node:assert/strict';
import { chmod, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { containerRunner, type ContainerOptions, runnerOf } from '../../../../src/tools/code/container-runner.ts';
import type { ToolContext } from '../../../../src/tools/definition/tool.ts';
import { runTool, withOwnTools } from '../../../../src/tools/registry.ts';
import { type FakeDocker, fakeDocker } from '../../../helpers/fake-docker.ts';
import { createToolWorld, eventually, problemOf, type ToolWorld } from '../tool-world.ts';

const IMAGE = 'node:24';

describe('tools: code in containers', function () {
  this.timeout(60_000);
  let world: ToolWorld;
  let docker: FakeDocker;

  beforeEach(async () => {
    world = await createToolWorld();
    docker = await fakeDocker(join(world.folder, 'bin'));
  });
  afterEach(() => world.remove());

  const call = (
    tool: string,
    input: object,
    options: Partial<ContainerOptions> = {},
    context: Partial<ToolContext> = {},
  ) => {
    const runner = containerRunner({ image: IMAGE, program: docker.program, user: '1000:1000', ...options });
    return runTool(withOwnTools([], runner), tool, JSON.stringify(input), { ...world.context, ...context });
  };
  const runs = async (): Promise<string[][]> => (await docker.calls()).filter(([command]) => command === 'run');

  it('runs without network, rights or anything to write but the workspace, within limits, and is removed by its name', async () => {
    const { text, artifacts } = await call(
      'run_code',
      { language: 'node', code: 'require("fs").writeFileSync("out.txt", "x"); console.log(6 * 7)', stdin: 'in' },
      { memoryMiB: 256, cpus: 2, processes: 10 },
    );
    assert.match(text, /^Exit code 0\. [^]*--- stdout ---\n42\n--- files written ---\nout\.txt$/);
    assert.deepEqual(artifacts, ['out.txt']);
    const [args = []] = await runs();
    const all = args.join(' ');
    const name = args[args.indexOf('--name') + 1] ?? '';
    for (const wanted of [
      '--network none',
      '--read-only',
      '--cap-drop ALL',
      '--security-opt no-new-privileges',
      '--user 1000:1000',
      '--memory 256m --memory-swap 256m',
      '--cpus 2',
      '--pids-limit 10',
      '--ulimit cpu=31',
      '--pull never',
      '--tmpfs /tmp:rw,nosuid,nodev,size=256m',
      `--mount type=bind,source=${world.workspace},target=/workspace --workdir /workspace`,
      `--label durable-copilot.owner=${hostname()}/${process.pid}`,
    ]) {
      assert.ok(all.includes(` ${wanted} `), `${wanted} in ${all}`);
    }
    assert.doesNotMatch(all, /--privileged|docker\.sock|--volume|-v |--env [^HTL]/);
    assert.match(all, / node:24 node --max-old-space-size=512 \/workspace\/\S+\.cjs$/);
    assert.deepEqual((await docker.calls()).at(-1), ['rm', '--force', name]);
    assert.deepEqual(await docker.containers(), []);
  });

  it('runs command lines and Python, and gives their exit codes', async () => {
    const shell = await call('shell', { command: 'echo "to stderr" >&2; pwd; exit 3' });
    assert.match(shell.text, new RegExp(`^Exit code 3\\.[^]*${world.workspace}\\n--- stderr ---\\nto stderr`));
    assert.match((await call('run_code', { language: 'python', code: 'print(1 + 1)' })).text, /^Exit code 0\.[^]*\n2$/);
  });

  it('ends at its time, when the turn is interrupted, and when the memory is used up', async () => {
    const late = await call('shell', { command: 'echo begun; sleep 600', timeout_seconds: 1 });
    assert.match(late.text, /^Stopped: not finished after 1 s, the time limit[^]*begun/);
    assert.deepEqual(await docker.containers(), []);

    const stop = new AbortController();
    const running = call('shell', { command: 'sleep 600' }, {}, { signal: stop.signal });
    await eventually(async () => (await docker.containers()).length === 1, 30_000, 'the container');
    stop.abort(new Error('interrupted'));
    await assert.rejects(running, /interrupted/);
    assert.deepEqual(await docker.containers(), []);

    await docker.fail('out of memory');
    const heavy = await call('shell', { command: 'kill -9 $$' }, { memoryMiB: 100 });
    assert.match(heavy.text, /^Stopped: out of memory; the limit is 100 MiB/);
  });

  it('says what keeps it from running: no program, no daemon, no image, no interpreter', async () => {
    const shell = (options: Partial<ContainerOptions> = {}) =>
      problemOf('shell', call('shell', { command: 'true' }, options));
    const absent = join(world.folder, 'no-docker');
    assert.equal(await shell({ program: absent }), `${absent} is not installed on this worker`);
    await docker.fail('no daemon');
    assert.match(await shell(), /^the container did not start \(docker: Cannot connect to the Docker daemon at .*\)$/);
    await docker.fail('no image');
    assert.match(await shell(), /^the container did not start \(.*No such image: node:24\)$/);
    const check = await containerRunner({ image: IMAGE, program: docker.program }).check?.();
    assert.equal(check, 'Error: No such image: node:24. Start docker, and get the image: docker pull node:24');
    await docker.fail('');
    assert.equal(await containerRunner({ image: IMAGE, program: docker.program }).check?.(), undefined);
    await docker.fail('no interpreter');
    assert.equal(
      await problemOf('run_code', call('run_code', { language: 'python', code: '1' })),
      'docker cannot run python3 of image node:24 (docker: exec: "python3": executable file not found in $PATH)',
    );
  });

  it('never runs as root', async function () {
    if (process.getuid?.() !== 0) this.skip();
    const shell = (options: Partial<ContainerOptions>) => call('shell', { command: 'id -u' }, options);
    assert.match(
      await problemOf(
        'shell',
        runTool(
          withOwnTools([], containerRunner({ image: IMAGE, program: docker.program })),
          'shell',
          '{"command":"true"}',
          world.context,
        ),
      ),
      /^the workspace belongs to root, and code does not run as root\./,
    );
    for (const user of ['0:0', 'root', '1000']) assert.throws(() => void shell({ user }), { type: 'InvalidInput' });
    // A private workspace is given to nobody, with the files in it.
    await writeFile(join(world.workspace, 'mine.txt'), 'x');
    await chmod(world.workspace, 0o700);
    const runner = containerRunner({ image: IMAGE, program: docker.program });
    await runTool(withOwnTools([], runner), 'shell', '{"command":"true"}', world.context);
    assert.ok((await runs()).at(-1)?.join(' ').includes('--user 65534:65534 '));
    assert.equal((await stat(join(world.workspace, 'mine.txt'))).uid, 65_534);
  });

  it('removes what dead workers left, and nothing of living ones', async () => {
    const later = Math.ceil(Date.now() / 1_000) + 600;
    const gone = 2 ** 22 + 7;
    await docker.add({ name: 'of-dead', owner: `${hostname()}/${gone}`, until: later });
    await docker.add({ name: 'of-living', owner: `${hostname()}/${process.pid}`, until: later });
    await docker.add({ name: 'elsewhere', owner: `another-host/${gone}`, until: later });
    await docker.add({ name: 'elsewhere-late', owner: `another-host/1`, until: 1 });
    await containerRunner({ image: IMAGE, program: docker.program }).prepare?.();
    assert.deepEqual((await docker.containers()).toSorted(), ['elsewhere', 'of-living']);
  });

  it('is named by code, or by the environment', () => {
    const own = containerRunner({ image: IMAGE });
    assert.equal(runnerOf({ codeRunner: own }, { codeRunner: 'podman:other' }), own);
    assert.equal(runnerOf({}, { codeRunner: 'podman:ghcr.io/a/b:1' })?.name, 'podman, ghcr.io/a/b:1');
    assert.equal(runnerOf({}, {}), undefined);
    assert.throws(() => containerRunner({ image: '--privileged' }), { type: 'InvalidInput' });
  });
});
