/** Every script in examples/, run as its first comment says, against a real server and worker with the offline model. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import { packageDir } from '../../src/package-info.ts';
import { someOf } from '../helpers/full.ts';
import { itInFull } from '../helpers/full.ts';
import { startTestServer, type TestServer } from '../helpers/server.ts';
import { startCli } from '../helpers/cli.ts';
import { programEnvironment, startWorkerProcess, type WorkerProcess } from '../helpers/worker.ts';

const folder = join(packageDir, 'examples');

describe('[U04] examples', function () {
  this.timeout(120_000);
  let server: TestServer;
  let worker: WorkerProcess;

  before(async () => {
    server = await startTestServer();
    worker = await startWorkerProcess(server);
  });
  after(async () => {
    await worker.kill();
    await server.stop();
  });

  const run = async (script: string): Promise<string> => {
    const env = programEnvironment(server);
    const child = spawn(process.execPath, [join(folder, script)], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    assert.equal(await ended, 0, stderr);
    return stdout;
  };

  const EXPECTED: Record<string, RegExp> = {
    'start-session.ts':
      /^Session ses_\w+\ncompleted: `seattle-weather\.csv` has 1461 rows[\s\S]*\ncompleted: .*437\n2 turns, \d+ tokens\n$/,
    'suspend-and-continue.ts':
      /^step 1 completed\nThe session is suspended\..*\nturn suspended: completed, (in-progress|pending|completed), (in-progress|pending)\nturn completed: completed, completed, completed\nfiles: one\.txt, two\.txt, three\.txt\n$/,
    'follow-tokens.ts': /2 \+ 3 = 5\n/,
    'own-provider.ts': /^You said: Hello\n$/,
    'service.ts': /^completed: .*240.* \(session completed\)\n$/,
  };

  it('are all run here', async () => {
    assert.deepEqual(
      (await readdir(folder)).filter((name) => /(?<!-workflows)\.ts$/.test(name)).toSorted(),
      Object.keys(EXPECTED).toSorted(),
    );
  });

  for (const [script, output] of someOf(Object.entries(EXPECTED), 1)) {
    it(`${script} does what it says, in at most 40 lines`, async () => {
      assert.match(await run(script), output);
      const source = await readFile(join(folder, script), 'utf8');
      assert.ok(source.split('\n').length <= 41);
      assert.match(source, new RegExp(`node examples/${script}`));
    });
  }

  /** Starts the worker of an example of a folder. @returns a function that runs a command of its README */
  async function enter(example: string): Promise<(name: string) => Promise<string>> {
    const cwd = join(folder, example);
    await worker.kill();
    worker = await startWorkerProcess(server, {}, cwd);
    const readme = await readFile(join(cwd, 'README.md'), 'utf8');
    const [, block = ''] = /```sh\n([^`]*)```/.exec(readme) ?? [];
    const commands = block
      .replaceAll('\\\n', ' ')
      .split('\n')
      .map((line) => line.split('  #')[0]?.trim() ?? '');
    return async (name) => {
      const command = commands.find((line) => line.startsWith(`copilot ${name}`)) ?? assert.fail(name);
      const words = [...command.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word);
      const { stdout, stderr } = await startCli(words.slice(1), programEnvironment(server), cwd).ended;
      return stdout + stderr;
    };
  }

  it('[E01] own-tool: the tool of its config file runs once a person has approved an urgent call, as its README says', async () => {
    const copilot = await enter('own-tool');
    assert.match(await copilot('start'), /May clerk run open_ticket The printer is on fire urgent\?/);
    assert.match(await copilot('approve'), /\{"number":"[0-9a-f]{6}","priority":"urgent"\}/);
    assert.match(
      await copilot('doctor'),
      /tool open_ticket +network, effects external, at most 10 s, may ask for approval/,
    );
  });

  itInFull('[E11] mcp-server: a server of ten lines, whose tool a team uses, as its README says', async () => {
    const copilot = await enter('mcp-server');
    assert.match(await copilot('doctor'), /mcp tools shop\/shop +1 tool/);
    assert.match(await copilot('start'), /10:00 to 16:00/);
    const lines = (await readFile(join(folder, 'mcp-server/server.ts'), 'utf8')).split('\n');
    assert.ok(lines.filter((line) => line !== '' && !line.startsWith('/**')).length <= 11);
  });
});
