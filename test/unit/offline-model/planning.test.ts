import assert from 'node:assert/strict';
import { startWorld, type World } from './world.ts';

describe('offline model: routing', () => {
  let world: World;
  before(async () => (world = await startWorld({ files: ['sales.csv'] })));
  after(() => world.end());

  const table: [string, string, string | undefined][] = [
    ['hello', 'one-shot', undefined],
    ['What is the capital of France?', 'one-shot', undefined],
    ['What is 12 * 7?', 'one-shot', 'engineer'],
    ['Which product sold the most in sales.csv?', 'one-shot', 'engineer'],
    ['Read notes.txt', 'one-shot', 'researcher'],
    ['write "hi there, and bye" to hi.txt', 'one-shot', 'writer'],
    ['copy notes.txt to b.txt', 'one-shot', 'writer'],
    ['Write a report on the wettest month in w.csv to r.md', 'one-shot', 'engineer'],
    ['repeat after me: list the files, then read a.txt', 'one-shot', undefined],
    ['Keep it short: profile sales.csv.', 'one-shot', 'engineer'],
    ['Find the hottest and the coldest month in w.csv', 'one-shot', 'engineer'],
    ['Read a.txt and b.txt', 'one-shot', 'researcher'],
    ['Profile sales.csv, find the best product, and write a report to out/r.md', 'planned', 'engineer'],
    ['1. List the files\n2. Read README.md\n3. Write a summary to s.md', 'planned', 'researcher'],
    ['Search for "TODO" in src. Save the hits to todo.md', 'planned', 'researcher'],
    ['After reading notes.txt, calculate 3 * 4 and then write both to both.txt', 'planned', 'researcher'],
    ['Привет', 'one-shot', undefined],
    ['do it', 'clarify', undefined],
    ['fix this', 'clarify', undefined],
    ['Please improve it!', 'clarify', undefined],
    ['???', 'clarify', undefined],
    ['asdf qwer', 'clarify', undefined],
  ];
  for (const [text, route, agent] of table) {
    it(`takes ${JSON.stringify(text)} for ${route}`, async () => {
      const decision = await world.engine.route(text);
      assert.equal(decision.route, route);
      if (agent) assert.equal(decision.primaryAgent, agent);
      assert.equal(decision.questions.length, route === 'clarify' ? 1 : 0);
      assert.equal(decision.refinedTask, text);
    });
  }

  it('reads the answer to its question together with what was asked', async () => {
    const first = await world.engine.send('Summarise it');
    assert.equal(first.decision.route, 'clarify');
    const second = await world.engine.send('sales.csv');
    assert.equal(second.decision.refinedTask, 'Summarise it sales.csv');
    assert.match(second.reply, /`sales.csv` has 5 rows/);
  });
});

describe('offline model: planning', () => {
  let world: World;
  before(async () => (world = await startWorld()));
  after(() => world.end());

  const tasksOf = async (task: string) => (await world.engine.plan(task)).map((step) => `${step.agent}: ${step.task}`);

  it('makes one step of each action and names the files', async () => {
    assert.deepEqual(
      await tasksOf(
        'Profile seattle-weather.csv, find the wettest month, and write a short report with a table to report.md',
      ),
      [
        'engineer: Profile seattle-weather.csv',
        'engineer: Find the wettest month in seattle-weather.csv',
        'writer: Write a short report with a table to report.md',
      ],
    );
  });

  it('keeps quotations, file names and numbers whole', async () => {
    assert.deepEqual(
      await tasksOf(
        'Search for "read, and write" in docs/v1.2/guide.md; then write \'Done. And dusted, finally.\' to out.txt, calculate 1.5 + 2.25.',
      ),
      [
        'researcher: Search for "read, and write" in docs/v1.2/guide.md',
        "writer: Write 'Done. And dusted, finally.' to out.txt",
        'engineer: Calculate 1.5 + 2.25',
      ],
    );
  });

  it('follows lists, and keeps remarks as notes', async () => {
    const steps = await world.engine.plan(
      'Please do this:\n- list the files\n- read notes.txt\n- write a summary to s.md\n\nKeep it friendly.',
    );
    assert.deepEqual(
      steps.map(({ task }) => task),
      ['List the files', 'Read notes.txt', 'Write a summary to s.md'],
    );
    assert.ok(steps.every(({ notes }) => notes === 'Keep it friendly.'));
  });

  it('puts the finding out before a report that needs it', async () => {
    assert.deepEqual(await tasksOf('Write a report on the wettest month in w.csv to r.md'), [
      'engineer: Find the wettest month in w.csv',
      'writer: Write a report on the wettest month in w.csv to r.md',
    ]);
  });

  it('plans a single step for what is a single thing, small talk included', async () => {
    assert.equal((await tasksOf('hello there')).length, 1);
    assert.equal((await tasksOf('Profile a.csv')).length, 1);
  });

  it('reviews: approves what is whole, and names what is missing, empty or double', async () => {
    const task = 'Profile a.csv and write a report to out/r.md';
    const steps = await world.engine.plan(task);
    assert.deepEqual(await world.engine.review(task, steps), { approved: true, feedback: '' });
    const [profile] = steps;
    assert.ok(profile);
    assert.match((await world.engine.review(task, [profile])).feedback, /out\/r\.md/);
    assert.match((await world.engine.review(task, [profile, ...steps])).feedback, /Step 2 repeats/);
    assert.equal((await world.engine.review(task, [])).approved, false);
  });

  it('revises a plan as the feedback says', async () => {
    const task = 'Profile a.csv and write a report to out/r.md';
    const steps = await world.engine.plan(task);
    const revised = async (feedback: string, from = steps) =>
      (await world.engine.plan(task, { steps: from, feedback })).map((step) => `${step.agent}: ${step.task}`);
    assert.deepEqual(await revised('No step writes out/r.md.', steps.slice(0, 1)), [
      'engineer: Profile a.csv',
      'writer: Write the results to out/r.md',
    ]);
    assert.deepEqual(await revised('Step 2 repeats an earlier step: remove step 2.'), ['engineer: Profile a.csv']);
    assert.deepEqual(await revised('Step 1 should go to the researcher.'), [
      'researcher: Profile a.csv',
      'writer: Write a report to out/r.md',
    ]);
    assert.deepEqual(await revised('Also list the files.'), [
      'engineer: Profile a.csv',
      'writer: Write a report to out/r.md',
      'researcher: List the files',
    ]);
  });

  it('keeps to the number of steps that is allowed', async () => {
    const task = Array.from({ length: 30 }, (_, index) => `read file${index}.txt`).join(', then ');
    const steps = await world.engine.plan(task);
    assert.equal(steps.length, 12);
    assert.match(steps.at(-1)?.task ?? '', /file11\.txt.*file29\.txt/);
    const fewer = await world.engine.plan(task, {
      steps,
      feedback: 'That answer cannot be used: it has 12 steps, and 5 are allowed.',
    });
    assert.equal(fewer.length, 5);
  });
});
