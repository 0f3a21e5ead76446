/** Streams of events to callers that take nothing, or may no longer do so. */
import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { MAX_SILENCE_MS } from '../../src/contracts/attached.ts';
import { streamEvents } from '../../src/gateway/events/event-stream.ts';

const KEEP_ALIVE_MS = 15_000;

describe('an event stream', () => {
  afterEach(() => mock.timers.reset());

  /** A session in which nothing happens. */
  function quiet(isSignedIn = (): boolean => true) {
    let isLeft = false;
    const events = { next: () => new Promise<never>(() => undefined) };
    const response = streamEvents(
      events,
      () => (isLeft = true),
      () => Promise.resolve(isSignedIn()),
    );
    return { reader: response.body?.getReader() ?? assert.fail('no body'), isLeft: () => isLeft };
  }

  it('[S19] of a caller that takes nothing for five minutes is cut off', async () => {
    mock.timers.enable({ apis: ['setInterval', 'Date'] });
    const { reader, isLeft } = quiet();
    // It has not even taken the first line.
    for (let ms = 0; ms < MAX_SILENCE_MS - KEEP_ALIVE_MS; ms += KEEP_ALIVE_MS) mock.timers.tick(KEEP_ALIVE_MS);
    assert.equal(isLeft(), false);
    mock.timers.tick(KEEP_ALIVE_MS);
    assert.equal(isLeft(), true);
    await assert.rejects(async () => {
      for (;;) if ((await reader.read()).done) return;
    }, /takes nothing/);
  });

  it('of a caller that takes what there is stays open', async () => {
    mock.timers.enable({ apis: ['setInterval', 'Date'] });
    const { reader, isLeft } = quiet();
    await reader.read();
    for (let ms = 0; ms < 3 * MAX_SILENCE_MS; ms += KEEP_ALIVE_MS) {
      mock.timers.tick(KEEP_ALIVE_MS);
      assert.equal(new TextDecoder().decode((await reader.read()).value), ':\n\n');
    }
    assert.equal(isLeft(), false);
  });

  it('of a caller whose key is revoked is cut off within 15 s', async () => {
    mock.timers.enable({ apis: ['setInterval', 'Date'] });
    let isSignedIn = true;
    const { reader, isLeft } = quiet(() => isSignedIn);
    await reader.read();
    mock.timers.tick(KEEP_ALIVE_MS);
    await reader.read();
    assert.equal(isLeft(), false);
    isSignedIn = false;
    mock.timers.tick(KEEP_ALIVE_MS);
    await assert.rejects(async () => {
      for (;;) if ((await reader.read()).done) return;
    }, /no longer signed in/);
    assert.equal(isLeft(), true);
  });
});
