/** What no tool does, whatever it is called with, and whatever lies in the workspace or happens there meanwhile. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, link, mkdir, open, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CopilotError } from '../../../../src/contracts/errors.ts';
import { findIsolation } from '../../../../src/tools/code/isolation.ts';
import { SEARCH_PATH } from '../../../../src/tools/code/workspace-run.ts';
import { contentOf } from '../../../../src/tools/workspace/content.ts';
import { cpuTimer } from '../../../helpers/cpu-time.ts';
import { isFull, itInFull } from '../../../helpers/full.ts';
import type { ToolWorld } from '../tool-world.ts';
import { createToolWorld } from '../tool-world.ts';

/** `COPILOT_TEST_FULL` prints 1 GB. */
const MUCH_OUTPUT_BYTES = isFull ? 1_000_000_000 : 150_000_000;
const TABLE = 'city,rain\nOslo,1\n';
const SECRET = 'SECRET,rain\nSECRET,1\n';

/** Every tool that takes a file, as a call that would read or change what lies there. */
function fileCalls(path: string): [tool: string, input: object][] {
  return [
    ['read_file', { path }],
    ['search_files', { path, pattern: 'SECRET' }],
    ['table_profile', { path }],
    ['plot_chart', { path, output: 'out.svg', chart: 'bar', x: 'city' }],
    ['write_file', { path, content: 'x' }],
    ['append_file', { path, content: 'x' }],
    ['edit_file', { path, old_text: 'rain', new_text: 'snow' }],
  ];
}

/** And those that take a folder, or the name of a chart. */
function allCalls(path: string): [tool: string, input: object][] {
  const drawn = { path: 'table.csv', output: `${path}.svg`, chart: 'bar', x: 'city' };
  return [...fileCalls(path), ['list_files', { path }], ['plot_chart', drawn]];
}

describe('containment', function () {
  this.timeout(300_000);
  let world: ToolWorld;
  let secrets: string;
  beforeEach(async () => {
    // In memory, where there is such a place: what is done here many times takes long on a busy disk.
    world = await createToolWorld(undefined, existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
    secrets = join(world.folder, 'secrets');
    await mkdir(secrets);
    await writeFile(join(secrets, 'key.txt'), SECRET);
    await writeFile(join(secrets, 'key.txt.svg'), SECRET);
    await writeFile(join(world.workspace, 'table.csv'), TABLE);
  });
  afterEach(() => {
    // Faster than Node with many files.
    execFileSync('rm', ['-rf', world.folder]);
  });
  const untouched = async (): Promise<void> => {
    assert.deepEqual(await readdir(secrets), ['key.txt', 'key.txt.svg']);
    for (const name of ['key.txt', 'key.txt.svg']) assert.equal(await readFile(join(secrets, name), 'utf8'), SECRET);
  };

  describe('[R08] file tools stay in the workspace; code gets no secret, and its time, memory and output only', () => {
    it('no file tool leaves by `..`, by an absolute path or by a link, through /proc either', async () => {
      const key = join(secrets, 'key.txt');
      await symlink(key, join(world.workspace, 'link'));
      await symlink(`${key}.svg`, join(world.workspace, 'link.svg'));
      await symlink(secrets, join(world.workspace, 'folder'));
      await symlink('/proc/self/root', join(world.workspace, 'root'));
      await symlink('/proc/self/cwd', join(world.workspace, 'cwd'));
      const opened = await open(key);
      await symlink(`/proc/self/fd/${opened.fd}`, join(world.workspace, 'fd'));
      await symlink(`/proc/self/fd/${opened.fd}`, join(world.workspace, 'fd.svg'));
      const name = world.folder.split('/').at(-1) ?? '';
      try {
        for (const path of [
          ...['../secrets/key.txt', './a/../../secrets/key.txt', `../../${name}/secrets/key.txt`, key, `//${key}`],
          ...[`${world.workspace}/../secrets/key.txt`, `${world.workspace}-2`, '/proc/self/environ', '/etc/passwd'],
          ...[`/proc/self/root${key}`, `/proc/${process.pid}/root${key}`, `/proc/self/fd/${opened.fd}`],
          ...['link', 'folder/key.txt', `root${key}`, 'cwd/package.json', 'fd'],
        ]) {
          for (const [tool, input] of allCalls(path)) {
            assert.match(await world.refused(tool, input), /leads out of the workspace/, `${tool} ${path}`);
          }
        }
      } finally {
        await opened.close();
      }
      await untouched();
    });

    it('no file tool leaves while files and folders are swapped with links and pipes all the time', async () => {
      await mkdir(join(world.workspace, 'folder'));
      await writeFile(join(world.workspace, 'folder', 'key.txt'), TABLE);
      execFileSync('mkfifo', [join(world.workspace, 'pipe')]);
      const swapper = spawn(process.execPath, ['-e', SWAPPER, secrets], {
        cwd: world.workspace,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const seen = { done: 0, refused: 0 };
      try {
        await once(swapper.stdout, 'data');
        const calls = [...allCalls('file'), ...allCalls('folder/key.txt')];
        const quick = calls.filter(([tool]) => tool !== 'plot_chart');
        let endMs = 0;
        for (let round = 0; Date.now() < endMs || seen.done < 10 || seen.refused < 10; round++) {
          // Many together, so that much happens between two steps of each.
          const batch = round === 0 ? calls : [...quick, ...quick];
          if (round === 1 && isFull) endMs = Date.now() + 1_200;
          const outcomes = await Promise.allSettled(batch.map(([tool, input]) => world.call(tool, input)));
          for (const [index, outcome] of outcomes.entries()) {
            if (outcome.status === 'fulfilled') {
              const text = outcome.value.text.replace('No line contains "SECRET"', '');
              assert.doesNotMatch(text, /SECRET/, batch[index]?.[0]);
              seen.done++;
            } else {
              if (!(outcome.reason instanceof CopilotError)) throw outcome.reason;
              seen.refused++;
            }
          }
        }
        assert.equal(swapper.exitCode, null, 'still swapping');
      } finally {
        if (swapper.exitCode === null) {
          swapper.kill('SIGKILL');
          await once(swapper, 'exit');
        }
      }
      await untouched();
    });

    it('code finds none of the variables of the program that runs it, neither its own nor in /proc', async function () {
      if ((await findIsolation(SEARCH_PATH)).level === 'none') this.skip();
      const look = `import glob, os
paths = ['/proc/self/environ', '/proc/%d/environ' % os.getppid(), '/proc/1/environ', '/proc/WORKER/environ']
for path in paths + glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/task/*/environ'):
    try: print('LEAK' if b'sk-very-' b'secret' in open(path, 'rb').read() else 'clean')
    except OSError: print('denied')
print('LEAK' if 'sk-very-' 'secret' in str(os.environ) else 'clean')`;
      // This very process was started without the variable, so a parent with it is needed.
      const script = `
        import { builtInTools, runTool } from ${JSON.stringify(join(process.cwd(), 'src/tools/registry.ts'))};
        const context = { workspace: ${JSON.stringify(world.workspace)}, idempotencyKey: 'k', signal: new AbortController().signal, network: { allow: [], private: false } };
        const code = ${JSON.stringify(look)}.replace('WORKER', process.pid);
        for (const [tool, input] of [
          ['run_code', { language: 'python', code }],
          ['run_code', { language: 'node', code: 'process.stdout.write(require("child_process").execFileSync("python3", ["-c", ' + JSON.stringify(code) + ']))' }],
          ['shell', { command: "python3 - <<'END'\\n" + code + '\\nEND' }],
        ]) console.log(tool, (await runTool(builtInTools, tool, JSON.stringify(input), context)).text);`;
      const text = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
        env: { ...process.env, FAKE_KEY_FOR_TEST: 'sk-very-secret' },
      });
      assert.deepEqual(text.match(/^(run_code|shell) Exit code \d+/gm), [
        ...['run_code Exit code 0', 'run_code Exit code 0', 'shell Exit code 0'],
      ]);
      assert.match(text, /^clean$/m);
      assert.doesNotMatch(text, /LEAK/);
    });

    it('code and shell get their time and no more', async () => {
      const startedMs = Date.now();
      const runs = [
        world.call('run_code', { language: 'node', code: 'for (;;);', timeout_seconds: 1 }),
        world.call('run_code', { language: 'python', code: 'while True: pass', timeout_seconds: 1 }),
        world.call('shell', { command: 'while :; do :; done', timeout_seconds: 1 }),
      ];
      for (const { text } of await Promise.all(runs)) {
        assert.match(text, /^Stopped: not finished after 1 s, the time limit\./);
      }
      assert.ok(Date.now() - startedMs < 60_000, 'by themselves they would never end');
    });

    const greedy: [what: string, tool: string, input: object][] = [
      ['Node', 'run_code', { language: 'node', code: 'const a = []; for (;;) a.push(Buffer.alloc(100 << 20, 1))' }],
      ['Python', 'run_code', { language: 'python', code: 'a = bytearray(4 << 30)' }],
      ['a shell', 'shell', { command: 'tail /dev/zero' }],
    ];
    for (const [what, tool, input] of greedy) {
      it(`${what} gets its memory and no more`, async () => {
        const { text } = await world.call(tool, input);
        assert.match(
          text,
          /^(?:Stopped: out of memory|Exit code \d+\. It says that it has no memory); the limit is \d+ MiB/,
          text.slice(0, 500),
        );
      });
    }

    itInFull('Node can use 700 of its 1,024 MiB for data, whatever V8 reserves for itself', async () => {
      const code = 'const a = []; while (a.length < 7) a.push(Buffer.alloc(100 << 20, 1)); console.log(a.length)';
      const { text } = await world.call('run_code', { language: 'node', code });
      assert.match(text, /^Exit code 0\.[^]*--- stdout ---\n7$/, text.slice(0, 500));
    });

    it(`code and shell have 100 KiB of output kept, of ${MUCH_OUTPUT_BYTES / 1e6} MB too, and the program does not grow by it`, async () => {
      const before = process.memoryUsage().rss;
      const code = 'process.stdout.write("Q".repeat(1e7)); process.stderr.write("W".repeat(1e6))';
      const printed = (await world.call('run_code', { language: 'node', code })).text;
      assert.deepEqual([printed.match(/Q/g)?.length, printed.match(/W/g)?.length], [81_920, 20_480]);
      assert.match(
        printed,
        new RegExp(`^Exit code 0\\.[^]*\\[${11_000_000 - 102_400} more bytes of output were dropped;`),
      );
      const { text } = await world.call('shell', {
        command: `head -c ${MUCH_OUTPUT_BYTES} /dev/zero`,
        timeout_seconds: 240,
      });
      assert.match(
        text,
        new RegExp(`^Exit code 0\\.[^]*\\[${MUCH_OUTPUT_BYTES - 81_920} more bytes of output were dropped;`),
      );
      assert.equal(text.match(/\0/g)?.length, 81_920);
      const grown = process.memoryUsage().rss - before;
      assert.ok(grown < 200_000_000, `${grown} bytes`);
    });
  });

  describe('special files', () => {
    it('every tool refuses pipes with somebody at their other end, sockets and devices at once', async () => {
      const here = (name: string): string => join(world.workspace, name);
      execFileSync('mkfifo', [here('pipe'), here('pipe.svg')]);
      // For reading and writing, which waits for nobody.
      const ends = await Promise.all(['pipe', 'pipe.svg'].map((name) => open(here(name), 'r+')));
      const server = createServer().listen(here('socket'));
      await once(server, 'listening');
      const paths = ['pipe', 'socket'];
      try {
        execFileSync('mknod', [here('device'), 'c', '1', '5'], { stdio: 'ignore' });
        paths.push('device');
      } catch {
        // Only root may make a device.
      }
      const startedMs = Date.now();
      for (const path of paths) {
        for (const [tool, input] of fileCalls(path)) {
          assert.match(await world.refused(tool, input), new RegExp(`^"${path}" is a pipe, socket or device\\.`), tool);
        }
      }
      assert.match(
        await world.refused('plot_chart', { path: 'table.csv', output: 'pipe.svg', chart: 'bar', x: 'city' }),
        /^"pipe\.svg" is a pipe/,
      );
      assert.match((await world.call('list_files', {})).text, /^pipe \(special, not readable\)$/m);
      assert.equal((await world.call('search_files', { pattern: 'Oslo' })).text, 'table.csv:2: Oslo,1');
      assert.match((await world.call('shell', { command: 'echo still here' })).text, /\nstill here$/);
      assert.ok(Date.now() - startedMs < 60_000, 'nobody comes to the other end, ever');
      await Promise.all(ends.map((end) => end.close()));
      server.close();
    });
  });

  it('a file with another name outside is replaced, never changed', async () => {
    const key = join(secrets, 'key.txt');
    for (const name of ['added', 'edited', 'written']) await link(key, join(world.workspace, name));
    assert.equal(
      await world.refused('append_file', { path: 'added', content: 'x' }),
      '"added" is one of 4 hard links to the same file, and all of them would change. Continue in a new file.',
    );
    await world.call('edit_file', { path: 'edited', old_text: 'rain', new_text: 'snow', replace_all: true });
    await world.call('write_file', { path: 'written', content: 'x' });
    assert.equal(await readFile(join(world.workspace, 'edited'), 'utf8'), SECRET.replaceAll('rain', 'snow'));
    await untouched();
  });

  describe('large things', () => {
    it('every tool refuses a file of 8 GiB at once, and searches pass it over', async () => {
      const file = join(world.workspace, 'huge.csv');
      await writeFile(file, TABLE);
      await truncate(file, 8 * 1024 ** 3);
      const [before, computedMs] = [process.memoryUsage().rss, cpuTimer()];
      for (const [tool, input] of fileCalls('huge.csv')) {
        if (tool === 'write_file') continue;
        assert.match(
          await world.refused(tool, input),
          /^"huge\.csv" has 8589934592 bytes, and the limit is \d+\./,
          tool,
        );
      }
      assert.match(
        (await world.call('search_files', { pattern: 'Oslo' })).text,
        /^table\.csv:2: Oslo,1\n\[Not searched: huge\.csv \(not readable, or over 10485760 bytes\)\.\]$/,
      );
      assert.match((await world.call('list_files', {})).text, /^huge\.csv \(8589934592 bytes\)$/m);
      assert.match((await world.call('shell', { command: 'wc -l < table.csv' })).text, /\n2$/);
      assert.ok(process.memoryUsage().rss - before < 100_000_000 && computedMs() < 20_000);
      await world.call('write_file', { path: 'huge.csv', content: 'small' });
      assert.equal(await readFile(file, 'utf8'), 'small');
    });

    it('a file is read as far as it went when it was opened, however it grows', async () => {
      const file = join(world.workspace, 'log');
      await writeFile(file, 'before');
      const handle = await open(file);
      await appendFile(file, 'x'.repeat(1_000_000));
      assert.equal((await contentOf({ handle, bytes: 6 })).toString(), 'before');
      await truncate(file, 3);
      assert.equal((await contentOf({ handle, bytes: 6 })).toString(), 'bef');
      await handle.close();
    });

    itInFull(
      'a folder of 100,000 files and one of 20,100 folders hold up neither listing, search nor shell',
      async () => {
        const make = 'mkdir files folders; (cd files; seq 100000 | xargs touch); (cd folders; seq 20100 | xargs mkdir)';
        execFileSync('sh', ['-c', make], { cwd: world.workspace });
        const computedMs = cpuTimer();
        const lines = (await world.call('list_files', { path: 'files' })).text.split('\n');
        assert.deepEqual([lines.length, lines[0], lines[1]], [1_001, 'files/1 (0 bytes)', 'files/10 (0 bytes)']);
        assert.equal(
          (await world.call('search_files', { path: 'folders', pattern: 'Oslo' })).text,
          'No line contains "Oslo".\n[Not searched: everything after the first 20000 entries.]',
        );
        assert.match((await world.call('shell', { command: 'echo still here' })).text, /\nstill here$/);
        const tookMs = computedMs();
        assert.ok(tookMs < 60_000, `${tookMs} ms`);
      },
    );
  });

  it('a name with line breaks or control characters cannot pass for other lines', async () => {
    const names = ['a\nb.txt (5 bytes)', 'c\u001b[2J', 'd\u009b2J\u2028', '"e"', 'grüße 東京.txt'];
    for (const name of names) await writeFile(join(world.workspace, name), 'Oslo');
    // Not UTF-8; it has no name that a tool could take.
    execFileSync('sh', ['-c', `touch "$(printf 'f\\377')"`], { cwd: world.workspace });
    const shown = ['"\\"e\\""', '"a\\nb.txt (5 bytes)"', '"c\\u001b[2J"', '"d\\u009b2J\\u2028"', 'grüße 東京.txt'];
    const { text } = await world.call('list_files', {});
    assert.equal(text, [...shown.map((name) => `${name} (4 bytes)`), 'table.csv (17 bytes)'].join('\n'));
    const found = await world.call('search_files', { pattern: 'Oslo' });
    assert.equal(found.text, [...shown.map((name) => `${name}:1: Oslo`), 'table.csv:2: Oslo,1'].join('\n'));
    const run = await world.call('run_code', { language: 'python', code: 'open("x\\ny", "w").write("")' });
    assert.match(run.text, /--- files written ---\n"x\\ny"$/);
    assert.deepEqual(run.artifacts, ['x\ny']);
    assert.equal((await world.call('read_file', { path: names[0] })).text, 'Oslo');
  });
});

/** Makes `file` a file, a link out and a pipe, and `folder` a folder and a link out, as fast as it can. */
const SWAPPER = `
const fs = require('fs');
const secrets = process.argv[1];
fs.symlinkSync(secrets, 'link');
console.log('swapping');
const end = Date.now() + 170000;
// Renames without a pause hold up everybody who looks for a path, and hardly anything happens.
const pause = () => { for (const until = performance.now() + 0.1; performance.now() < until;); };
for (let round = 0; Date.now() < end; round++) {
  try {
    if (round % 3 === 0) fs.symlinkSync(secrets + '/key.txt', 'next');
    else if (round % 3 === 1) fs.writeFileSync('next', ${JSON.stringify(TABLE)});
    else fs.linkSync('pipe', 'next');
    fs.renameSync('next', 'file');
    pause();
    fs.renameSync('folder', 'real'); fs.renameSync('link', 'folder');
    pause();
    fs.renameSync('folder', 'link'); fs.renameSync('real', 'folder');
  } catch {
    // A tool has made a folder of its own in the gap, or there are two names of the pipe, which a rename leaves.
    try {
      fs.rmSync('next', { force: true });
      if (fs.existsSync('real')) {
        fs.rmSync('folder', { recursive: true, force: true });
        fs.renameSync('real', 'folder');
      }
      if (!fs.existsSync('link')) fs.symlinkSync(secrets, 'link');
    } catch {}
  }
}`;
