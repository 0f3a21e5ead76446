/** The stacks that the SDK takes of promises, for the Web UI's `Call Stack`. Real server and worker processes. */
import assert from 'node:assert/strict';
import { until } from '../helpers/history.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld } from '../helpers/world.ts';

const QUERY = '__stack_trace';

describe('stacks of promises', function () {
  this.timeout(240_000);

  for (const [setting, expected] of [
    [undefined, /^$/],
    ['1', /at .*loop/],
  ] as const) {
    it(`are ${setting === undefined ? 'not taken, which costs nothing' : 'taken with COPILOT_PROMISE_STACKS=1'}`, async () => {
      const world = await startWorld({ env: setting === undefined ? {} : { COPILOT_PROMISE_STACKS: setting } });
      try {
        playTeam(world.model, { answer: 'hello' });
        const session = await world.copilot.create({ mode: 'one-shot' });
        assert.equal((await session.send('hi')).reply, 'hello');
        const handle = world.temporal.workflow.getHandle(session.id);
        const stack = await until('an answer', () => handle.query<string>(QUERY).then((text) => ({ text })));
        assert.match(stack.text, expected);
        assert.doesNotMatch(world.workers[0]?.log() ?? '', /promiseHooks/);
      } finally {
        await world.stop();
      }
    });
  }
});
