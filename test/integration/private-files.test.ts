/** What the program leaves on the disk is for its owner only, whatever the umask. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, lstat, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runCliAlone, startCli } from '../helpers/cli.ts';
import { isFull } from '../helpers/full.ts';
import { temporaryFolder } from '../helpers/server.ts';
import { programEnvironment } from '../helpers/worker.ts';

const run = promisify(execFile);
/** User and group `nobody`. */
const NOBODY = 65_534;

for (const umask of isFull ? [0o000, 0o022] : [0o000]) {
  describe(`files of the program with umask ${umask.toString(8).padStart(3, '0')}`, function () {
    this.timeout(300_000);
    let folder: string;
    let homeDir: string;
    let usual: number;

    before(async () => {
      usual = process.umask(umask);
      folder = await temporaryFolder();
      await chmod(folder, 0o755);
      homeDir = join(folder, 'home');
    });
    after(async () => {
      process.umask(usual);
      await rm(folder, { recursive: true, force: true });
    });

    it('[R13] after a session with archive, payload store, attachment and export, nothing is open to others', async () => {
      const { TEMPORAL_ADDRESS: _, ...env } = programEnvironment(
        { homeDir, address: '' },
        { COPILOT_HOME: homeDir, COPILOT_PAYLOAD_STORE: join(homeDir, 'payloads') },
      );
      const table = join(folder, 'table.csv');
      await writeFile(table, 'a,b\n1,2\n');
      const project = join(folder, 'project');
      await mkdir(project);
      await chmod(project, 0o755);
      const exported = join(homeDir, 'exported.json');
      await mkdir(join(homeDir, 'payloads'), { recursive: true, mode: 0o700 });
      await chmod(homeDir, 0o700);
      const dev = startCli(['dev', '--json'], env);
      try {
        await dev.untilStdout(/"ready"/, 180_000);
        const succeed = async (...args: string[]): Promise<string> => {
          const { code, stdout, stderr } = await runCliAlone(args, env);
          assert.equal(code, 0, stderr);
          return stdout;
        };
        const long = `write the file big.txt with the text: ${'x'.repeat(150_000)}`;
        const begun = await succeed('start', 'Hello', '--mode', 'one-shot', '--attach', table, '--wait', '--json');
        const { sessionId } = JSON.parse(begun) as { sessionId: string };
        await succeed('send', sessionId, 'profile table.csv and write a report to report.md', '--wait', '--json');
        const input = await runCliAlone(['send', sessionId, '-', '--wait', '--json'], env, long);
        assert.equal(input.code, 0, input.stderr);
        await succeed('export', sessionId, exported);
        await succeed('complete', sessionId);
        await succeed('start', 'write "hello" to in-project.txt', '--workspace', project, '--wait', '--json');
      } finally {
        dev.process.kill('SIGINT');
        await dev.ended;
      }
      const found = await walk(homeDir);
      assert.ok(found.length > 10, found.map(({ path }) => path).join('\n'));
      for (const part of ['temporal.db', 'workspaces', 'archive', 'payloads', 'exported.json'])
        assert.ok(
          found.some(({ path }) => path.includes(part)),
          `there is no ${part}`,
        );
      assert.deepEqual(
        found.filter(({ mode }) => (mode & 0o077) !== 0).map(({ path, mode }) => `${path} ${mode.toString(8)}`),
        [],
      );
      if (process.geteuid?.() === 0) {
        const { stdout } = await run('find', [folder, '-readable'], { uid: NOBODY, gid: NOBODY, cwd: '/' }).catch(
          (error: { stdout: string }) => error, // `find` reports what it cannot read
        );
        const others = stdout.split('\n').filter((path) => path.startsWith(`${homeDir}/`));
        assert.deepEqual(others, []);
      }
      // A folder of the user's own stays as open as the user has it.
      for (const name of await readdir(project)) {
        const { mode } = await stat(join(project, name));
        if (name.endsWith('.txt')) assert.equal(mode & 0o777, 0o644, name);
      }
      assert.match(await readFile(exported, 'utf8'), /Hello/);
    });
  });
}

async function walk(folder: string): Promise<{ path: string; mode: number }[]> {
  const { mode } = await stat(folder);
  const found = [{ path: folder, mode: mode & 0o777 }];
  for (const name of await readdir(folder, { recursive: true })) {
    const stats = await lstat(join(folder, name));
    if (!stats.isSymbolicLink()) found.push({ path: join(folder, name), mode: stats.mode & 0o777 });
  }
  return found;
}
