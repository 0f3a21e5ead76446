/** A client whose home folder is not that of the workers, as on another host: whatever it needs goes through Temporal. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CopilotClient } from '../../src/client.ts';
import { type CliResult, runCli, startCli } from '../helpers/cli.ts';
import { fails } from '../helpers/client.ts';
import { itInFull } from '../helpers/full.ts';
import { bytesOf, fullHistory, until } from '../helpers/history.ts';
import { isolatedConfig, temporaryFolder } from '../helpers/server.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

const MIB = 1024 * 1024;
/** More than a command takes to end after its answer. */
const SLOW_READER_MS = 500;

describe('a client elsewhere', function () {
  this.timeout(240_000);
  let world: World;
  let elsewhere: string;
  let client: CopilotClient;

  before(async () => {
    elsewhere = await temporaryFolder();
    world = await startWorld();
    const config = isolatedConfig(join(elsewhere, 'home'));
    client = await CopilotClient.connect({ config, address: world.server.address });
    playTeam(world.model, { files: ['report.md'], answer: 'written' });
  });
  after(async () => {
    await client?.close();
    await world?.stop();
    await rm(elsewhere, { recursive: true, force: true });
  });

  const workspaceOf = (id: string): string => join(world.server.homeDir, 'workspaces', id);
  const copilot = async (...args: string[]): Promise<CliResult> =>
    await runCli(args, { ...programEnvironment(world.server), COPILOT_HOME: join(elsewhere, 'home') });
  const succeed = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await copilot(...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  };

  it('[E07] attaches, reads, lists, writes, archives and deletes through the worker; nothing is on its own host', async () => {
    const large = randomBytes(2.5 * MIB);
    await writeFile(join(elsewhere, 'large.bin'), large);
    await writeFile(join(elsewhere, 'notes.txt'), 'a note');
    const session = await client.create({ attach: [join(elsewhere, 'large.bin')], message: 'write a report' });
    const turn = await session.awaitTurn('turn-1');
    assert.equal(turn.status, 'completed');
    assert.ok(turn.artifacts.includes('report.md'), turn.artifacts.join());
    await session.send('and these', { attach: [join(elsewhere, 'notes.txt')] });
    assert.deepEqual(await readFile(join(workspaceOf(session.id), 'large.bin')), large);
    for (const path of turn.artifacts) {
      const there = await readFile(join(workspaceOf(session.id), path));
      assert.deepEqual(Buffer.from(await session.files.get(path)), there);
    }
    assert.deepEqual(Buffer.from(await session.files.get('large.bin')), large);
    await session.files.put('made/here.txt', 'by a program');
    const listed = (await session.files.list()).map(({ path }) => path);
    for (const path of ['large.bin', 'notes.txt', 'report.md', 'made/here.txt']) assert.ok(listed.includes(path), path);
    await fails(
      session.send('again', { attach: [import.meta.filename] }).then(() => session.files.get('no.txt')),
      'FileNotFound',
      /no\.txt/,
    );

    // The command line says and does the same.
    const { files } = await succeed('files', 'list', session.id);
    assert.deepEqual(
      (files as { path: string }[]).map(({ path }) => path),
      (await session.files.list()).map(({ path }) => path),
    );
    const got = join(elsewhere, 'got.bin');
    const { bytes } = await succeed('files', 'get', session.id, 'large.bin', got);
    assert.deepEqual([bytes, (await readFile(got)).equals(large)], [large.length, true]);
    assert.equal((await copilot('files', 'get', session.id, 'made/here.txt', '-')).stdout, 'by a program');
    const slowly = startCli(['files', 'get', session.id, 'large.bin', '-'], programEnvironment(world.server));
    // Text would not have the same number of bytes.
    const stdout = slowly.process.stdout.setEncoding('latin1');
    await once(stdout, 'data');
    stdout.pause();
    await sleep(SLOW_READER_MS);
    stdout.resume();
    assert.equal((await slowly.ended).stdout.length, large.length);
    const again = await copilot('files', 'get', session.id, 'large.bin', got);
    assert.deepEqual([again.code, /it is there already/.test(again.stderr)], [2, true]);
    const put = await succeed('files', 'put', session.id, got, 'copies/got.bin');
    assert.deepEqual([put['path'], put['bytes'], put['isNew']], ['copies/got.bin', large.length, true]);
    assert.deepEqual(await readFile(join(workspaceOf(session.id), 'copies/got.bin')), large);
    const kept = await copilot(
      'files',
      'put',
      session.id,
      join(elsewhere, 'notes.txt'),
      'report.md',
      '--keep',
      '--json',
    );
    assert.deepEqual([kept.code, JSON.parse(kept.stdout).error.type], [4, 'FileExists']);

    // No file is in the history of the session.
    const history = await fullHistory(world.temporal, session.id);
    assert.ok(history.reduce((sum, event) => sum + bytesOf(event), 0) < MIB);

    // The archive is where the workers are; a session comes back from there.
    await session.complete();
    assert.ok(existsSync(join(world.server.homeDir, 'archive', `${session.id}.json`)));
    const archived = await client.archived(session.id);
    assert.equal(archived.session.id, session.id);
    const { sessionId } = await succeed('import', '--archived', session.id);
    const copy = client.session(String(sessionId));
    assert.deepEqual((await copy.transcript()).messages, (await session.transcript()).messages);
    await fails(client.archived(copy.id), 'FileNotFound', new RegExp(copy.id));
    assert.ok((await session.files.list()).length > 3, 'files of a closed session');

    await session.delete();
    assert.equal(existsSync(workspaceOf(session.id)), false);
    assert.equal(existsSync(join(world.server.homeDir, 'archive', `${session.id}.json`)), false);
    await copy.delete();

    const own = existsSync(join(elsewhere, 'home')) ? await readdir(join(elsewhere, 'home'), { recursive: true }) : [];
    assert.deepEqual(own, []);
  });

  itInFull('goes on with an upload when a worker is killed in the middle of it', async () => {
    const session = await client.create();
    const content = randomBytes(24 * MIB);
    const put = session.files.put('large.bin', content);
    await until('some parts', async () => (await parts(session.id)).length > 0);
    await world.workers[0]?.kill();
    await world.startWorker();
    assert.equal((await put).bytes, content.length);
    assert.deepEqual(await readFile(join(workspaceOf(session.id), 'large.bin')), content);
    assert.deepEqual(await parts(session.id), []);
  });

  async function parts(id: string): Promise<string[]> {
    const names = await readdir(workspaceOf(id)).catch(() => []);
    return names.filter((name) => name.startsWith('.copilot-'));
  }

  itInFull('is told that no worker answers, and nothing is lost', async () => {
    const session = await client.create();
    await session.files.put('kept.txt', 'kept');
    for (const worker of world.workers) await worker.kill();
    const impatient = await CopilotClient.connect({
      config: isolatedConfig(join(elsewhere, 'home')),
      address: world.server.address,
      retryForMs: 1_000,
    });
    await fails(impatient.session(session.id).delete(), 'NoWorker', /No worker answers/);
    await impatient.close();
    await world.startWorker();
    assert.equal((await session.info()).status, 'active');
    assert.equal(Buffer.from(await session.files.get('kept.txt')).toString(), 'kept');
  });
});

describe('files of a client elsewhere', function () {
  this.timeout(240_000);

  const SETTINGS = [
    ['with encryption', { COPILOT_ENCRYPTION_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}` }],
    ['with a payload store', { COPILOT_PAYLOAD_STORE: 'payloads' }],
  ] as const;
  for (const [name, settings] of SETTINGS) {
    itInFull(`come back as they were ${name}, and leave nothing on the way`, async () => {
      const elsewhere = await temporaryFolder();
      const payloads = join(elsewhere, 'payloads');
      await mkdir(payloads);
      const env = { ...settings, ...('COPILOT_PAYLOAD_STORE' in settings ? { COPILOT_PAYLOAD_STORE: payloads } : {}) };
      const world = await startWorld({ env });
      const config = isolatedConfig(join(elsewhere, 'home'), env);
      const client = await CopilotClient.connect({ config, address: world.server.address });
      try {
        const session = await client.create();
        const content = randomBytes(2.5 * MIB);
        await session.files.put('large.bin', content);
        assert.deepEqual(Buffer.from(await session.files.get('large.bin')), content);
        await untilTransfersAreGone(world);
        const stored = (await readdir(payloads, { recursive: true })).filter((path) => /[0-9a-f]{64}$/.test(path));
        assert.deepEqual(stored, []);
        await session.delete();
      } finally {
        await client.close();
        await world.stop();
        await rm(elsewhere, { recursive: true, force: true });
      }
    });
  }
});

async function untilTransfersAreGone({ temporal }: World): Promise<void> {
  const areGone = async (): Promise<boolean> =>
    (await temporal.workflow.count("WorkflowType = 'copilotFiles'")).count === 0;
  // The server deletes in the background, and pauses longer after each attempt that came too soon.
  await until('the transfers are gone', areGone, 150_000);
}
