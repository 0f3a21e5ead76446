/** Code that sets out to take more than it may, to get away, or to do harm where it was let in. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ToolResult } from '../../../../src/tools/definition/tool.ts';
import { findIsolation } from '../../../../src/tools/code/isolation.ts';
import { SEARCH_PATH } from '../../../../src/tools/code/workspace-run.ts';
import { parseArguments } from '../../../../src/tools/definition/arguments.ts';
import { shellWith } from '../../../../src/tools/code/shell.ts';
import { isFull } from '../../../helpers/full.ts';
import { portOf } from '../fetch-world.ts';
import { running, uniqueNap } from './processes.ts';
import { LEVELS, searchPathOf } from './search-path.ts';
import type { ToolWorld } from '../tool-world.ts';
import { createToolWorld, eventually } from '../tool-world.ts';

const PROGRAMS = ['sh', 'bash', 'sleep', 'setsid', 'nohup', 'env', 'grep', 'python3'];

describe('containment of code', function () {
  this.timeout(180_000);
  let world: ToolWorld;
  beforeEach(async () => {
    world = await createToolWorld();
  });
  afterEach(() => world.remove());
  const sh = (command: string, options: object = {}): Promise<ToolResult> =>
    world.call('shell', { command, ...options });
  const python = (code: string, options: object = {}): Promise<ToolResult> =>
    world.call('run_code', { language: 'python', code, ...options });
  const memory = /^Stopped: out of memory; the limit is 1024 MiB/;

  it('memory that is shared, or spread over many processes, counts as any other', async () => {
    const shared = `import mmap, time
m = mmap.mmap(-1, 4 << 30)
for at in range(0, 4 << 30, 1 << 20): m[at:at + (1 << 20)] = b'x' * (1 << 20)
time.sleep(30)`;
    assert.match((await python(shared)).text, memory);
    const spread = `import os, time
for _ in range(30):
    if os.fork() == 0:
        a = b'x' * (100 << 20)
        break
time.sleep(30)`;
    assert.match((await python(spread)).text, memory);
  });

  it('a fork bomb is ended with all that came of it, and the program goes on', async function () {
    const { level } = await findIsolation(SEARCH_PATH);
    // Root is exempt from the limit of the kernel, so that its bomb must be one that stops by itself.
    const isBounded = level !== 'namespaces' || process.getuid?.() === 0;
    const [inShell, inPython] = isBounded
      ? ['f() { if [ $1 -gt 0 ]; then f $(($1 - 1)) & f $(($1 - 1)) & fi; sleep 30; }; f 9', 'range(9)']
      : ['f() { f | f & }; f; sleep 30', 'iter(int, 1)'];
    // The first ends long before this.
    const limit = { timeout_seconds: isBounded ? 20 : 3 };
    const nap = uniqueNap();
    let ticks = 0;
    const ticker = setInterval(() => ticks++, 50);
    try {
      for (const run of [
        () => sh(`: ${nap}; ${inShell}`, limit),
        () =>
          python(
            `import os, time\nfor _ in ${inPython}:\n  try: os.fork()\n  except OSError: pass\ntime.sleep(30)`,
            limit,
          ),
      ]) {
        const { text } = await run();
        const end = isBounded ? /^Stopped: more than 64 processes/ : /^Stopped: (more than 64 processes|not finished)/;
        assert.match(text, end, text.slice(0, 300));
        assert.deepEqual([...running(nap), ...running(world.workspace)], []);
      }
    } finally {
      clearInterval(ticker);
    }
    assert.ok(ticks > 2, `${ticks} ticks`);
  });

  it('signals of code reach its own processes and no other', async function () {
    if ((await findIsolation(SEARCH_PATH)).level !== 'namespaces') this.skip();
    const { text } = await sh(
      `kill -KILL ${process.pid} || echo out of reach; sleep 60 & kill -KILL -1; wait $!; echo $?`,
    );
    assert.match(text, /^Exit code 0\..*\n--- stdout ---\nout of reach\n137\n/);
  });

  it('what it said is not lost where code takes its workspace away, or leaves a link to elsewhere in its place', async () => {
    for (const [command, left] of [
      ['rm -rf "$HOME"', /^The workspace is empty\.$/],
      ['mv "$HOME" "$HOME-2"; ln -s / "$HOME"', /^The workspace is empty\.$/],
      ['mv "$HOME" "$HOME-3"; echo x > "$HOME"', /^The workspace is empty\.$/],
      ['echo x > a; cd /; mv "$HOME" "$HOME-4"; mv "$HOME-4" "$HOME"', /^a \(2 bytes\)$/],
    ] as const) {
      const { text, artifacts } = await sh(`echo said; ${command}`);
      assert.match(text, /^Exit code 0\..*\n--- stdout ---\nsaid(\n--- files written ---\na)?$/, command);
      assert.ok((artifacts ?? []).length <= 1);
      assert.match((await world.call('list_files', {})).text, left, command);
      assert.match(await world.refused('read_file', { path: 'etc/passwd' }), /does not exist/);
    }
  });

  it('its temporary folder goes, also with folders in it that nobody may read or whose path is too long', async () => {
    const { text } = await python(`import os
print(os.environ['TMPDIR'])
os.chdir(os.environ['TMPDIR'])
os.makedirs('locked/in')
open('locked/in/file', 'w').close()
for _ in range(60):
    os.mkdir('d' * 200)
    os.chdir('d' * 200)
os.chdir(os.environ['TMPDIR'])
os.chmod('locked', 0)`);
    const folder = /--- stdout ---\n(.+)$/.exec(text)?.[1] ?? assert.fail(text);
    assert.ok(folder.startsWith(tmpdir()));
    assert.equal(existsSync(folder), false);
  });

  it('has what docs/security.md says that it has: the files that the user may reach, and the network', async () => {
    const other = join(world.folder, 'workspace-of-another');
    await mkdir(other);
    await writeFile(join(other, 'note.txt'), 'read me');
    const server = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { text } = await sh(
        `cat ${other}/note.txt && echo changed > ${other}/note.txt; cat < /dev/tcp/127.0.0.1/${portOf(server.address())}`,
      );
      assert.match(text, /^Exit code 0\..*\n--- stdout ---\nread mehello$/);
      assert.equal(await readFile(join(other, 'note.txt'), 'utf8'), 'changed\n');
    } finally {
      server.close();
    }
  });

  // The isolation that this machine offers, then the weaker ones that other machines must do with.
  for (const [level, more] of Object.entries(LEVELS)) {
    describe(`with isolation by ${level}`, () => {
      let searchPath: string;
      beforeEach(async function () {
        // Between the two others: it differs from the last in one program that is put before the command.
        if (level === 'capabilities' && !isFull) this.skip();
        const found = await searchPathOf(world.folder, level, [...PROGRAMS, ...more]);
        if (found === undefined) this.skip();
        else searchPath = found;
      });
      const run = async (command: string, options: object = {}, signal = world.context.signal): Promise<ToolResult> => {
        const tool = shellWith(searchPath);
        return tool.run(await parseArguments(tool, JSON.stringify({ command, ...options })), {
          ...world.context,
          signal,
        });
      };
      /** Without environment, outputs, parent or session of its own run; after a double fork; each of them deaf. */
      const fugitives = (nap: string): string => `trap '' HUP TERM INT
        (env -i setsid sleep ${nap} </dev/null >/dev/null 2>&1 &)
        (env -i setsid sh -c 'cd /; exec 0<&- 1>&- 2>&-; (setsid sleep ${nap} &)' &)
        (nohup env -i python3 -c 'import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 256)
        os.execvpe("sleep", ["sleep", "${nap}"], {"PATH": "/usr/bin:/bin"})' >/dev/null 2>&1 &)
        sleep 0.5; echo away;`;

      it('nothing outlives a run, whatever it did to get away', async () => {
        const nap = uniqueNap();
        assert.match((await run(fugitives(nap))).text, /^Exit code 0\.[^]*\n--- stdout ---\naway$/);
        assert.deepEqual(running(nap), []);
        assert.match((await run(`${fugitives(nap)} sleep 60`, { timeout_seconds: 1 })).text, /^Stopped: not finished/);
        assert.deepEqual(running(nap), []);
        const interrupt = new AbortController();
        const rejected = assert.rejects(run(`${fugitives(nap)} sleep 60`, {}, interrupt.signal), { message: 'stop' });
        await eventually(() => running(`sleep\0${nap}`).length === 3, 30_000, 'three fugitives');
        interrupt.abort(new Error('stop'));
        await rejected;
        assert.deepEqual(running(nap), []);
      });

      it('processes and memory of those that left the run count, too', async () => {
        const nap = uniqueNap();
        const many = `for i in $(${'echo '.concat(Array.from({ length: 80 }, (_, i) => i).join(' '))}); do
          (env -i setsid sleep ${nap} </dev/null >/dev/null 2>&1 &); done; sleep 30`;
        assert.match(
          (await run(many, { timeout_seconds: 20 })).text,
          /^Stopped: more than 64 processes at once|Resource temporarily unavailable|[Cc]annot fork/,
        );
        assert.deepEqual(running(nap), []);
        // Those in a namespace have descended from its first process, whatever they do.
        if (level === 'namespaces') return;
        const large = `(env -i setsid python3 -c 'import mmap, time
m = mmap.mmap(-1, 2 << 30)
for at in range(0, 2 << 30, 1 << 20): m[at:at + (1 << 20)] = b"x" * (1 << 20)
time.sleep(30); "${nap}"' >/dev/null 2>&1 &); sleep 30`;
        assert.match((await run(large, { timeout_seconds: 20 })).text, memory);
        assert.deepEqual(running(nap), []);
      });

      it('the environment of the program is closed', function () {
        // With namespaces another test shows it; with neither it is open on most machines.
        if (level !== 'capabilities') this.skip();
        // This very process was started without the variable, so a parent with it is needed.
        const look = 'grep -qz sk-very-[s]ecret "/proc/PARENT/environ" 2>/dev/null && echo LEAK || echo closed';
        const script = `
          import { shellWith } from ${JSON.stringify(join(process.cwd(), 'src/tools/code/shell.ts'))};
          const context = { workspace: ${JSON.stringify(world.workspace)}, idempotencyKey: 'k', signal: new AbortController().signal };
          const command = ${JSON.stringify(look)}.replace('PARENT', process.pid);
          console.log((await shellWith(${JSON.stringify(searchPath)}).run({ command, timeout_seconds: 10 }, context)).text);`;
        const text = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
          encoding: 'utf8',
          env: { ...process.env, FAKE_SECRET_FOR_TEST: 'sk-very-secret' },
        });
        assert.match(text, /^Exit code 0\..*\n--- stdout ---\nclosed$/m);
      });

      it('a bomb of processes that all leave the run is ended', async () => {
        // It would have 1,023 of them in the end, so that nothing worse happens should the limit fail.
        const nap = uniqueNap();
        await writeFile(
          join(world.workspace, 'bomb.sh'),
          `if [ "$1" -gt 0 ]; then for i in 1 2; do env -i PATH="$PATH" setsid sh bomb.sh $(($1 - 1)) & done; fi
          exec sleep ${nap} </dev/null >/dev/null 2>&1`,
        );
        const { text } = await run('sh bomb.sh 9', { timeout_seconds: 20 });
        assert.match(text, /^Stopped: more than 64 processes at once|Resource temporarily unavailable|[Cc]annot fork/);
        assert.deepEqual([...running(nap), ...running('bomb.sh')], []);
      });
    });
  }
});
