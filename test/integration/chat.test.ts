/** Chats as processes, with their input typed by the test. */
import assert from 'node:assert/strict';
import { runCli, startCli } from '../helpers/cli.ts';
import { itInFull, someOf } from '../helpers/full.ts';
import { until } from '../helpers/history.ts';
import { calling } from '../helpers/replies.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('copilot chat', function () {
  this.timeout(180_000);
  let world: World;
  let env: Record<string, string>;

  before(async () => {
    world = await startWorld();
    env = programEnvironment(world.server);
  });
  after(() => world.stop());

  it('[T10] ends with an exit word, and the session goes on', async () => {
    playTeam(world.model, { answer: 'hello to you' });
    for (const word of someOf(['exit', 'quit', 'BYE'], 1)) {
      const { code, stdout, stderr } = await runCli(
        ['chat', '--mode', 'one-shot', '--id', `chat-${word}`],
        env,
        `hello\n\n${word}\nnever sent\n`,
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^Session chat-/);
      assert.match(stdout, /hello to you\n/);
      assert.match(stderr, new RegExp(`The session goes on. Come back with: copilot chat chat-${word}`));
      const { status, turns } = await world.copilot.session(`chat-${word}`).info();
      assert.deepEqual([status, turns], ['active', 1]);
    }
  });

  it('[U03] comes back to where it was, and two terminals on one session see the same', async () => {
    playTeam(world.model, { answer: 'first answer' });
    const session = await world.copilot.create({ mode: 'one-shot' });
    await session.send('first question');
    const one = startCli(['chat', session.id], env);
    const two = startCli(['chat', session.id], env);
    for (const terminal of [one, two]) await terminal.untilStdout(/you: first question\nwriter: first answer\n/);
    playTeam(world.model, { answer: 'second answer' });
    one.process.stdin.write('second question\n');
    await two.untilStdout(/you, elsewhere: second question\nsecond answer\n/);
    await one.untilStdout(/first answer\nsecond answer\n/);
    for (const terminal of [one, two]) {
      terminal.process.stdin.end();
      assert.equal((await terminal.ended).code, 0);
    }
  });

  itInFull(
    '[U03] shows route, plan, steps and tool calls of a running turn from its beginning, also to someone who joins in the middle',
    async () => {
      const joined = Promise.withResolvers<void>();
      playTeam(world.model, {
        files: ['one.txt', 'two.txt'],
        instead: ({ task, lastRole }) =>
          task === 'write two.txt' && lastRole === 'user'
            ? { ...calling(['write_file', { path: 'two.txt', content: 'two' }]), after: joined.promise }
            : undefined,
        answer: 'both',
      });
      const session = await world.copilot.create({ message: 'write two files' });
      for await (const event of session.follow({ from: 0 })) if (event.type === 'step-ended') break;
      const terminal = startCli(['chat', session.id], env);
      await terminal.untilStdout(/✓ step 1 completed/);
      joined.resolve();
      await terminal.untilStdout(
        /you, elsewhere: write two files\n→ planned[\s\S]*\nPlan:\n {2}1\. [\s\S]* {2}⚙ write_file one\.txt[\s\S]*✓ step 1 completed[\s\S]*✓ step 2 completed[\s\S]*both\n/,
      );
      terminal.process.stdin.end();
      assert.equal((await terminal.ended).code, 0);
    },
  );

  itInFull('ends when somebody else ends the session', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    const terminal = startCli(['chat', session.id], env);
    await terminal.untilStdout(/leaves/);
    await session.complete();
    const { code, stderr } = await terminal.ended;
    assert.equal(code, 0);
    assert.match(stderr, /The session has ended\.\n$/);
    const later = await runCli(['chat', session.id], env, 'hello\n');
    assert.match(later.stderr, /^error: .* is completed and takes no more messages[^]*\nThe session has ended\.\n$/);
  });

  itInFull('says how somebody has ended the session from outside, in a line of its own', async () => {
    playTeam(world.model, { answer: 'word '.repeat(5_000), wordDelayMs: 50 });
    for (const [end, said] of [
      [(id: string) => world.copilot.session(id).delete(), /^The session was deleted\.\n$/m],
      [
        async (id: string) => void (await world.temporal.workflow.getHandle(id).terminate('by hand')),
        /^! \S+ terminated by .*: by hand\. .*copilot fork ses_.*\nThe session has ended\.\n$/m,
      ],
    ] as const) {
      const session = await world.copilot.create({ mode: 'one-shot', message: 'go on' });
      const [chat, follower] = [startCli(['chat', session.id], env), startCli(['follow', session.id], env)];
      await Promise.all([chat.untilStdout(/word word/), follower.untilStdout(/word word/)]);
      await end(session.id);
      for (const { code, stdout, stderr } of [await chat.ended, await follower.ended]) {
        assert.equal(code, 0, stderr);
        assert.match(stderr, said);
        assert.match(stdout, /\n$/);
      }
    }
  });

  it('[U03] streams tokens; Ctrl-C stops the turn and not the session, and twice with nothing running leaves', async () => {
    playTeam(world.model, { answer: 'word '.repeat(5_000), wordDelayMs: 50 });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const terminal = startCli(['chat', session.id], env);
    await terminal.untilStdout(/Session/);
    terminal.process.stdin.write('talk\n');
    await terminal.untilStdout(/word word/);
    terminal.process.kill('SIGINT');
    await terminal.untilStdout(/Turn 1 interrupted/);
    playTeam(world.model, { answer: 'short' });
    terminal.process.stdin.write('again\n');
    await terminal.untilStdout(/short\n/);
    await until('the turn has ended', async () => (await session.turns()).at(-1)?.status === 'completed');
    await new Promise((resolve) => setTimeout(resolve, 300));
    terminal.process.kill('SIGINT');
    await terminal.untilStdout(/Ctrl-C again leaves/);
    terminal.process.kill('SIGINT');
    assert.equal((await terminal.ended).code, 0);
    assert.deepEqual(
      (await session.turns()).map(({ status }) => status),
      ['interrupted', 'completed'],
    );
  });

  it('says what is wrong and goes on', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    await session.suspend();
    const { code, stdout, stderr } = await runCli(['chat', session.id], env, 'hello\nexit\n');
    assert.equal(code, 0);
    assert.match(stdout, /This session is suspended; \/continue takes it up/);
    assert.match(stderr, /^error: This needs a session that is active/);
  });
});
