/** What is too large for the server: the client library and the command line say so at once, and nothing is changed. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CopilotError } from '../../../src/contracts/errors.ts';
import { runCli } from '../../helpers/cli.ts';
import { itInFull } from '../../helpers/full.ts';
import { noTaskFailed } from '../../helpers/history.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import { startWorld, type World } from '../../helpers/world.ts';

const TEN_MEGABYTES = 10 * 1024 * 1024;
/** Who tries again and again does so for longer. */
const AT_ONCE_MS = 60_000;
const WRONG_USE = 2;

describe('[R06] ten megabytes', function () {
  this.timeout(240_000);
  let world: World;

  before(async () => {
    world = await startWorld();
    playTeam(world.model, { answer: 'still here' });
  });
  after(() => world?.stop());

  const text = 'x'.repeat(TEN_MEGABYTES);
  /** Each message is as long as it may be; together they are too much. */
  const conversation = (count: number) =>
    Array.from({ length: count }, () => ({ role: 'user' as const, text: 'x'.repeat(256 * 1024) }));

  it('are refused by each call of the client library with a typed error, and the session goes on', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    const before = await session.info();
    const stored = { context: {}, phase: null, step: null };
    const calls: Record<string, () => Promise<unknown>> = {
      send: () => session.send(text),
      suspend: () => session.suspend({ reason: text }),
      continue: () => session.continue({ message: text }),
      'set context': () => session.setContext('key', text),
      'merge context': () => session.mergeContext({ key: text }),
      'save a message': () => session.save({ ...stored, conversation: [{ role: 'user', text }] }),
      'save 2.5 MiB': () => session.save({ ...stored, conversation: conversation(10) }),
      'save 5 MiB': () => session.save({ ...stored, conversation: conversation(20) }),
      'save 80 MiB': () => session.save({ ...stored, conversation: conversation(320) }),
      'save a plan': () => session.save({ ...stored, conversation: [], plan: text }),
      configure: () => session.configure({ agents: { writer: { instructions: text } } }),
      decide: () => session.decide('req-1', 'approve', { text }),
      'create with context': () => world.copilot.create({ context: { key: text } }),
      'create with name': () => world.copilot.create({ name: text }),
      'create with message': () => world.copilot.create({ message: text }),
      'find session': async () => await world.copilot.session(text).info(),
      list: () => world.copilot.list({ name: text }),
    };
    for (const [name, call] of Object.entries(calls)) {
      const startedAt = Date.now();
      await assert.rejects(
        call(),
        (error: Error) => {
          assert.ok(error instanceof CopilotError, `${name}: ${String(error).slice(0, 500)}`);
          assert.match(error.type, /^(InvalidInput|SessionNotFound)$/, `${name}: ${error.message.slice(0, 500)}`);
          assert.ok(error.message.length < 1_000, `${name}: ${error.message.length} characters`);
          return true;
        },
        name,
      );
      const tookMs = Date.now() - startedAt;
      assert.ok(tookMs < AT_ONCE_MS, `${name}: ${tookMs} ms`);
    }
    assert.deepEqual(await session.info(), before);
    assert.equal((await session.send('still there?')).reply, 'still here');
  });

  itInFull('in five calls at once, each small enough, are all taken, one after another', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    const stored = { context: {}, phase: null, step: null, conversation: conversation(7) };
    const reports = await Promise.all(Array.from({ length: 5 }, () => session.save(stored)));
    assert.deepEqual(reports.map(({ version }) => version).sort(), [2, 3, 4, 5, 6]);
    assert.equal((await session.send('still there?')).reply, 'still here');
    await noTaskFailed(world.temporal, session.id);
  });

  itInFull('on standard input or in files of the command line end with exit code 2 and one line', async () => {
    const env = programEnvironment(world.server);
    const session = await world.copilot.create({ mode: 'one-shot' });
    const file = async (name: string, value: unknown) => {
      const path = join(world.server.homeDir, name);
      await writeFile(path, typeof value === 'string' ? value : JSON.stringify(value));
      return path;
    };
    const stored = { conversation: conversation(40), context: {}, phase: null, step: null };
    const exported = await session.export();
    const commands: [string[], string?][] = [
      [['send', session.id, '-'], text],
      [['start', '-'], text],
      [['save', session.id, await file('stored.json', stored)]],
      [['save', session.id, await file('text.json', text)]],
      [['context', 'merge', session.id, await file('facts.json', { key: text })]],
      [['import', await file('exported.json', { ...exported, conversation: stored.conversation })]],
      [['import', '-'], text],
    ];
    for (const [args, input] of commands) {
      const { code, stdout, stderr } = await runCli(args, env, input);
      assert.equal(code, WRONG_USE, `${args.join(' ')}: ${stderr.slice(0, 1_000)}`);
      assert.equal(stdout, '');
      assert.match(stderr, /^error: .{1,1000}\n$/, args.join(' '));
    }
    assert.equal((await session.send('still there?')).reply, 'still here');
  });
});
