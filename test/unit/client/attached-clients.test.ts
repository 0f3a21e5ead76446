/** Who follows a session, by signs of life. */
import assert from 'node:assert/strict';
import { MAX_ATTACHED } from '../../../src/contracts/attached.ts';
import { AttachedClients } from '../../../src/workflows/session/attached-clients.ts';

const START_MS = Date.parse('2026-11-27T00:00:00Z');
const at = (minutes: number): string => new Date(START_MS + minutes * 60_000).toISOString();
const client = (id: string, since = at(0)) => ({ id, name: id, kind: 'cli' as const, since });

describe('attached clients', () => {
  it('[S19] are there while they give signs of life, and gone five minutes after the last one', () => {
    const clients = new AttachedClients();
    const seen = (minutes: number): string[] =>
      clients.note({ now: at(minutes), here: [], left: [] }).map(({ id }) => id);
    clients.note({ now: at(0), here: [client('ada')], left: [] });
    clients.note({ now: at(1), here: [client('bob', at(1))], left: [] });
    assert.deepEqual(seen(4.9), ['ada', 'bob']);
    assert.deepEqual(seen(5), ['bob']);
    clients.note({ now: at(5.5), here: [client('bob', at(1))], left: [] });
    assert.deepEqual(seen(10.4), ['bob']);
    // One who asks with a clock that is ahead makes nobody disappear.
    assert.deepEqual(seen(100), []);
    assert.deepEqual(seen(6), ['bob']);
    clients.note({ now: at(6), here: [], left: ['bob'] });
    assert.deepEqual(seen(6), []);
  });

  it('are bounded, and those with the newest signs of life stay', () => {
    const clients = new AttachedClients();
    const all = Array.from({ length: MAX_ATTACHED }, (_, number) => client(`c${number}`));
    clients.note({ now: at(0), here: all, left: [] });
    clients.note({ now: at(0), here: [client(`c${MAX_ATTACHED}`)], left: [] });
    const ids = clients.note({ now: at(1), here: [], left: [] }).map(({ id }) => id);
    assert.equal(ids.length, MAX_ATTACHED);
    assert.ok(!ids.includes('c0') && ids.includes(`c${MAX_ATTACHED}`));
  });
});
