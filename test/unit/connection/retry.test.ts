import assert from 'node:assert/strict';
import { retry } from '../../../src/connection/retry.ts';

const PAUSES = { firstPauseMs: 1, maxPauseMs: 4 };

describe('retries', () => {
  it('repeat the work until it succeeds, and count the attempts that failed', async () => {
    const failures: number[] = [];
    const result = await retry(
      async (attempt) => {
        if (attempt < 4) throw new Error(`attempt ${attempt}`);
        return 'done';
      },
      { ...PAUSES, onFailure: (_, attempt) => void failures.push(attempt) },
    );
    assert.deepEqual([result, failures], ['done', [1, 2, 3]]);
  });

  it('end with the error that the judge of failures throws', async () => {
    const translated = new Error('in plain words');
    const run = retry(() => Promise.reject(new Error('raw')), {
      ...PAUSES,
      onFailure: (_, attempt) => {
        if (attempt === 2) throw translated;
      },
    });
    await assert.rejects(run, translated);
  });

  it('end with the reason of the signal, also in a pause and whatever is thrown as reason', async () => {
    for (const reason of [new Error('enough'), 'enough']) {
      const stop = new AbortController();
      setTimeout(() => stop.abort(reason), 20);
      const options = { firstPauseMs: 60_000, maxPauseMs: 60_000, signal: stop.signal, onFailure: () => undefined };
      const startedAt = Date.now();
      const error = await retry(() => Promise.reject(new Error('raw')), options).catch((thrown: unknown) => thrown);
      assert.equal(error, reason);
      assert.ok(Date.now() - startedAt < 5_000);
    }
  });
});
