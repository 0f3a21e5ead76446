/** Signals that no worker here has the key for. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Payload } from '@temporalio/common';
import { CopilotClient } from '../../../src/client.ts';
import { EncryptionCodec } from '../../../src/storage/encryption.ts';
import { parseKeys } from '../../../src/storage/keys.ts';
import { itInFull } from '../../helpers/full.ts';
import { noTaskFailed } from '../../helpers/history.ts';
import { payloadOf, Stranger } from '../../helpers/raw-messages.ts';
import { isolatedConfig } from '../../helpers/server.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { startWorld, type World } from '../../helpers/world.ts';

const key = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`;
const OURS = key('ours');
const THEIRS = key('theirs');

function keysOf(text: string) {
  const keys = parseKeys(text);
  assert.ok(typeof keys !== 'string');
  return keys;
}

describe('a signal that is encrypted with an unknown key', function () {
  this.timeout(120_000);
  let world: World;
  let client: CopilotClient;

  before(async () => {
    world = await startWorld({ workers: 0 });
    playTeam(world.model, { answer: 'still here' });
    const config = isolatedConfig(world.server.homeDir, { COPILOT_ENCRYPTION_KEYS: OURS });
    client = await CopilotClient.connect({ config, address: world.server.address });
  });
  after(async () => {
    await client?.close();
    await world?.stop();
  });

  itInFull('is noted and ignored, also by a worker that has the key later', async () => {
    const worker = await world.startWorker({ COPILOT_ENCRYPTION_KEYS: OURS });
    const session = await client.create({ mode: 'one-shot' });
    const good = await new EncryptionCodec(keysOf(THEIRS)).encode([payloadOf('{"reason": "by a stranger"}')]);
    const changed = (await new EncryptionCodec(keysOf(OURS)).encode([payloadOf('{}')])).map(
      ({ metadata, data }): Payload => ({
        ...(metadata ? { metadata } : {}),
        data: (data ?? new Uint8Array()).slice(1),
      }),
    );
    const stranger = new Stranger(world.temporal);
    await stranger.signal(session.id, 'suspend', good);
    await stranger.signal(session.id, 'suspend', changed);
    const { notes, status } = await session.info();
    assert.equal(status, 'active');
    assert.match(notes[0]?.text ?? '', /^Signal "suspend" was ignored: it cannot be read: .*key "theirs" is needed/);
    assert.match(notes[1]?.text ?? '', /^Signal "suspend" was ignored: it cannot be read: .*was changed since/);
    assert.equal((await session.send('still there?')).reply, 'still here');

    await worker.kill();
    await world.startWorker({ COPILOT_ENCRYPTION_KEYS: `${OURS},${THEIRS}` });
    assert.equal((await session.send('still there?')).reply, 'still here');
    const later = await session.info();
    assert.equal(later.status, 'active');
    assert.match(later.notes[0]?.text ?? '', /^Signal "suspend" was ignored: another worker could not read it/);
    await stranger.signal(session.id, 'suspend', good);
    assert.equal((await session.info()).suspendReason, 'by a stranger');
    await noTaskFailed(world.temporal, session.id);
  });
});
