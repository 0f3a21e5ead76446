/** Conversations that grow too long: what the models get, and what people can still read. Real server, real workers. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Segment } from '../../../src/contracts/session.ts';
import type { FollowEvent, SessionHandle } from '../../../src/client.ts';
import { runCli } from '../../helpers/cli.ts';
import { collect } from '../../helpers/client.ts';
import { itInFull } from '../../helpers/full.ts';
import { fullHistory, until } from '../../helpers/history.ts';
import type { ScriptedReply } from '../../helpers/model-server.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { callsOf, playTeam, readCall, type ScriptedCall } from '../../helpers/team-script.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import type { World } from '../../helpers/world.ts';

/** Summarised past 2,000 bytes; the newest 400 stay. */
const SMALL = { team: { compaction: { atTokens: 500, keepTokens: 100 } } };
const OVERFLOW: ScriptedReply = {
  status: 400,
  error: { code: 'context_length_exceeded', message: 'maximum context length is 100 tokens' },
};

describe('compaction', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({ default: {}, small: SMALL });
  });
  after(() => world.stop());

  /** Answers `answer to <message>`, and sums up as `summary <n>`; `instead` first. */
  function play(instead: (call: ScriptedCall) => ScriptedReply | undefined = () => undefined): void {
    let summaries = 0;
    playTeam(world.model, {
      instead: (call) =>
        instead(call) ??
        (call.phase === 'summary'
          ? { text: `summary ${(summaries += 1)}` }
          : call.phase === 'one-shot'
            ? { text: answerTo(call.last) }
            : undefined),
    });
  }

  const long = (number: number): string => `message ${number} ${'x'.repeat(300)}`;
  const answerTo = (message: string): string => `answer to ${message.slice(0, 12).trim()} ${'y'.repeat(300)}`;
  const said = (numbers: readonly number[]) =>
    numbers.flatMap((number) => [
      ['user', long(number)],
      ['assistant', answerTo(long(number))],
    ]);
  const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

  async function send(session: SessionHandle, numbers: readonly number[]): Promise<void> {
    for (const number of numbers) {
      const turn = await session.send(long(number));
      assert.deepEqual([turn.status, turn.reply], ['completed', answerTo(long(number))]);
    }
  }
  const read = async (session: SessionHandle, all: boolean) =>
    (await session.transcript({ all })).messages.map(({ role, text }) => [role, text]);
  const segmentsOf = (session: SessionHandle): Promise<Segment[]> =>
    world.temporal.workflow.getHandle(session.id).query('segments');
  const compacted = (session: SessionHandle, times: number) =>
    until('a summary', async () => (await segmentsOf(session)).length >= times);

  it('[T12] past the limit older messages become a summary for the models; people still read every one of them', async () => {
    play();
    const session = await world.copilot.create({ team: 'small', mode: 'one-shot' });
    await send(session, upTo(4));
    await compacted(session, 1);
    assert.deepEqual(await read(session, false), [
      ['user', '[Summary of 7 earlier messages of this conversation]\nsummary 1'],
      ...said([4]).slice(1),
    ]);
    assert.deepEqual(await read(session, true), said(upTo(4)));

    const from = world.model.requests.length;
    await send(session, [5]);
    const [next] = world.model.requests.slice(from).map(({ body }) => readCall(body));
    assert.deepEqual(next?.messages, [
      ['user', '[Summary of 7 earlier messages of this conversation]\nsummary 1'],
      ...said([4]).slice(1),
      ['user', long(5)],
    ]);
    const summing = world.model.requests.map(({ body }) => readCall(body)).find(({ phase }) => phase === 'summary');
    for (const text of ['message 1 ', 'answer to message 1', 'message 4 '])
      assert.ok(summing?.last.includes(text), text);

    // Followers see it, it is paid for, and `from` counts over the whole.
    const events = await collect(session, isCompacted, 0);
    assert.deepEqual(
      events.filter(isCompacted).map(({ messages }) => messages),
      [7],
    );
    assert.equal((await session.info()).usageByAgent['writer/scripted']?.modelCalls, 6);
    const page = await session.transcript({ all: true, from: 8 });
    assert.deepEqual([page.from, page.messages.map(({ text }) => text)], [8, [long(5), answerTo(long(5))]]);
  });

  it('[T12] originals are in the archive, in files that their hash names, before the summary is there', async () => {
    play();
    const session = await world.copilot.create({ team: 'small', mode: 'one-shot' });
    await send(session, upTo(8));
    await compacted(session, 2);
    const segments = await segmentsOf(session);
    const folder = join(world.server.homeDir, 'archive', 'segments', session.id);
    assert.deepEqual((await readdir(folder)).sort(), segments.map(({ hash }) => `${hash}.json`).sort());
    const kept: { role: string; text: string }[] = [];
    for (const { hash, messages, bytes } of segments) {
      const content = await readFile(join(folder, `${hash}.json`));
      assert.equal(createHash('sha256').update(content).digest('hex'), hash);
      assert.equal(content.length, bytes);
      const stored = JSON.parse(content.toString()) as { role: string; text: string }[]; // messages, as the archive has them
      assert.equal(stored.length, messages);
      kept.push(...stored.filter(({ text }) => !text.startsWith('[Summary of ')));
    }
    const expected = said(upTo(8)).slice(0, kept.length);
    assert.deepEqual(
      kept.map(({ role, text }) => [role, text]),
      expected,
    );
    assert.ok(kept.length >= 12, `only ${kept.length} messages are in the archive`);
  });

  itInFull(
    '[T12] over many summaries and runs, a killed worker and an export that is imported, nothing is lost',
    async () => {
      play();
      const session = await world.copilot.create({ team: 'small', mode: 'one-shot', config: { historyLimit: 40 } });
      await send(session, upTo(9));
      await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
      await world.startWorker();
      await send(session, upTo(16).slice(9));
      await compacted(session, 4);
      const runs = (await fullHistory(world.temporal, session.id)).filter(
        ({ workflowExecutionStartedEventAttributes: started }) => started,
      ).length;
      assert.ok(runs > 4, `${runs} runs`);
      assert.deepEqual(await read(session, true), said(upTo(16)));
      const live = await read(session, false);
      assert.match(live[0]?.[1] ?? '', /^\[Summary of \d+ earlier messages/);

      const file = await session.export();
      const whole = (texts: { role: string; text: string }[]) => texts.map(({ role, text }) => [role, text]);
      assert.deepEqual(whole(file.conversation), live);
      assert.deepEqual([...whole(file.earlier ?? []), ...live.slice(1)], said(upTo(16)));

      const copy = await world.copilot.import(JSON.parse(JSON.stringify(file)));
      await send(copy, [17, 18, 19, 20]);
      await compacted(copy, 1);
      assert.deepEqual(await read(copy, true), said(upTo(20)));
      const fork = await session.fork();
      assert.deepEqual(await read(fork, true), said(upTo(16)));
      assert.deepEqual(await read(await session.fork({ turn: 2 }), true), said([1, 2]));

      await session.complete();
      assert.deepEqual(await read(session, true), said(upTo(16)));
      const archived = JSON.parse(
        await readFile(join(world.server.homeDir, 'archive', `${session.id}.json`), 'utf8'),
      ) as typeof file; // the same form
      assert.deepEqual(whole(archived.earlier ?? []), whole(file.earlier ?? []));

      const env = programEnvironment(world.server);
      const { stdout } = await runCli(['transcript', session.id, '--all', '--json'], env);
      const page = JSON.parse(stdout) as { messages: { role: string; text: string }[] }; // as `--json` prints it
      assert.deepEqual(whole(page.messages), said(upTo(16)));
      const shown = await runCli(['transcript', session.id], env);
      assert.match(shown.stdout, /^you: \[Summary of \d+ earlier messages/);
    },
  );

  it('[T12] a conversation that is too long for the model is summarised, and the turn goes on', async () => {
    play(({ phase, messages }) => (phase === 'one-shot' && messages.length > 60 ? OVERFLOW : undefined));
    const session = await world.copilot.create({ mode: 'one-shot' });
    // 48 KB: under the limit of this team, but more than what stays after a summary.
    const padding = 'z'.repeat(1_500);
    for (let number = 1; number <= 30; number++) await session.send(`${long(number)}${padding}`);
    const from = world.model.requests.length;
    const turn = await session.send('and now?');
    assert.deepEqual([turn.status, turn.number, turn.reply], ['completed', 31, answerTo('and now?')]);
    assert.deepEqual(callsOf(world.model).slice(from), ['one-shot', 'summary', 'one-shot']);
    const asked = world.model.requests.at(-1);
    assert.ok(asked);
    assert.match(
      readCall(asked.body).messages[0]?.[1] ?? '',
      /^\[Summary of \d+ earlier messages of this conversation\]\nsummary 1$/,
    );
    const everything = await read(session, true);
    assert.equal(everything.length, 62);
    assert.deepEqual(everything.at(-2), ['user', 'and now?']);
    assert.equal((await session.info()).turns, 31);
  });

  it('[T12] in the middle of its tool calls such a turn goes on where it was: no call is made twice', async () => {
    let isFull = false;
    play(({ phase, messages, lastRole }) => {
      if (phase !== 'one-shot' || !isFull) return undefined;
      if (lastRole === 'user')
        return { toolCalls: [{ name: 'write_file', arguments: { path: 'a.txt', content: 'a' } }] };
      return messages[0]?.[1].startsWith('[Summary of ') === true ? { text: 'written' } : OVERFLOW;
    });
    const session = await world.copilot.create({ team: 'small', mode: 'one-shot' });
    await send(session, upTo(2));
    isFull = true;
    const from = world.model.requests.length;
    const turn = await session.send('write a file');
    assert.deepEqual([turn.status, turn.reply, turn.artifacts], ['completed', 'written', ['a.txt']]);
    assert.deepEqual(callsOf(world.model).slice(from), ['one-shot', 'one-shot', 'summary', 'one-shot']);
    assert.equal(turn.usage.toolCalls, 1);
    assert.deepEqual(await read(session, true), [...said([1, 2]), ['user', 'write a file'], ['assistant', 'written']]);
  });

  it('[T12] what no summary makes short enough fails clearly, and the session answers the next message', async () => {
    let isFull = false;
    play(({ phase }) => (isFull && phase === 'one-shot' ? OVERFLOW : undefined));
    const session = await world.copilot.create({ team: 'small', mode: 'one-shot' });
    await send(session, upTo(2));
    isFull = true;
    const from = world.model.requests.length;
    const turn = await session.send('too much');
    assert.deepEqual([turn.status, turn.error?.type], ['failed', 'ContextOverflow']);
    assert.match(
      turn.error?.message ?? '',
      /too long for model "test" .*Start a new session or use a model with a larger window/,
    );
    assert.deepEqual(callsOf(world.model).slice(from), ['one-shot', 'summary', 'one-shot']);
    isFull = false;
    await send(session, [3]);
  });

  it('[T12] where no summary can be had, older messages are left out for the models, and people still read them', async () => {
    play(({ phase }) => (phase === 'summary' ? { status: 401, error: { message: 'no' } } : undefined));
    const session = await world.copilot.create({ team: 'small', mode: 'one-shot' });
    await send(session, upTo(4));
    await until('the end of it', async () => (await read(session, false))[0]?.[1]?.startsWith('[7 earlier messages'));
    await send(session, [5]);
    assert.deepEqual(await read(session, true), said(upTo(5)));
    assert.deepEqual(await segmentsOf(session), []);
  });
});

function isCompacted(event: FollowEvent): event is Extract<FollowEvent, { type: 'compacted' }> {
  return event.type === 'compacted';
}
