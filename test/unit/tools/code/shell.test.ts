import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ToolResult } from '../../../../src/tools/definition/tool.ts';
import { parseArguments } from '../../../../src/tools/definition/arguments.ts';
import { shellWith } from '../../../../src/tools/code/shell.ts';
import { running, uniqueNap } from './processes.ts';
import { LEVELS, searchPathOf } from './search-path.ts';
import type { ToolWorld } from '../tool-world.ts';
import { createToolWorld, eventually } from '../tool-world.ts';
import { itInFull } from '../../../helpers/full.ts';

const PROGRAMS = ['sh', 'bash', 'sleep', 'setsid', 'nohup'];

describe('shell', function () {
  this.timeout(120_000);
  let world: ToolWorld;
  beforeEach(async () => {
    world = await createToolWorld();
  });
  afterEach(() => world.remove());
  const sh = (command: string, options: object = {}): Promise<ToolResult> =>
    world.call('shell', { command, ...options });
  const body = ({ text }: ToolResult): string => text.split('\n').slice(1).join('\n');

  it('runs a command line in the workspace and tells exit code, both outputs and files', async () => {
    await writeFile(join(world.workspace, 'b.txt'), 'b\na\n');
    const result = await sh('pwd\nsort b.txt | tee out.txt >/dev/null && echo bad >&2; exit 3');
    assert.match(result.text, /^Exit code 3\. Ran \d+\.\d s\.\n/);
    assert.equal(
      body(result),
      `--- stdout ---\n${world.workspace}\n--- stderr ---\nbad\n--- files written ---\nout.txt`,
    );
    assert.deepEqual(result.artifacts, ['out.txt']);
    assert.equal(readFileSync(join(world.workspace, 'out.txt'), 'utf8'), 'a\nb\n');
  });

  it('gives the exit code of a failed command, a missing program, a signal and wrong syntax', async () => {
    assert.match((await sh('false')).text, /^Exit code 1\./);
    assert.match((await sh('no-such-program-here')).text, /^Exit code 127\.[^]*not found/);
    assert.match((await sh('kill -TERM $$')).text, /^Exit code 143\./);
    assert.match((await sh('if then')).text, /^Exit code 2\.[^]*syntax error/);
  });

  it('uses bash where there is one, else sh', async () => {
    assert.equal(body(await sh('a=(1 2 3); echo ${#a[@]}')), '--- stdout ---\n3');
    const searchPath = join(world.folder, 'bin');
    await mkdir(searchPath);
    for (const program of ['sh', 'sleep'])
      await symlink(execFileSync('which', [program], { encoding: 'utf8' }).trim(), join(searchPath, program));
    const tool = shellWith(searchPath);
    const { text } = await tool.run(await parseArguments(tool, '{"command":"echo $0 $((6 * 7))"}'), world.context);
    assert.match(text, /^Exit code 0\..*\n--- stdout ---\nsh 42$/);
  });

  it('keeps neither folder nor variable for the next call', async () => {
    await sh('mkdir sub; cd sub; export LEFT=1; LEFT=2');
    assert.equal(body(await sh('echo "$PWD $LEFT."')), `--- stdout ---\n${world.workspace} .`);
  });

  it('has nothing to read: a command that asks goes on at once', async () => {
    const { text } = await sh('cat; read answer || echo "no answer"');
    assert.match(text, /^Exit code 0\. Ran [0-4]\.\d s\.\n--- stdout ---\nno answer$/);
  });

  it('gives the command none of this program’s variables', async () => {
    process.env['FAKE_SECRET_FOR_TEST'] = 'sk-very-secret';
    process.env['BASH_ENV'] = join(world.folder, 'evil.sh');
    await writeFile(join(world.folder, 'evil.sh'), 'echo EVIL');
    try {
      const { text } = await sh('env | cut -d= -f1 | grep -vxE "PWD|OLDPWD|SHLVL|_" | sort | tr "\\n" " "; echo $HOME');
      assert.match(text, /^Exit code 0/);
      assert.equal(text.split('\n').slice(1).join('\n'), `--- stdout ---\nHOME LANG PATH TMPDIR ${world.workspace}`);
    } finally {
      delete process.env['FAKE_SECRET_FOR_TEST'];
      delete process.env['BASH_ENV'];
    }
  });

  it('keeps the first of much output of both kinds and says what was dropped', async () => {
    const { text } = await sh('head -c 1000000 /dev/zero | tr "\\0" Q; head -c 50000 /dev/zero | tr "\\0" W >&2');
    assert.match(text, /^Exit code 0\./);
    assert.deepEqual([text.match(/Q/g)?.length, text.match(/W/g)?.length], [81_920, 20_480]);
    assert.match(text, new RegExp(`\n\\[${1_050_000 - 102_400} more bytes of output were dropped;`));
  });

  itInFull('ends endless output at the time limit', async () => {
    const { text } = await sh('yes', { timeout_seconds: 1 });
    assert.match(text, /^Stopped: not finished after 1 s, the time limit\./);
    assert.ok(text.length < 100_000);
  });

  itInFull('limits the size of a file', async () => {
    const { text } = await sh('head -c 300000000 /dev/zero > big');
    assert.match(text, /^Exit code (1|153)\./);
    assert.ok(readFileSync(join(world.workspace, 'big')).length <= 256 * 1024 * 1024);
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
      const run = async (command: string, options: object = {}, signal = world.context.signal): Promise<ToolResult> => {
        const tool = shellWith(searchPath);
        const input = await parseArguments(tool, JSON.stringify({ command, ...options }));
        return tool.run(input, { ...world.context, signal });
      };
      /** In the background, deaf to hang-ups, in a session of its own, and with its parent gone. */
      const family = (nap: string): string =>
        `sleep ${nap} & nohup sleep ${nap} >/dev/null 2>&1 & setsid sleep ${nap} & (setsid sleep ${nap} & exit 0); echo started; sleep 0.3;`;

      it('ends what was left in the background, and does not wait for it', async () => {
        const nap = uniqueNap();
        const startedMs = Date.now();
        assert.match((await run(family(nap))).text, /^Exit code 0\.[^]*\n--- stdout ---\nstarted$/);
        assert.ok(Date.now() - startedMs < 60_000, 'each nap is longer than ten minutes');
        assert.deepEqual(running(nap), []);
      });

      it('ends everything at the time limit, whatever signals it ignores', async () => {
        const nap = uniqueNap();
        const { text } = await run(`trap '' TERM INT HUP; ${family(nap)} while :; do sleep 1; done`, {
          timeout_seconds: 2,
        });
        assert.match(text, /^Stopped: not finished after 2 s, the time limit\. .*\n--- stdout ---\nstarted/);
        assert.deepEqual(running(nap), []);
      });

      it('ends everything when the turn is interrupted', async () => {
        const nap = uniqueNap();
        const interrupt = new AbortController();
        const result = run(`${family(nap)} wait`, {}, interrupt.signal);
        const rejected = assert.rejects(result, { message: 'interrupted' });
        await eventually(() => running(`sleep\0${nap}`).length === 4, 30_000, 'four naps');
        interrupt.abort(new Error('interrupted'));
        await rejected;
        assert.deepEqual(running(nap), []);
      });

      it('ends a tree of processes that doubles itself', async () => {
        // It would have 255 of them in the end, so that nothing worse happens should the limit fail.
        const nap = uniqueNap();
        const bomb = `f() { if [ "$1" -gt 0 ]; then f $(($1 - 1)) & f $(($1 - 1)) & fi; sleep ${nap}; }; f 7`;
        const { text } = await run(bomb, { timeout_seconds: 20 });
        assert.match(text, /^Stopped: more than 64 processes at once|Resource temporarily unavailable|[Cc]annot fork/);
        assert.deepEqual(running(nap), []);
      });
    });
  }
});
