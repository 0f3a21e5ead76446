/** Wrong input from the plain Temporal client: rejected or noted, nothing in history, and the session answers. */
import assert from 'node:assert/strict';
import { ApplicationFailure } from '@temporalio/common';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('bad input', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorld();
    playTeam(world.model, { answer: 'still here' });
  });
  after(() => world.stop());

  const WRONG_MESSAGES: [string, unknown, RegExp][] = [
    ['no message', undefined, /message is not valid/],
    ['a text', 'hello', /it must be an object/],
    ['no text', { messageId: 'm' }, /text/],
    ['a number as text', { messageId: 'm', text: 5 }, /text/],
    ['blank text', { messageId: 'm', text: '  \n' }, /it is empty/],
    ['a NUL', { messageId: 'm', text: 'a\u0000b' }, /NUL/],
    ['half of a character', { messageId: 'm', text: 'a\ud800b' }, /surrogate/],
    ['300 KiB', { messageId: 'm', text: 'x'.repeat(300 * 1024) }, /256 KiB/],
    ['an unknown key', { messageId: 'm', text: 'a', role: 'system' }, /role/],
    ['an empty id', { messageId: '', text: 'a' }, /messageId/],
  ];

  it('to send is rejected with a reason, is not in the history, and the session answers', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    await session.send('hello');
    const handle = world.temporal.workflow.getHandle(session.id);
    const { historyLength: before } = await handle.describe();
    for (const [name, payload, reason] of WRONG_MESSAGES) {
      await assert.rejects(handle.executeUpdate('send', { args: [payload] }), (error) => {
        assert.ok(error instanceof WorkflowUpdateFailedError, `${name}: ${String(error)}`);
        assert.ok(error.cause instanceof ApplicationFailure);
        assert.equal(error.cause.type, 'InvalidInput', name);
        assert.match(error.cause.message, reason, name);
        return true;
      });
    }
    for (const [name, payload] of [
      ['interrupt', { reason: 7 }],
      ['changeStatus', { status: 'asleep' }],
      ['awaitTurn', { turnId: 'turn-99' }],
    ] as const) {
      await assert.rejects(handle.executeUpdate(name, { args: [payload] }), WorkflowUpdateFailedError, name);
    }
    assert.equal((await handle.describe()).historyLength, before);
    assert.equal((await session.send('still there?')).reply, 'still here');
  });

  it('in a signal is noted in the session and ignored', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    const handle = world.temporal.workflow.getHandle(session.id);
    await handle.signal('suspend', { reason: 5 });
    await handle.signal('continue', 'please');
    await handle.signal('selfDestruct', { now: true });
    const { status, notes } = await session.info();
    assert.equal(status, 'active');
    assert.deepEqual(
      notes.map(({ text }) => /^Signal "(\w+)" was ignored/.exec(text)?.[1]),
      ['suspend', 'continue', 'selfDestruct'],
    );
    assert.match(notes[1]?.text ?? '', /was ignored: it must be an object \(keys with values\)\.$/);
    assert.equal((await session.send('still there?')).reply, 'still here');
  });

  it('to create is a typed error, and leaves no session behind', async () => {
    const wrong = [
      [{ mode: 'telepathy' }, 'UnknownMode'],
      [{ team: 'nobody' }, 'TeamNotFound'],
      [{ config: { historyLimit: 1 } }, 'InvalidInput'],
      [{ config: { colour: 'red' } }, 'InvalidInput'],
      [{ context: { __proto__: null, constructor: 1 } }, 'InvalidInput'],
      [{ id: '../etc' }, 'InvalidInput'],
      [{ name: 'a\nb' }, 'InvalidInput'],
      [{ message: ' ' }, 'InvalidInput'],
      [{ attach: ['/no/such/file'] }, 'InvalidInput'],
    ] as const;
    for (const [options, type] of wrong) {
      // The types would not let this through; a JavaScript caller or the CLI may send it.
      const id = `wrong-${type}-${wrong.findIndex(([other]) => other === options)}`;
      await assert.rejects(
        world.copilot.create({ id, ...options } as never),
        { name: 'CopilotError', type },
        JSON.stringify(options),
      );
      await assert.rejects(world.copilot.session(id).info(), { type: 'SessionNotFound' });
    }
    await world.copilot.create({ id: 'taken', mode: 'one-shot' });
    await assert.rejects(world.copilot.create({ id: 'taken', mode: 'one-shot' }), { type: 'SessionExists' });
  });

  it('as the input of the workflow itself fails that workflow and no other', async () => {
    const handle = await world.temporal.workflow.start('copilotSession', {
      taskQueue: 'copilot',
      workflowId: 'raw',
      args: [{ start: { mode: 7 } }],
    });
    await assert.rejects(
      handle.result(),
      (error: Error) => error.cause instanceof ApplicationFailure && error.cause.type === 'InvalidInput',
    );
    const empty = await world.temporal.workflow.start('copilotSession', {
      taskQueue: 'copilot',
      workflowId: 'empty',
      args: [],
    });
    await assert.rejects(
      empty.result(),
      (error: Error) => error.cause instanceof ApplicationFailure && error.cause.type === 'InvalidInput',
    );
  });
});
