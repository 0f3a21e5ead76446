/** The context of a session, and sessions that begin with what another one knew. */
import assert from 'node:assert/strict';
import { ended, exchange, record } from '../recorder.ts';

record('context-merged', {}, async ({ create }) => {
  const session = await create({ context: { city: 'Ulm', tags: ['b'] } });
  await session.setContext('owner', 'ada', { protect: true });
  await session.setContext('passing', 1, { ephemeral: true });
  await session.clearEphemeral();
  const { skipped } = await session.updateContext({ city: 'Bonn', owner: 'bob' });
  assert.deepEqual(skipped, ['owner']);
  await session.mergeContext({ city: 'Kiel', tags: ['a'] }, { strategy: 'prefixed', prefix: 'new_' });
  await session.mergeContext({ city: 'Kiel', year: 2026 });
  await session.snapshot('before the end');
  await session.mergeContext({ city: 'Jena' }, { strategy: 'replace' });
  await session.mergeContext({ year: 2027 }, { strategy: 'update' });
  await session.deleteContext('year');
  await exchange(session, 'hello');
});

record('saved-edited-restored', {}, async ({ create }) => {
  const session = await create();
  const conversation = [
    { role: 'user', text: 'hi' },
    { role: 'assistant', text: 'ho' },
  ];
  const { version } = await session.info();
  const saved = { conversation, context: { a: 1 }, phase: 'review', step: 2, plan: { mine: true } };
  await session.save(saved, { expectedVersion: version });
  await session.setContext('b', { c: [1, 2] });
  await session.snapshot('mine');
  await session.deleteContext('b');
  const file = await session.savedContext();
  await session.restoreContext('latest');
  await session.loadContext(file);
  assert.equal((await session.load()).phase, 'review');
  await exchange(session, 'and now');
  await session.complete();
});

record('forked-at-a-turn', {}, async ({ create, name }) => {
  const origin = await create({ id: `${name}-origin`, context: { a: 1 } });
  await exchange(origin, 'one');
  await exchange(origin, 'two');
  const fork = await origin.fork({ id: name, turn: 1 });
  assert.equal((await exchange(fork, 'three')).number, 2);
});

record('forked-at-a-snapshot-of-a-closed-session', {}, async ({ create, name }) => {
  const origin = await create({ id: `${name}-origin`, context: { a: 1 } });
  await exchange(origin, 'one');
  await origin.snapshot('mine');
  await origin.setContext('a', 2);
  await origin.complete();
  const fork = await origin.fork({ id: name, snapshot: 'latest' });
  await exchange(fork, 'two');
});

record('imported', { script: { files: ['a.txt'] } }, async ({ create, copilot, name }) => {
  const origin = await create({ id: `${name}-origin`, mode: 'planning-control' });
  await exchange(origin, 'one');
  await exchange(origin, 'two');
  const session = await copilot.import(await origin.export(), { id: name });
  await exchange(session, 'three');
  await ended(session, 'turn-3');
  await session.complete();
});
