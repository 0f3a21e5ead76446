import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ToolResult } from '../../../../src/tools/definition/tool.ts';
import { parseArguments } from '../../../../src/tools/definition/arguments.ts';
import { runCodeWith } from '../../../../src/tools/code/run-code.ts';
import { running, uniqueNap } from './processes.ts';
import { LEVELS, searchPathOf } from './search-path.ts';
import type { ToolWorld } from '../tool-world.ts';
import { createToolWorld, eventually, problemOf } from '../tool-world.ts';
import { itInFull } from '../../../helpers/full.ts';

const PROGRAMS = ['sh', 'sleep', 'python3', 'setsid'];

describe('run_code', function () {
  this.timeout(120_000);
  let world: ToolWorld;
  beforeEach(async () => {
    world = await createToolWorld();
  });
  afterEach(() => world.remove());
  const node = (code: string, options: object = {}): Promise<ToolResult> =>
    world.call('run_code', { language: 'node', code, ...options });
  const python = (code: string, options: object = {}): Promise<ToolResult> =>
    world.call('run_code', { language: 'python', code, ...options });
  const body = ({ text }: ToolResult): string => text.split('\n').slice(1).join('\n');

  it('runs CommonJS, ES modules with top-level await, and Python, in the workspace', async () => {
    await writeFile(join(world.workspace, 'beside.cjs'), 'exports.answer = 42');
    await writeFile(join(world.workspace, 'beside.py'), 'answer = 43');
    const commonJs = await node(
      `const { answer } = require('./beside.cjs'); console.log(answer, process.cwd() === ${JSON.stringify(world.workspace)})`,
    );
    assert.match(commonJs.text, /^Exit code 0\. Ran \d+\.\d s\.\n--- stdout ---\n42 true$/);
    assert.equal(
      body(await node(`import { answer } from './beside.cjs'; console.log(await Promise.resolve(answer))`)),
      '--- stdout ---\n42',
    );
    assert.equal(
      body(await python('import beside, os\nprint(beside.answer, os.getcwd())')),
      `--- stdout ---\n43 ${world.workspace}`,
    );
  });

  it('gives exit code, both outputs and standard input', async () => {
    const { text } = await node(
      `process.stdin.on('data', (d) => { console.log('got ' + d); console.error('bad'); process.exit(3) })`,
      { stdin: 'grüße' },
    );
    assert.match(text, /^Exit code 3\. Ran .* s\.\n--- stdout ---\ngot grüße\n--- stderr ---\nbad$/);
    assert.equal(body(await python('import sys; print(len(sys.stdin.read()))')), '--- stdout ---\n0');
    assert.match((await python('1/0')).text, /^Exit code 1\.[^]*ZeroDivisionError/);
    assert.match((await node('process.kill(process.pid, "SIGTERM")')).text, /^Exit code 143\./);
    assert.match((await node('let x = ;')).text, /^Exit code 1\.[^]*SyntaxError/);
  });

  it('reports new and changed files as artifacts, and leaves nothing else behind', async () => {
    await writeFile(join(world.workspace, 'old.txt'), 'old');
    await writeFile(join(world.workspace, 'same.txt'), 'same');
    const result = await python(`
import os
os.makedirs('out/deep')
open('out/deep/new.csv', 'w').write('x')
open('old.txt', 'w').write('NEW')
open(os.path.join(os.environ['TMPDIR'], 'scratch'), 'w').write('x')`);
    assert.deepEqual(result.artifacts, ['old.txt', 'out/deep/new.csv']);
    assert.equal(body(result), '--- files written ---\nold.txt\nout/deep/new.csv');
    assert.deepEqual(readdirSync(world.workspace).sort(), ['old.txt', 'out', 'same.txt']);
  });

  it('gives the code none of this program’s variables, not even through /proc', async () => {
    process.env['FAKE_SECRET_FOR_TEST'] = 'sk-very-secret';
    try {
      assert.equal(
        body(
          await python('import os\nprint(sorted(k for k in os.environ if k not in ("PWD", "OLDPWD", "SHLVL", "_")))'),
        ),
        "--- stdout ---\n['HOME', 'LANG', 'PATH', 'TMPDIR']",
      );
      const { text } = await node(`console.log(process.env.HOME === process.cwd(), JSON.stringify(process.env))`);
      assert.match(text, /\ntrue \{/);
      assert.doesNotMatch(text, /SECRET|sk-very/);
    } finally {
      delete process.env['FAKE_SECRET_FOR_TEST'];
    }
  });

  it('keeps 100 KB of output and says what was dropped', async () => {
    const { text } = await node(
      `for (let i = 0; i < 100; i++) process.stdout.write('Q'.repeat(10240)); console.error('W'.repeat(30000))`,
    );
    assert.match(text, /^Exit code 0\./);
    assert.deepEqual([text.match(/Q/g)?.length, text.match(/W/g)?.length], [81_920, 20_480]);
    const dropped = 1_024_000 + 30_001 - 102_400;
    assert.ok(
      text.endsWith(
        `\n[${dropped} more bytes of output were dropped; 81920 of stdout and 20480 of stderr are kept. Print less, or write to a file.]`,
      ),
    );
  });

  it('cuts output between characters', async () => {
    for (const text of ['é', '€', '👍']) {
      const { text: told } = await node(`process.stdout.write('x' + ${JSON.stringify(text)}.repeat(100_000))`);
      assert.match(told, new RegExp(`\nx(?:${text}){20000,}\n\\[\\d+ more bytes`, 'u'));
      assert.doesNotMatch(told, /\ufffd/);
    }
    // What the program itself wrote wrong stays to be seen.
    assert.match((await node(`process.stdout.write(Buffer.from([0x61, 0xe2, 0x82]))`)).text, /a\ufffd/);
  });

  it('ends what uses too much memory and says so', async () => {
    const memory = /^Exit code \d+\. It says that it has no memory; the limit is (\d+) MiB/;
    assert.equal(
      memory.exec((await node('const a = []; for (;;) a.push(new Array(1000).fill(Math.random()))')).text)?.[1],
      '512',
    );
    assert.equal(memory.exec((await python('a = []\nwhile True: a.append(bytearray(50 << 20))')).text)?.[1], '1024');
  });

  itInFull('limits open files and the size of a file', async () => {
    assert.match(
      (await python('a = [open("/dev/null") for _ in range(400)]')).text,
      /^Exit code 1\.[^]*Too many open files/,
    );
    const { text } = await python('f = open("big", "wb")\nfor _ in range(300): f.write(bytes(1 << 20))');
    assert.match(text, /^Exit code (1|153)\./);
    assert.ok(readFileSync(join(world.workspace, 'big')).length <= 256 * 1024 * 1024);
  });

  it('says that Python is not there', async () => {
    const folder = join(world.folder, 'bin');
    await mkdir(folder);
    for (const program of ['sh', 'sleep'])
      await symlink(execFileSync('which', [program], { encoding: 'utf8' }).trim(), join(folder, program));
    const tool = runCodeWith(folder);
    const input = await parseArguments(tool, '{"language":"python","code":"print(1)"}');
    assert.match(
      await problemOf('run_code', tool.run(input, world.context)),
      /^Python 3 is not installed on this worker: python3 is not in .*Use language "node"\.$/,
    );
  });

  it('ends by itself, soon after its time, when the worker that started it was killed', async () => {
    const nap = uniqueNap();
    const script = `
      import { runCode } from ${JSON.stringify(join(process.cwd(), 'src/tools/code/run-code.ts'))};
      const code = 'import os; os.execvp("sleep", ["sleep", "${nap}"])';
      await runCode.run({ language: 'python', code, timeout_seconds: 1 }, { workspace: ${JSON.stringify(world.workspace)}, idempotencyKey: 'k', signal: new AbortController().signal });`;
    const worker = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
    await eventually(() => running(`sleep\0${nap}`).length > 0, 60_000, 'the code runs');
    worker.kill('SIGKILL');
    await once(worker, 'exit');
    await eventually(() => running(nap).length === 0, 60_000, 'the code has ended');
  });

  // The isolation that this machine offers, then the weaker ones that other machines must do with.
  for (const [level, more] of Object.entries(LEVELS)) {
    describe(`with isolation by ${level}`, () => {
      let searchPath: string;
      beforeEach(async function () {
        const found = await searchPathOf(world.folder, level, [...PROGRAMS, ...more]);
        if (found === undefined) this.skip();
        else searchPath = found;
      });
      const run = async (code: string, options: object = {}, signal = world.context.signal): Promise<ToolResult> => {
        const tool = runCodeWith(searchPath);
        const input = await parseArguments(tool, JSON.stringify({ language: 'python', code, ...options }));
        return tool.run(input, { ...world.context, signal });
      };
      /** A grandchild in the group, one in a session of its own, and one whose parent is gone too. */
      const family = (nap: string): string => `
import subprocess, time
subprocess.Popen(['sleep', '${nap}'])
subprocess.Popen(['setsid', 'sleep', '${nap}'])
subprocess.Popen(['sh', '-c', 'setsid sleep ${nap} & exit 0'])
print('started', flush=True)
time.sleep(0.3)
`;

      it('ends everything at the time limit, keeps the output so far, and says so', async () => {
        const nap = uniqueNap();
        const { text } = await run(`${family(nap)}time.sleep(60)`, { timeout_seconds: 2 });
        assert.match(text, /^Stopped: not finished after 2 s, the time limit\. .*\n--- stdout ---\nstarted$/);
        assert.deepEqual(running(nap), []);
      });

      it('ends what outlives the program', async () => {
        const nap = uniqueNap();
        const startedMs = Date.now();
        assert.match((await run(family(nap))).text, /^Exit code 0\..*\n--- stdout ---\nstarted$/);
        assert.ok(Date.now() - startedMs < 60_000, 'each nap is longer than ten minutes');
        assert.deepEqual(running(nap), []);
      });

      it('ends everything when the turn is interrupted', async () => {
        const nap = uniqueNap();
        const interrupt = new AbortController();
        const result = run(`${family(nap)}time.sleep(60)`, {}, interrupt.signal);
        const rejected = assert.rejects(result, { message: 'interrupted' });
        await eventually(() => running(`sleep\0${nap}`).length === 3, 30_000, 'three naps');
        interrupt.abort(new Error('interrupted'));
        await rejected;
        assert.deepEqual(running(nap), []);
        assert.deepEqual(readdirSync(world.workspace), []);
      });

      it('ends a program that starts too many processes', async () => {
        const nap = uniqueNap();
        const { text } = await run(
          `
import subprocess, time
for _ in range(80): subprocess.Popen(['sleep', '${nap}'])
time.sleep(60)`,
          { timeout_seconds: 20 },
        );
        assert.match(text, /^Stopped: more than 64 processes at once|Resource temporarily unavailable/);
        assert.deepEqual(running(nap), []);
      });
    });
  }

  it('leaves no folder of its own among the temporary files', async () => {
    const { text } = await node('console.log(process.env.TMPDIR)');
    const folder = /--- stdout ---\n(.+)$/.exec(text)?.[1] ?? assert.fail(text);
    assert.ok(folder.startsWith(tmpdir()));
    assert.equal(existsSync(folder), false);
  });
});
