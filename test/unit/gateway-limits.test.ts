/** What one principal may have at a time. */
import assert from 'node:assert/strict';
import { mock } from 'node:test';
import type { SessionHandle } from '../../src/client.ts';
import { RequestRate, WorkLimit } from '../../src/gateway/principals/limits.ts';
import { GatewayError } from '../../src/gateway/problem.ts';

/** The type of the error and the seconds after which to come back. */
async function refusalOf(work: () => unknown): Promise<readonly [string, string | undefined] | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return [error.type, error.headers['retry-after']];
  }
}

describe('limits of principals', () => {
  afterEach(() => mock.timers.reset());

  it('take a minute of requests at once, then one when the next is due, each principal for itself', async () => {
    mock.timers.enable({ apis: ['Date'] });
    const rate = new RequestRate(20);
    for (let count = 0; count < 20; count++) rate.take('ada');
    assert.deepEqual(await refusalOf(() => rate.take('ada')), ['TooManyRequests', '3']);
    rate.take('bob');
    mock.timers.tick(3_000);
    rate.take('ada');
    assert.deepEqual(await refusalOf(() => rate.take('ada')), ['TooManyRequests', '3']);
    mock.timers.tick(600_000);
    for (let count = 0; count < 20; count++) rate.take('ada');
    assert.ok(await refusalOf(() => rate.take('ada')));
  });

  it('count sessions at work, and look at them only when the limit would be reached', async () => {
    let looks = 0;
    const session = (id: string) => {
      const turn = { status: 'running' };
      const handle = { id, turns: () => (looks++, Promise.resolve([turn])) };
      return { turn, handle: handle as unknown as SessionHandle }; // what the limit uses of it
    };
    const limit = new WorkLimit(2);
    const [one, two, three] = [session('one'), session('two'), session('three')];
    await limit.admit('ada', one.handle);
    const begins = await limit.admit('ada');
    begins.take(two.handle);
    await limit.admit('ada', two.handle);
    assert.equal(looks, 0);
    assert.deepEqual(await refusalOf(() => limit.admit('ada', three.handle)), ['TooManyAtWork', '5']);
    assert.equal(await refusalOf(() => limit.admit('bob', three.handle)), undefined);
    two.turn.status = 'suspended';
    await limit.admit('ada', three.handle);
    one.turn.status = 'completed';
    (await limit.admit('ada')).release();
    await limit.admit('ada', two.handle);
  });
});
