/** `copilot demo` and `copilot dev`, which start and stop a Temporal server themselves. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isAlive } from '../../src/connection/address/home-server.ts';
import { packageDir } from '../../src/package-info.ts';
import { ensureServer } from '../../src/server/ensure-server.ts';
import { runCli, startCli } from '../helpers/cli.ts';
import { itInFull } from '../helpers/full.ts';
import { until } from '../helpers/history.ts';
import { freePort } from '../helpers/ports.ts';
import { isolatedConfig, temporaryFolder } from '../helpers/server.ts';
import { startTerminal } from '../helpers/terminal.ts';
import { programEnvironment } from '../helpers/worker.ts';

describe('copilot with a server of its own', function () {
  this.timeout(180_000);
  let homeDir: string;
  let env: Record<string, string>;

  beforeEach(async () => {
    homeDir = await temporaryFolder();
    const { TEMPORAL_ADDRESS: _, ...others } = programEnvironment({ homeDir, address: '' });
    env = others;
  });
  afterEach(() => rm(homeDir, { recursive: true, force: true }));

  it('[U01] npm start, without key and terminal, runs the sample to a right report, prints where it is, and stops what it started; npm test runs the tests', async () => {
    const { stdout } = await promisify(execFile)('npm', ['start', '--silent'], { cwd: packageDir, env });
    const { scripts } = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')) as { scripts: object };
    assert.ok('test' in scripts && scripts.test === 'node scripts/test.ts');
    assert.match(stdout, /^Model: offline/);
    assert.match(stdout, /→ planned/);
    assert.match(stdout, /Plan:\n {2}1\. /);
    assert.match(stdout, /✓ step 3 completed/);
    assert.match(stdout, /The wettest month is November/);
    const report = /^Written: (.*report\.md)$/m.exec(stdout)?.[1] ?? '';
    assert.match(await readFile(report, 'utf8'), /\| \*\*November\*\* \| \*\*642\.5\*\*/);
    assert.match(stdout, /^Web UI: {2}http:\/\/127\.0\.0\.1:\d+\/namespaces\/default\/workflows\/ses_\w+/m);
    assert.equal(existsSync(join(homeDir, 'server.json')), false);
  });

  itInFull('[U01] npm start in a terminal chats about the sample data, and says what to type', async () => {
    const terminal = startTerminal(['demo'], env);
    try {
      await terminal.until(/Try: (Profile .*report\.md)[\s\S]*\n>/, 120_000);
      const [link = ''] = /http:\/\/127\.0\.0\.1:\d+\/login\?code=\S+/.exec(terminal.screen()) ?? [];
      const signedIn = await fetch(link, { redirect: 'manual' });
      assert.equal(signedIn.status, 303, terminal.screen());
      const headers = { cookie: signedIn.headers.getSetCookie().join().split(';')[0] ?? '' };
      const listed = await fetch(new URL('/v1/sessions', link), { headers });
      assert.equal(listed.status, 200, 'the page is signed in');
      terminal.type(`${/Try: (.*)/.exec(terminal.screen())?.[1]}\r`);
      await terminal.until(/The wettest month is November[\s\S]*\n>$/, 120_000);
      terminal.type('exit\r');
      assert.equal(await terminal.ended, 0);
      assert.match(terminal.screen(), /npm run copilot -- chat ses_\w+$/);
    } finally {
      terminal.kill();
    }
  });

  itInFull('dev, worker, demo and keys say first that the home folder cannot be written to', async () => {
    const file = join(homeDir, 'file');
    await writeFile(file, '');
    for (const home of [file, join(file, 'below')])
      for (const args of [['dev'], ['worker'], ['demo'], ['keys', 'add', 'ada']]) {
        const { code, stderr } = await runCli(args, { ...env, COPILOT_HOME: home });
        assert.equal(code, 2, stderr);
        const problem = `error: COPILOT_HOME=${home} is not valid: this program cannot write there \\(E[A-Z]+: .*\\);`;
        assert.match(stderr, new RegExp(`^${problem}.*\n$`));
      }
  });

  itInFull('dev says what its worker lacks, and ends', async () => {
    const hook = `import { registerHooks } from 'node:module';
      registerHooks({ resolve(name, context, next) {
        if (name !== 'openai') return next(name, context);
        throw Object.assign(new Error("Cannot find package 'openai'"), { code: 'ERR_MODULE_NOT_FOUND' });
      } });`;
    const lacking = { ...env, NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(hook)}` };
    const { code, stderr } = await runCli(['dev'], lacking);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: An OpenAI-compatible API needs the package openai, which is not installed\. Run `npm install/m,
    );
    assert.equal(existsSync(join(homeDir, 'server.json')), false);
  });

  itInFull(
    'a gateway that runs by itself goes on when the server of its home folder is started at another port',
    async () => {
      const config = isolatedConfig(homeDir);
      const startServer = async () => await ensureServer(config, { port: await freePort(), uiPort: await freePort() });
      const first = await startServer();
      const gateway = startCli(['gateway', '--json', '--port', '0'], env);
      let second: Awaited<ReturnType<typeof startServer>> | undefined;
      try {
        await gateway.untilStdout(/"ready"/, 120_000);
        const { url } = JSON.parse(gateway.stdout()) as { url: string }; // what the command prints
        const becomes = (status: number): Promise<unknown> =>
          until(`readiness ${status}`, async () => (await fetch(`${url}/readyz`)).status === status);
        await becomes(200);
        await first.stop();
        await becomes(503);
        second = await startServer();
        assert.notEqual(second.address, first.address);
        await gateway.untilStdout(/"ready"[^]*"ready"/, 120_000);
        await becomes(200);
        gateway.process.kill('SIGTERM');
        assert.equal((await gateway.ended).code, 0);
      } finally {
        gateway.process.kill('SIGKILL');
        await second?.stop();
        await first.stop();
      }
    },
  );

  it('dev runs server, worker and Web UI, which other commands find, starts a dead worker again, and stops everything on Ctrl-C', async () => {
    const dev = startCli(['dev', '--json'], env);
    await dev.untilStdout(/"ready"/, 120_000);
    const ready = JSON.parse(dev.stdout()) as { address: string; uiUrl: string; model: string };
    assert.equal(ready.model, 'offline');
    assert.equal((await fetch(ready.uiUrl)).status, 200);
    const recordFile = join(homeDir, 'server.json');
    const { pid: serverPid } = JSON.parse(await readFile(recordFile, 'utf8')) as { pid: number };
    assert.ok(isAlive(serverPid));
    const started = await runCli(['start', 'What is 6 * 7?', '--mode', 'one-shot', '--wait', '--json'], env);
    assert.match((JSON.parse(started.stdout) as { turn: { reply: string } }).turn.reply, /42/);
    assert.match(
      (await runCli(['start'], env)).stdout,
      new RegExp(`\n${ready.uiUrl}/namespaces/default/workflows/ses_`),
    );
    const { worker } = JSON.parse(dev.stdout()) as { worker: string };
    const pid = Number(/^copilot-(\d+)@/.exec(worker)?.[1]);
    process.kill(pid, 'SIGABRT');
    const again = await runCli(['start', 'What is 6 * 8?', '--mode', 'one-shot', '--wait', '--json'], env);
    assert.match((JSON.parse(again.stdout) as { turn: { reply: string } }).turn.reply, /48/);
    assert.match(dev.stderr(), /The worker ended with SIGABRT\. It starts again in 1 s/);
    const { page } = JSON.parse(dev.stdout()) as { page: string };
    const second = await runCli(['dev', '--page-port', new URL(page).port], env);
    assert.match(second.stderr, /^error: 127\.0\.0\.1:\d+ is not valid: .*; choose another with --page-port\.$/m);
    dev.process.kill('SIGINT');
    const { code, stdout } = await dev.ended;
    assert.equal(code, 0);
    assert.match(stdout, /\{"type":"stopped"\}\n$/);
    // Its ports show nothing: the next program on this machine may have them already.
    assert.equal(isAlive(serverPid), false, 'the server has ended');
    assert.equal(existsSync(recordFile), false);
  });

  itInFull(
    'dev starts a dead server again on the same ports and database, and Ctrl-C stops everything also before that',
    async () => {
      const [port, uiPort] = [await freePort(), await freePort()];
      const dev = startCli(
        ['dev', '--json', '--port', String(port), '--ui-port', String(uiPort), '--page-port', '0'],
        env,
      );
      const serverPid = async (): Promise<number> =>
        (JSON.parse(await readFile(join(homeDir, 'server.json'), 'utf8')) as { pid: number }).pid; // what dev wrote
      try {
        await dev.untilStdout(/"ready"/, 120_000);
        const turnOf = (...args: string[]) => runCli([...args, '--wait', '--json'], env);
        await turnOf('start', 'What is 6 * 7?', '--mode', 'one-shot', '--id', 'survivor');
        const first = await serverPid();
        process.kill(first, 'SIGKILL');
        await until('another server', async () => /runs again at/.test(dev.stderr()));
        const second = await serverPid();
        assert.notEqual(second, first);
        const { stdout, stderr } = await turnOf('send', 'survivor', 'What is 6 * 8?');
        assert.match(stdout, /48/, stderr);
        const transcript = await runCli(['transcript', 'survivor'], env);
        assert.match(transcript.stdout, /6 \* 7[^]*42[^]*6 \* 8[^]*48/);
        assert.match(dev.stderr(), /The Temporal server ended with SIGKILL\. It starts again in 1 s/);
        assert.match(dev.stderr(), new RegExp(`runs again at 127\\.0\\.0\\.1:${port}\\.`));
        assert.equal((await fetch(`http://127.0.0.1:${uiPort}`)).status, 200);
        process.kill(second, 'SIGKILL');
        await until('the second death', async () => /ended with SIGKILL[^]*ended with SIGKILL/.test(dev.stderr()));
        dev.process.kill('SIGINT');
        assert.equal((await dev.ended).code, 0, dev.stderr());
        assert.match(dev.stdout(), /\{"type":"stopped"\}\n$/);
        const left = await promisify(execFile)('ps', ['-eo', 'args']);
        assert.ok(!left.stdout.includes(homeDir), 'no server of this home is left');
      } finally {
        dev.process.kill('SIGKILL');
      }
    },
  );
});
