/** A payload store in S3: its own promises, and sessions that live with it when it is away. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CopilotClient } from '../../src/client.ts';
import { SESSION_WORKFLOW } from '../../src/contracts/messages.ts';
import { ExternalStorageRunner } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { openExternalStorage, removeStored } from '../../src/storage/payload-store.ts';
import { refuse } from '../../src/storage/unreadable.ts';
import { fails } from '../helpers/client.ts';
import { itInFull } from '../helpers/full.ts';
import { until } from '../helpers/history.ts';
import { addressOf, driverOf, keepsItsPromises, LARGE, of, payloadOf, storedFiles } from '../helpers/payload-store.ts';
import { type S3Server, startS3 } from '../helpers/s3.ts';
import { isolatedConfig } from '../helpers/server.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('a payload store in S3', function () {
  this.timeout(240_000);
  let s3: S3Server;

  before(async () => {
    s3 = await startS3();
  });
  after(() => s3?.stop());

  const addressIn = (bucket: string, prefix = 'some/prefix') => addressOf(`s3://${bucket}/${prefix}`, s3.environment);

  keepsItsPromises(() => ({
    address: addressIn(s3.bucket),
    dir: s3.dir,
    prefix: 'some/prefix/',
    leave: () => s3.kill(),
    comeBack: () => s3.restart(),
  }));

  it('names a bucket that is not there', async () => {
    const store = new ExternalStorageRunner(openExternalStorage(addressIn('not-there'), refuse));
    await assert.rejects(store.store([payloadOf(LARGE)]), /s3:\/\/not-there .*PUT: status 404, NoSuchBucket/);
  });

  itInFull('removes more objects than one answer lists', async () => {
    const target = of('ses_many', { type: SESSION_WORKFLOW });
    const payloads = Array.from({ length: 101 }, (_, index) => payloadOf(index));
    await driverOf(addressIn(s3.bucket)).store({ target }, payloads);
    const [stored = ''] = await storedFiles(s3.dir, 'ses_many');
    // The others as the server keeps them: to store them would take as many requests.
    for (let number = 0; number < 909; number++) {
      // No digest has an x.
      const copy = stored.replace(/.{4}(?=\._S3rver_object$)/, `x${String(number).padStart(3, '0')}`);
      for (const end of ['', '.md5']) await copyFile(stored + end, copy + end);
      const [metadata, copyOfMetadata] = [stored, copy].map((path) => path.replace(/object$/, 'metadata.json'));
      await copyFile(metadata ?? '', copyOfMetadata ?? '');
    }
    assert.equal((await storedFiles(s3.dir, 'ses_many')).length, 1_010);
    await removeStored(addressIn(s3.bucket), { namespace: 'default', workflowId: 'ses_many' });
    assert.deepEqual(await storedFiles(s3.dir, 'ses_many'), []);
  });

  describe('with sessions', () => {
    let world: World;
    let env: Record<string, string>;
    let client: CopilotClient;

    before(async () => {
      env = { ...s3.environment, COPILOT_PAYLOAD_STORE: `s3://${s3.bucket}/sessions` };
      world = await startWorld({ env });
      client = await connect(env);
    });
    beforeEach(() => playTeam(world.model, { answer: 'noted' }));
    after(async () => {
      await client?.close();
      await world?.stop();
    });

    const connect = (changes: Record<string, string>): Promise<CopilotClient> =>
      CopilotClient.connect({
        config: isolatedConfig(world.server.homeDir, changes),
        address: world.server.address,
        retryForMs: 60_000,
      });

    it('what is large goes there, is read by clients and workers, and goes with the session', async () => {
      const session = await client.create({ mode: 'one-shot', context: { large: LARGE } });
      const message = 'm'.repeat(200_000);
      assert.equal((await session.send(message)).status, 'completed');
      assert.ok((await storedFiles(s3.dir, session.id)).length >= 2);
      assert.equal((await session.context()).values['large'], LARGE);
      assert.ok(JSON.stringify(await session.transcript()).includes(message));
      const without = await connect({});
      await fails(without.session(session.id).context(), 'InvalidConfig', /the payload is in S3/);
      await without.close();
      await session.delete();
      assert.deepEqual(await storedFiles(s3.dir, session.id), []);
    });

    it('[S10] delete leaves nothing: no run, no history, no row in a list, no stored payload, no workspace', async () => {
      playTeam(world.model, { files: ['a.txt', 'b.txt', 'c.txt', 'd.txt'] });
      const session = await client.create({
        user: 'gone',
        config: { historyLimit: 40 },
        context: { large: LARGE },
        message: 'write',
      });
      await session.awaitTurn('turn-1');
      const folder = join(world.server.homeDir, 'workspaces', session.id);
      assert.ok(existsSync(join(folder, 'a.txt')));
      const query = `WorkflowId = '${session.id}'`;
      const { runs } = await session.info();
      assert.ok(runs >= 2, `${runs} runs`);
      await until('all runs', async () => (await world.temporal.workflow.count(query)).count === runs);
      const runIds: string[] = [];
      for await (const { runId } of world.temporal.workflow.list({ query })) runIds.push(runId);
      // In the middle of a turn.
      playTeam(world.model, { answer: 'word '.repeat(2_000), wordDelayMs: 50 });
      await session.send('talk', { wait: false });
      await until('the turn', async () => (await session.info()).phase !== 'idle');

      assert.ok((await storedFiles(s3.dir, session.id)).length > 0);

      await session.delete();

      for (const runId of [undefined, ...runIds]) {
        const handle = world.temporal.workflow.getHandle(session.id, runId);
        await assert.rejects(handle.describe(), { name: 'WorkflowNotFoundError' }, `run ${runId}`);
        await assert.rejects(handle.fetchHistory(), /not found/i, `history of ${runId}`);
      }
      assert.equal((await world.temporal.workflow.count(query)).count, 0);
      assert.deepEqual((await client.list({ user: 'gone' })).sessions, []);
      assert.deepEqual(await storedFiles(s3.dir, session.id), []);
      assert.equal(existsSync(folder), false);
      await fails(session.info(), 'SessionNotFound', /does not exist/);
      await fails(session.send('hello?'), 'SessionNotFound', /does not exist/);
      await fails(session.delete(), 'SessionNotFound', /does not exist/);
      // Its id is free again.
      const again = await client.create({ id: session.id });
      assert.deepEqual((await again.transcript()).messages, []);
    });

    itInFull('a store that is away is a clear error for a client, and a wait for a session', async () => {
      const session = await client.create({ mode: 'one-shot', context: { large: LARGE } });
      assert.equal((await session.send('one')).status, 'completed');
      await s3.kill();
      const away = /The payload store s3:\/\/payloads cannot be used \(.*ECONNREFUSED/;
      const error = await fails(client.create({ context: { large: LARGE } }), 'StoreUnavailable', away);
      assert.equal(error.retryable, true);
      await world.workers[0]?.kill();
      const worker = await world.startWorker();
      const turn = session.send('two');
      turn.catch(() => undefined);
      await until('the worker has said so', async () => away.test(worker.log()));
      await s3.restart();
      assert.equal((await turn).status, 'completed');
    });
  });
});
