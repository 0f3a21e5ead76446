/** Finding a server where there is none to find: no Temporal server runs in these tests. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { access, chmod, mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { packageDir } from '../../src/package-info.ts';
import { SEARCH_ATTRIBUTES } from '../../src/contracts/search-attributes.ts';
import { CopilotError, type ErrorType } from '../../src/contracts/errors.ts';
import { ensureServer } from '../../src/server/ensure-server.ts';
import { cachedServerFile, findServerProgram, whyBroken } from '../../src/server/program.ts';
import { withLock } from '../../src/server/lock.ts';
import { until } from '../helpers/history.ts';
import { isolatedConfig, temporaryFolder } from '../helpers/server.ts';

/** Nothing listens on port 9 (discard), so that a download fails at once, with or without a network. */
const NO_NETWORK = {
  HTTPS_PROXY: 'http://127.0.0.1:9',
  https_proxy: 'http://127.0.0.1:9',
  ALL_PROXY: 'http://127.0.0.1:9',
};
const SYSTEM_PATH = '/usr/bin:/bin';

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function program(file: string, script: string, mode = 0o755): Promise<string> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, script);
  await chmod(file, mode);
  return file;
}

const runnable = '#!/bin/sh\necho temporal version 1.2.3\n';

/** A home without a server, a cache without a program, a PATH with `bin` and `systemPath` only, and no network. */
function bare(systemPath = ''): ReturnType<typeof isolatedConfig> {
  const changes = {
    ...NO_NETWORK,
    PATH: `${join(folder, 'bin')}:${systemPath}`,
    COPILOT_CACHE_DIR: join(folder, 'cache'),
  };
  return isolatedConfig(join(folder, 'home'), changes);
}

async function failure(work: Promise<unknown>, type: ErrorType): Promise<CopilotError> {
  const error: unknown = await work.then(
    () => assert.fail('it succeeded'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CopilotError, `not a CopilotError: ${String(error)}`);
  assert.equal(error.type, type);
  assert.equal(error.exitCode, 5);
  return error;
}

function assertThreeWaysOut(error: CopilotError): void {
  assert.match(String(error.details['waysOut']), /^\(1\).*\(2\).*\(3\)/s);
  assert.doesNotMatch(error.message, /\(4\)/);
  assert.match(error.message, /Three ways out: \(1\)/);
  assert.match(error.message, /TEMPORAL_ADDRESS/);
}

describe('a server that the user named', () => {
  it('is an error that names the address when nothing listens there', async () => {
    const config = isolatedConfig(folder, { TEMPORAL_ADDRESS: '127.0.0.1:9' });
    const error = await failure(ensureServer(config), 'ServerUnreachable');
    assert.equal(error.details['address'], '127.0.0.1:9');
    assert.match(error.message, /No Temporal server answers at 127\.0\.0\.1:9 \(connect ECONNREFUSED/);
  });

  it('is taken from a profile, too, and an unknown profile is an error', async () => {
    const file = join(folder, 'temporal.toml');
    await writeFile(file, '[profile.team]\naddress = "127.0.0.1:9"\n');
    const named = isolatedConfig(folder, { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'team' });
    assert.equal((await failure(ensureServer(named), 'ServerUnreachable')).details['address'], '127.0.0.1:9');

    const unknown = isolatedConfig(folder, { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'other' });
    await assert.rejects(ensureServer(unknown), /TEMPORAL_PROFILE=other is not valid: .*not found/);
  });
});

describe('a server that cannot be had', () => {
  it('without program, Go and network: says so, with three ways out', async () => {
    const error = await failure(ensureServer(bare()), 'ServerUnavailable');
    assertThreeWaysOut(error);
    assert.match(error.message, /no `temporal` on PATH/);
    assert.match(error.message, /download failed \(.*(tunnel|refused|connect)/i);
    assert.match(error.message, /no Go on PATH/);
  });

  it('with a build that fails: shows what Go said', async () => {
    await program(join(folder, 'bin', 'go'), '#!/bin/sh\necho "no such module" >&2\nexit 1\n');
    const error = await failure(ensureServer(bare(SYSTEM_PATH)), 'ServerUnavailable');
    assert.match(error.message, /Building it failed \(1\): no such module/);
    assertThreeWaysOut(error);
  });

  for (const [what, script, mode, reason] of [
    ['an empty', '', 0o755, /file is empty/],
    ['a file that is no', runnable, 0o644, /not executable/],
    ['a failing', '#!/bin/sh\nexit 3\n', 0o755, /exit code 3/],
    ['a different', '#!/bin/sh\necho hello\n', 0o755, /prints no version/],
  ] as const) {
    it(`with ${what} program in the cache: names it, moves it aside, three ways out`, async () => {
      const config = bare();
      const cached = await program(cachedServerFile(config), script, mode);
      const said: string[] = [];
      const error = await failure(ensureServer(config, { log: (line) => said.push(line) }), 'ServerUnavailable');
      assert.ok(error.message.includes(`${cached} does not run`), error.message);
      assert.match(error.message, reason);
      assertThreeWaysOut(error);
      assert.ok(
        said.some((line) => line.includes(cached) && line.includes('moved to')),
        said.join('\n'),
      );
      await access(`${cached}.broken`);
    });
  }

  it('with a port in use that was asked for: names the port and what to do', async () => {
    await program(join(folder, 'bin', 'temporal'), runnable);
    const { server, port } = await listen();
    try {
      const error = await failure(ensureServer(bare(), { port }), 'ServerUnavailable');
      assertThreeWaysOut(error);
      assert.match(error.message, new RegExp(`Port ${port} .* in use.*\`--port\``, 's'));
      const ui = await failure(ensureServer(bare(), { uiPort: port }), 'ServerUnavailable');
      assert.match(ui.message, new RegExp(`Port ${port} .* in use.*\`--ui-port\``, 's'));
    } finally {
      server.close();
    }
  });

  it('with a server that dies at its start: shows the last lines of its log', async () => {
    const dies =
      '#!/bin/sh\n[ "$1" = --version ] && echo version && exit\necho "database disk image is malformed" >&2\nexit 7\n';
    await program(join(folder, 'bin', 'temporal'), dies);
    const error = await failure(ensureServer(bare(SYSTEM_PATH)), 'ServerUnavailable');
    assert.match(error.message, /ended while it was starting \(exit code 7\)/);
    assert.match(error.message, /database disk image is malformed/);
    assertThreeWaysOut(error);
    await assert.rejects(access(join(folder, 'home', 'server.json')));
  });

  it('with a port that another process takes in the meantime: tries other ports, three times in all', async () => {
    const starts = join(folder, 'starts');
    const loses = `#!/bin/sh
      [ "$1" = --version ] && echo version && exit
      echo "$@" >>${starts}
      echo "listen tcp 127.0.0.1:7233: bind: address already in use" >&2
      exit 1`;
    await program(join(folder, 'bin', 'temporal'), loses);
    const said: string[] = [];
    const starting = ensureServer(bare(SYSTEM_PATH), { log: (line) => said.push(line) });
    assertThreeWaysOut(await failure(starting, 'ServerUnavailable'));
    assert.equal((await readFile(starts, 'utf8')).trim().split('\n').length, 3);
    assert.equal(said.filter((line) => line.includes('took the port')).length, 2);
  });
});

describe('the server program', () => {
  it('is the one on PATH, before the cached one', async () => {
    const config = bare(SYSTEM_PATH);
    await program(cachedServerFile(config), runnable);
    const onPath = await program(join(folder, 'bin', 'temporal'), runnable);
    assert.equal(await findServerProgram(config, () => undefined), onPath);
    await writeFile(onPath, '#!/bin/sh\nexit 1\n');
    const said: string[] = [];
    assert.equal(await findServerProgram(config, (line) => said.push(line)), cachedServerFile(config));
    assert.match(said.join('\n'), /on PATH does not run \(.*exit code 1/);
  });

  it('is built when the cached one is broken, with a word on how long it takes', async () => {
    const config = bare(SYSTEM_PATH);
    await program(cachedServerFile(config), '', 0o755);
    await program(join(folder, 'bin', 'go'), fakeGo(0));
    const said: string[] = [];
    const file = await findServerProgram(config, (line) => said.push(line));
    assert.equal(file, cachedServerFile(config));
    assert.equal(await whyBroken(file, config.temporal.environment), undefined);
    assert.ok(
      said.some((line) =>
        /Building .* github\.com\/temporalio\/cli\/cmd\/temporal@v1\.5\.1 with modernc\.org\/sqlite@v1\.51\.0\. .*3 to 6 minutes, once/.test(
          line,
        ),
      ),
    );
  });

  it('is built once when two processes need it at the same time', async () => {
    const config = bare(SYSTEM_PATH);
    await program(join(folder, 'bin', 'go'), fakeGo(1));
    const code = `
      const { findServerProgram } = await import(${JSON.stringify(pathToFileURL(join(packageDir, 'src/server/program.ts')).href)});
      const { loadConfig } = await import(${JSON.stringify(pathToFileURL(join(packageDir, 'src/config.ts')).href)});
      console.log(await findServerProgram(loadConfig(${JSON.stringify(config.temporal.environment)}), () => undefined));`;
    const found = await Promise.all([runModule(code), runModule(code)]);
    assert.deepEqual(found, [cachedServerFile(config), cachedServerFile(config)]);
    assert.equal(await readFile(join(folder, 'builds'), 'utf8'), 'build\n');
  });

  /** Puts a program where `go build -o` would, after some seconds, and notes that it ran. */
  const fakeGo = (seconds: number): string =>
    `#!/bin/sh\ntest "$1" = build || exit 0\necho build >> ${join(folder, 'builds')}\nsleep ${seconds}\nprintf '#!/bin/sh\\necho version\\n' > "$3"\nchmod +x "$3"\n`;
});

describe('the lock between processes', () => {
  it('lets one in at a time and is gone afterwards, also after an error', async () => {
    const file = join(folder, 'a', 'lock');
    let inside = 0;
    const work = async (): Promise<void> => {
      assert.equal(++inside, 1);
      await sleep(30);
      inside--;
    };
    await Promise.all([withLock(file, work), withLock(file, work), withLock(file, work)]);
    await assert.rejects(
      withLock(file, () => Promise.reject(new Error('no'))),
      /no/,
    );
    await assert.rejects(stat(file));
  });

  it('of a dead process is broken, and by one waiter only', async () => {
    const { pid } = spawnSync('/bin/true');
    const file = join(folder, 'lock');
    await writeFile(file, JSON.stringify({ pid, host: hostname(), token: 'old' }));
    let inside = 0;
    const work = async (): Promise<void> => {
      assert.equal(++inside, 1);
      await sleep(20);
      inside--;
    };
    await Promise.all(Array.from({ length: 8 }, () => withLock(file, work)));
  });

  it('of another machine is waited for as long as it is touched, then broken', async () => {
    const file = join(folder, 'lock');
    await writeFile(file, JSON.stringify({ pid: 1, host: 'elsewhere', token: 'theirs' }));
    const waitedFor: number[] = [];
    let taken = false;
    const taking = withLock(
      file,
      async () => void (taken = true),
      (pid) => waitedFor.push(pid),
    );
    await until('the waiting', async () => waitedFor.length > 0);
    await sleep(400);
    assert.equal(taken, false);
    assert.deepEqual(waitedFor, [1]);
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(file, longAgo, longAgo);
    await taking;
    assert.equal(taken, true);
  });
});

describe('the search attributes', () => {
  it('are the nine of the contract, each named once', () => {
    assert.deepEqual(
      SEARCH_ATTRIBUTES.map(({ name, type }) => `${name} ${type}`),
      [
        'CopilotStatus KEYWORD',
        'CopilotMode KEYWORD',
        'CopilotUser KEYWORD',
        'CopilotPhase KEYWORD',
        'CopilotStep INT',
        'CopilotName KEYWORD',
        'CopilotAwaiting KEYWORD',
        'CopilotUpdatedAt DATETIME',
        'CopilotLastActiveAt DATETIME',
      ],
    );
  });
});

async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { server, port: address.port };
}

/** Runs a module in a process of its own; gives what it prints. */
async function runModule(code: string): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: packageDir });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const exitCode = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(exitCode, 0, errors);
  return output.trim();
}
