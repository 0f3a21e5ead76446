/** Agents whose answers have a form. Real server, real worker process. */
import assert from 'node:assert/strict';
import { startWorldOf } from '../../helpers/own-team.ts';
import { reporting } from '../../helpers/replies.ts';
import { playTeam, readCall, type ScriptedCall } from '../../helpers/team-script.ts';
import { someOf } from '../../helpers/full.ts';
import type { World } from '../../helpers/world.ts';

const FIGURE = {
  type: 'object',
  properties: { city: { type: 'string' }, population: { type: 'integer', minimum: 1 } },
  required: ['city', 'population'],
  additionalProperties: false,
};
const GOOD = { city: 'Ulm', population: 128_928 };
const GOOD_TEXT = JSON.stringify(GOOD);
/** One unusable in each way, with what its agent is told. */
const BAD: readonly (readonly [answer: string, told: RegExp])[] = [
  ['Ulm has 128,928 people.', /it is not only JSON/],
  ['```json\n{"city": "Ulm", "population": 1}\n```', /it is not only JSON/],
  ['{"city": "Ulm", "population": 0}', /at population/],
  ['{"city": "Ulm"}', /at population/],
  ['{"city": "Ulm", "population": 1, "mayor": "?"}', /mayor/],
  ['[]', /expected object/],
];

describe('agents whose answers have a form', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({
      default: { agents: { writer: { output: FIGURE }, engineer: { output: FIGURE, tools: [] } } },
    });
  });
  after(() => world.stop());

  const since = (from: number): ScriptedCall[] => world.model.requests.slice(from).map(({ body }) => readCall(body));

  it('answer with JSON of that form, which the model is asked for', async () => {
    playTeam(world.model, { answer: GOOD_TEXT });
    const from = world.model.requests.length;
    const session = await world.copilot.create({ mode: 'one-shot' });
    assert.equal((await session.send('how large is Ulm?')).reply, GOOD_TEXT);
    const format = world.model.requests[from]?.body.response_format;
    assert.ok(format?.type === 'json_schema');
    assert.deepEqual(format.json_schema.schema, FIGURE);
  });

  for (const [answer, told] of someOf(BAD, 2)) {
    it(`are told once what is wrong with ${JSON.stringify(answer)}, and corrected`, async () => {
      playTeam(world.model, {
        instead: ({ last }) => ({ text: last.startsWith('That answer cannot be used') ? GOOD_TEXT : answer }),
      });
      const from = world.model.requests.length;
      const session = await world.copilot.create({ mode: 'one-shot' });
      const turn = await session.send('how large is Ulm?');
      assert.deepEqual([turn.status, turn.reply], ['completed', GOOD_TEXT]);
      const calls = since(from);
      assert.equal(calls.length, 2);
      assert.match(calls[1]?.last ?? '', told);
      const { messages } = await session.transcript();
      assert.deepEqual(
        messages.map(({ text }) => text),
        ['how large is Ulm?', GOOD_TEXT],
      );
      // The repair is no part of the conversation for the next turn either.
      playTeam(world.model, { answer: GOOD_TEXT });
      await session.send('and now?');
      assert.deepEqual(since(from).at(-1)?.messages, [
        ['user', 'how large is Ulm?'],
        ['assistant', GOOD_TEXT],
        ['user', 'and now?'],
      ]);
    });
  }

  it('are corrected even if the person writes the words by which the session asks for it', async () => {
    const said = 'That answer cannot be used: how large is Ulm?';
    playTeam(world.model, { instead: ({ last }) => ({ text: last === said ? 'no idea' : GOOD_TEXT }) });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const { status, reply } = await session.send(said);
    assert.deepEqual([status, reply], ['completed', GOOD_TEXT]);
  });

  it('that are not corrected fail the turn with the reason, and the session answers the next message', async () => {
    playTeam(world.model, { answer: 'no idea' });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const { status, error } = await session.send('how large is Ulm?');
    assert.equal(status, 'failed');
    assert.match(JSON.stringify(error), /InvalidModelOutput.*answer of agent writer.*not only JSON/);
    playTeam(world.model, { answer: GOOD_TEXT });
    assert.equal((await session.send('how large is Ulm?')).reply, GOOD_TEXT);
  });

  it('report a step with a result of that form, and the final answer knows it', async () => {
    const from = world.model.requests.length;
    let reports = 0;
    playTeam(world.model, {
      files: ['a.txt'],
      answer: GOOD_TEXT,
      instead: ({ phase }) => {
        if (phase !== 'step') return undefined;
        reports += 1;
        if (reports === 1) return reporting('done', 'Looked it up.');
        if (reports === 2) return reporting('done', 'Looked it up.', { city: 'Ulm' });
        return reporting('done', 'Looked it up.', GOOD);
      },
    });
    const session = await world.copilot.create({ mode: 'planning-control' });
    const turn = await session.send('how large is Ulm?');
    assert.deepEqual([turn.status, turn.reply], ['completed', GOOD_TEXT]);
    assert.equal(turn.steps[0]?.summary, `Looked it up.\n\n${GOOD_TEXT}`);
    const steps = since(from).filter(({ phase }) => phase === 'step');
    assert.match(steps[1]?.last ?? '', /^the result is invalid: it is missing\. Call report_step again\.$/);
    assert.match(steps[2]?.last ?? '', /^the result is invalid: .*at population/);
    assert.ok(since(from).at(-1)?.messages.at(-1)?.[1].includes(GOOD_TEXT), 'the final answer is written from it');
  });

  it('report no result that would be cut, and a long summary gives way to it', async () => {
    const long = { city: 'U'.repeat(3_000), population: 1 };
    const results = [long, GOOD];
    const from = world.model.requests.length;
    playTeam(world.model, {
      files: ['a.txt'],
      answer: GOOD_TEXT,
      instead: ({ phase }) => (phase === 'step' ? reporting('done', 's'.repeat(5_000), results.shift()) : undefined),
    });
    const session = await world.copilot.create({ mode: 'planning-control' });
    const turn = await session.send('how large is Ulm?');
    assert.equal(turn.status, 'completed');
    assert.match(since(from).filter(({ phase }) => phase === 'step')[1]?.last ?? '', /3,?0\d\d characters as JSON/);
    const [words, result] = turn.steps[0]?.summary.split('\n\n') ?? [];
    assert.match(words ?? '', /^s+$/);
    assert.equal(result, GOOD_TEXT);
    assert.equal(turn.steps[0]?.summary.length, 4_000);
  });

  it('report that a step failed without one', async () => {
    playTeam(world.model, {
      files: ['a.txt'],
      instead: ({ phase }) => (phase === 'step' ? reporting('failed', 'No such city.') : undefined),
    });
    const session = await world.copilot.create({ mode: 'planning-control' });
    const turn = await session.send('how large is Ulm?');
    assert.equal(turn.status, 'failed');
    assert.equal(turn.steps[0]?.summary, 'No such city.');
  });
});
