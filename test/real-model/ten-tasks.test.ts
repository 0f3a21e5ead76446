/**
 * Ten tasks for a real small model, at the address that `REAL_MODEL_URL` names: any server of chat completions, say
 * llama.cpp with a model of 1.5 billion parameters. What such a model answers is often wrong. This looks at what the
 * engine makes of it: every turn ends after few calls, and the session takes the next message.
 */
import assert from 'node:assert/strict';
import { startWorld, type World } from '../helpers/world.ts';

const MAX_CALLS = 12;
const SENTENCE =
  'The river rises in the hills, passes many towns, drives mills, floods meadows in spring, freezes in hard winters, and ends in the sea. ';
const TASKS = [
  { name: 'a question', mode: 'one-shot', text: 'What is the capital of Italy? Answer in one sentence.' },
  { name: 'a tool call', mode: 'one-shot', text: 'Use the tool calculate to compute 19 * 23, and tell me the result.' },
  { name: 'arithmetic', mode: 'copilot', text: 'How much is 17 * 4 + 9?' },
  { name: 'German', mode: 'one-shot', text: 'Nenne drei Flüsse in Deutschland, je einen in einer Zeile.' },
  { name: 'a file', mode: 'copilot', text: 'Write a file notes.txt with the words: buy milk.' },
  {
    name: 'two steps',
    mode: 'planning-control',
    text: 'First write a.txt with the number 5, then write b.txt with the number 6.',
  },
  { name: 'a question back', mode: 'copilot', text: 'Book it for me.' },
  {
    name: 'the impossible',
    mode: 'copilot',
    text: 'Open the file missing-report.pdf and tell me its third word.',
  },
  { name: 'a long text', mode: 'one-shot', text: `Summarise in two sentences: ${SENTENCE.repeat(40)}` },
  { name: 'a table', mode: 'copilot', text: 'List the files of the workspace as a table.' },
];

describe('a real small model', function () {
  // A processor writes some ten tokens a second.
  this.timeout(3_600_000);
  let world: World;

  before(async function () {
    const address = process.env['REAL_MODEL_URL'];
    if (address === undefined) return this.skip();
    world = await startWorld({ env: { OPENAI_BASE_URL: address } });
  });
  after(() => world?.stop());

  for (const { name, mode, text } of TASKS) {
    it(`[M20] ${name}: the turn ends within ${MAX_CALLS} calls, and the session takes the next message`, async () => {
      const session = await world.copilot.create({ mode });
      const turn = await session.send(text);
      const { usage } = await session.info();
      console.log(`      ${turn.status}, ${usage.modelCalls} calls: ${turn.error?.message ?? turn.reply}`);
      assert.ok(['completed', 'failed', 'waiting'].includes(turn.status), turn.status);
      assert.ok(usage.modelCalls <= MAX_CALLS, `${usage.modelCalls} calls`);
      assert.ok((turn.error?.message ?? turn.reply) !== '');

      const next = await session.send('Thanks. Say OK.');
      assert.notEqual(next.id, turn.id);
      assert.ok(['completed', 'failed', 'waiting'].includes(next.status), next.status);
      assert.ok((await session.info()).usage.modelCalls <= 2 * MAX_CALLS);
    });
  }
});
