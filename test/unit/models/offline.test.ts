import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { offlineReply } from '../../../src/models/offline/model.ts';
import { startOfflineModel } from '../../../src/models/offline-server.ts';
import { openModel } from '../../../src/models/openai.ts';
import { startEngine, TOOLS, type Engine } from './engine.ts';

const WEATHER = join(import.meta.dirname, '../../../examples/data/seattle-weather.csv');
const FILES = {
  'sales.csv':
    'order_id,product,region,units,price\n1,apple,north,5,1.5\n2,pear,south,9,2\n3,apple,south,7,1.6\n4,fig,north,1,9.9\n5,fig,south,2,9.5\n',
  'cities.csv':
    'city;country;population;area_km2;founded\nOslo;Norway;709037;454;1040-01-01\nBergen;Norway;291189;465;1070-01-01\nGraz;Austria;302000;127;1128-01-01\n',
  'staff.csv':
    'name,department,age,salary\nAnn,sales,41,52000\nBob,sales,33,48000\nCid,research,58,71000\nDee,research,29,64000\nEve,kitchen,47,39000\n',
  'notes.txt':
    'Project notes\n\nThe budget is 400 euros. It may grow.\nPorts: 7233 and 8233 are used.\nTODO: call Ann.\n',
};

interface World {
  readonly engine: Engine;
  readonly workspace: string;
  readonly baseUrl: string;
  read(file: string): Promise<string>;
  end(): Promise<void>;
}

async function start(
  options: { files?: readonly (keyof typeof FILES)[]; weather?: boolean; tools?: readonly string[] } = {},
): Promise<World> {
  const workspace = await mkdtemp(join(tmpdir(), 'offline-'));
  for (const file of options.files ?? []) await writeFile(join(workspace, file), FILES[file]);
  if (options.weather) await cp(WEATHER, join(workspace, 'seattle-weather.csv'));
  const server = await startOfflineModel();
  const engine = startEngine({ baseUrl: server.baseUrl, workspace, tools: options.tools ?? TOOLS });
  return {
    engine,
    workspace,
    baseUrl: server.baseUrl,
    read: (file) => readFile(join(workspace, file), 'utf8'),
    async end() {
      await engine.close();
      await server.close();
      await rm(workspace, { recursive: true });
    },
  };
}

/** Sums of precipitation by a part of the date, straight from the file. */
async function precipitationBy(part: (date: string) => string): Promise<[string, number][]> {
  const sums = new Map<string, number>();
  for (const line of (await readFile(WEATHER, 'utf8')).trim().split('\n').slice(1)) {
    const [date = '', precipitation = ''] = line.split(',');
    sums.set(part(date), (sums.get(part(date)) ?? 0) + Number(precipitation));
  }
  return [...sums].sort(([, a], [, b]) => b - a);
}

describe('offline model: the HTTP API', () => {
  let server: Awaited<ReturnType<typeof startOfflineModel>>;
  before(async () => (server = await startOfflineModel()));
  after(() => server.close());

  const post = (body: unknown) =>
    fetch(`${server.baseUrl}/chat/completions`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const user = { role: 'user', content: 'hello' };

  it('lists itself as the offline model and answers under that name, streamed or plain', async () => {
    const models = (await (await fetch(`${server.baseUrl}/models`)).json()) as { data: { id: string }[] };
    assert.deepEqual(
      models.data.map(({ id }) => id),
      ['offline'],
    );
    const plain = (await (await post({ model: 'gpt-x', messages: [user] })).json()) as {
      model: string;
      choices: { message: { content: string } }[];
      usage: object;
    };
    assert.equal(plain.model, 'offline');
    assert.match(plain.choices[0]?.message.content ?? '', /offline model.*OPENAI_API_KEY.*OPENAI_BASE_URL/);
    assert.ok('prompt_tokens' in plain.usage);
    const streamed = await (
      await post({ model: 'gpt-x', messages: [user], stream: true, stream_options: { include_usage: true } })
    ).text();
    assert.ok(streamed.split('data: ').length > 20, 'the words came in one piece');
    assert.match(streamed, /"usage":\{"prompt_tokens"/);
    assert.ok(streamed.endsWith('data: [DONE]\n\n'));
  });

  const bad: [string, unknown, RegExp][] = [
    ['no JSON', '{"model":', /could not parse the JSON/],
    ['no model', { messages: [user] }, /'model'/],
    ['no messages', { model: 'm', messages: [] }, /'messages'/],
    ['an unknown role', { model: 'm', messages: [{ role: 'robot', content: 'x' }] }, /'messages.0.role'/],
    [
      'an unknown parameter',
      { model: 'm', messages: [user], colour: 'red' },
      /Unrecognized request argument supplied: colour/,
    ],
    ['a temperature of 3', { model: 'm', messages: [user], temperature: 3 }, /'temperature'/],
    [
      'a tool without a name',
      { model: 'm', messages: [user], tools: [{ type: 'function', function: {} }] },
      /'tools.0.function.name'/,
    ],
    ['an empty list of tools', { model: 'm', messages: [user], tools: [] }, /'tools'/],
    [
      'a tool result out of nowhere',
      { model: 'm', messages: [user, { role: 'tool', tool_call_id: 'x', content: '' }] },
      /must be a response to a preceding message/,
    ],
    [
      'a tool call without its result',
      {
        model: 'm',
        messages: [
          user,
          { role: 'assistant', tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] },
          user,
        ],
      },
      /must be followed by tool messages/,
    ],
    [
      'json_object without the word',
      { model: 'm', messages: [user], response_format: { type: 'json_object' } },
      /must contain the word 'json'/,
    ],
  ];
  for (const [title, body, message] of bad) {
    it(`refuses ${title} as the real API does`, async () => {
      const response = await post(body);
      const { error } = (await response.json()) as { error: { message: string; type: string } };
      assert.equal(response.status, 400);
      assert.equal(error.type, 'invalid_request_error');
      assert.match(error.message, message);
    });
  }

  it('does not know other paths', async () => {
    assert.equal((await fetch(`${server.baseUrl}/embeddings`, { method: 'POST', body: '{}' })).status, 404);
  });

  it('takes its time over words where it is asked to, and says no more than it may', async () => {
    const model = openModel({ baseUrl: server.baseUrl });
    const ask = (text: string, maxOutputTokens?: number) => {
      const heard: number[] = [];
      const signal = AbortSignal.timeout(10_000);
      const limit = maxOutputTokens === undefined ? {} : { maxOutputTokens };
      return model
        .reply({
          model: 'm',
          system: '',
          messages: [{ role: 'user', text }],
          signal,
          onText: () => heard.push(Date.now()),
          ...limit,
        })
        .then((reply) => ({ reply, heard }));
    };
    const slow = await ask('count to 5 slowly');
    assert.equal(slow.reply.text, '1 2 3 4 5');
    assert.ok((slow.heard[4] ?? 0) - (slow.heard[0] ?? 0) >= 500);
    const cut = await ask('count to 500', 10);
    assert.equal(cut.reply.finish, 'length');
    assert.equal(cut.reply.text.length, 40);
    await model.close();
  });
});

describe('offline model: routing', () => {
  let world: World;
  before(async () => (world = await start({ files: ['sales.csv'] })));
  after(() => world.end());

  const table: [string, string, string | undefined][] = [
    ['hello', 'one-shot', undefined],
    ['What is the capital of France?', 'one-shot', undefined],
    ['What is 12 * 7?', 'one-shot', 'engineer'],
    ['Which product sold the most in sales.csv?', 'one-shot', 'engineer'],
    ['Read notes.txt', 'one-shot', 'researcher'],
    ['write "hi there, and bye" to hi.txt', 'one-shot', 'writer'],
    ['repeat after me: list the files, then read a.txt', 'one-shot', undefined],
    ['Keep it short: profile sales.csv.', 'one-shot', 'engineer'],
    ['Find the hottest and the coldest month in w.csv', 'one-shot', 'engineer'],
    ['Read a.txt and b.txt', 'one-shot', 'researcher'],
    ['Profile sales.csv, find the best product, and write a report to out/r.md', 'planned', 'engineer'],
    ['1. List the files\n2. Read README.md\n3. Write a summary to s.md', 'planned', 'researcher'],
    ['Search for "TODO" in src. Save the hits to todo.md', 'planned', 'researcher'],
    ['After reading notes.txt, calculate 3 * 4 and then write both to both.txt', 'planned', 'researcher'],
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
  before(async () => (world = await start()));
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

describe('offline model: whole turns with the real tools', () => {
  let world: World;
  afterEach(() => world.end());

  it('profiles the weather, finds the wettest month, and writes the report', async () => {
    world = await start({ weather: true });
    const turn = await world.engine.send(
      'Profile seattle-weather.csv, find the wettest month, and write a short report with a table to report.md',
    );
    assert.equal(turn.decision.route, 'planned');
    assert.deepEqual(
      turn.steps.map(({ status }) => status),
      ['done', 'done', 'done'],
    );
    const byMonth = await precipitationBy((date) => date.slice(5, 7));
    const [[wettest = '', total = 0] = []] = byMonth;
    const [[single = ''] = []] = await precipitationBy((date) => date.slice(0, 7));
    const nameOf = (month: string) => new Date(`2000-${month}-15`).toLocaleString('en', { month: 'long' });
    const report = await world.read('report.md');
    for (const text of [report, turn.reply])
      assert.match(text, new RegExp(`wettest month is ${nameOf(wettest)}\\b.*\\b${total.toFixed(1)}\\b`));
    assert.match(
      report,
      new RegExp(`${nameOf(single.slice(5))} ${single.slice(0, 4)}`),
      'the wettest month of a single year',
    );
    assert.match(report, /1461 rows.*2012-01-01 to 2015-12-31/);
    for (const [month, sum] of byMonth)
      assert.match(
        report,
        new RegExp(`^\\| \\**${nameOf(month)}\\** \\| \\**${String(Number(sum.toFixed(1)))}\\** \\|`, 'm'),
      );
    assert.match(report, new RegExp(`\\*\\*${nameOf(wettest)}\\*\\*.*wettest`));
    assert.match(report, /offline model/);
    assert.match(turn.reply, /report\.md/);
  });

  it('answers questions about other tables than the weather', async () => {
    world = await start({ files: ['sales.csv', 'cities.csv', 'staff.csv'] });
    const table: [string, RegExp][] = [
      ['Which product sold the most in sales.csv?', /total units is apple: total units 12/],
      ['total units per region in sales.csv', /north 6, south 18/],
      ['What is the most expensive product in sales.csv?', /most expensive product is fig: mean price 9\.7/],
      ['top 2 products by units in sales.csv', /apple \(12\), pear \(9\)/],
      ['Which country has the largest total population in cities.csv?', /Norway: total population 1000226/],
      ['biggest city in cities.csv by area', /Bergen.*465/],
      ['average salary by department in staff.csv', /kitchen 39000, research 67500, sales 50000/],
      ['Who is the oldest person in staff.csv?', /oldest name is Cid.*58/],
      ['Who earns the least in staff.csv?', /Eve.*39000/],
      ['How many people are in each department in staff.csv?', /kitchen 1, research 2, sales 2/],
      ['how many rows does staff.csv have?', /has 5 rows/],
      ['How many different regions are in sales.csv?', /has 2 different values/],
      ['What is the median age in staff.csv?', /median age is 41/],
    ];
    for (const [question, expected] of table) {
      const turn = await world.engine.send(question);
      assert.match(turn.reply, expected, `${question}\n${turn.reply}`);
      assert.equal(turn.decision.route, 'one-shot');
    }
  });

  it('answers questions about times in the weather', async () => {
    world = await start({ weather: true });
    const years = await precipitationBy((date) => date.slice(0, 4));
    const in2014 = (await precipitationBy((date) => date.slice(0, 7))).filter(([month]) => month.startsWith('2014'));
    const table: [string, RegExp][] = [
      [
        'Which year was the driest?',
        new RegExp(`driest year is ${years.at(-1)?.[0]}: total precipitation ${years.at(-1)?.[1].toFixed(0)}`),
      ],
      [
        'wettest month of 2014',
        new RegExp(`wettest month is March 2014: total precipitation ${in2014[0]?.[1].toFixed(0)}`),
      ],
      ['compare the precipitation of 2012 and 2013', /2012 1226, 2013 828/],
      ['What was the hottest day?', /2014-08-11, with 35\.6/],
      ['average temp_max by weather', /sun 19\.86.*Highest is sun/],
      ['how many days were sunny?', /640 of 1461 rows have weather sun/],
      ['What was the mean wind in March 2013?', /mean wind for March 2013 is 3\.46/],
      ['On which weekday did it rain the most?', /weekday with the highest total precipitation is \w+day/],
      ['maximum wind per year', /Highest wind by year.*Highest is 2012 with 9\.5/],
    ];
    for (const [question, expected] of table) {
      const { reply } = await world.engine.send(question);
      assert.match(reply, expected, `${question}\n${reply}`);
    }
  });

  it('writes data as data', async () => {
    world = await start({ files: ['sales.csv'] });
    await world.engine.send('Find the total units per region in sales.csv, and save the table as regions.csv');
    assert.equal(await world.read('regions.csv'), 'region,total units,rows\nsouth,18,3\nnorth,6,2\n');
    await world.engine.send('Find the mean price per product in sales.csv, then save the results to prices.json');
    const json = JSON.parse(await world.read('prices.json')) as { findings: { table: unknown[] }[] };
    assert.deepEqual(json.findings[0]?.table[0], { product: 'fig', 'mean price': 9.7, rows: 2 });
  });

  it('writes what it is told, word for word', async () => {
    world = await start({ files: ['notes.txt'] });
    const table: [string, string, string][] = [
      ['write "Hello, world. And bye." to hello.txt', 'hello.txt', 'Hello, world. And bye.'],
      ['Create a file called todo.md with the text "- buy milk"', 'todo.md', '- buy milk'],
      ['write good morning to morning.txt', 'morning.txt', 'good morning'],
      ['copy notes.txt to sub/copy.txt', 'sub/copy.txt', FILES['notes.txt']],
      ['append "- and bread" to todo.md', 'todo.md', '- buy milk\n- and bread\n'],
      ['Save this as hi.js:\n```js\nconsole.log("hi, and bye");\n```', 'hi.js', 'console.log("hi, and bye");'],
    ];
    for (const [text, file, content] of table) {
      const turn = await world.engine.send(text);
      assert.equal(await world.read(file), content, text);
      assert.match(turn.reply, new RegExp(file.replace('.', '\\.')));
    }
  });

  it('lists, reads and searches files, and finds the nearest name for a wrong one', async () => {
    world = await start({ files: ['notes.txt', 'sales.csv'] });
    assert.match(
      (await world.engine.send('Which files are there?')).reply,
      /2 files in the workspace: `notes\.txt`, `sales\.csv`/,
    );
    assert.match(
      (await world.engine.send('What does notes.txt say about the ports?')).reply,
      /It says: "Ports: 7233 and 8233 are used\."/,
    );
    assert.match((await world.engine.send('how many lines are in notes.txt?')).reply, /has 5 lines/);
    assert.match((await world.engine.send('search for "TODO"')).reply, /1 line of 1 file: `notes\.txt`/);
    const wrong = await world.engine.send('Read nots.txt');
    assert.deepEqual(wrong.called, ['read_file', 'list_files', 'read_file']);
    assert.match(wrong.reply, /`notes\.txt` has 5 lines/);
    assert.match(
      (await world.engine.send('Profile missing-thing.csv')).reply,
      /no file `missing-thing\.csv`.*sales\.csv/,
    );
  });

  it('calculates and runs code', async () => {
    world = await start();
    assert.match((await world.engine.send('What is 15% of 80?')).reply, /= 12$/);
    assert.match((await world.engine.send('What is 3 plus 4 times 2?')).reply, /= 11$/);
    assert.match((await world.engine.send('What is the average of 3, 5 and 10?')).reply, /= 6$/);
    assert.match((await world.engine.send('run this code:\n```js\nconsole.log(6 * 7)\n```')).reply, /printed: 42/);
  });

  it('reports a step as failed, with the reason, where the tool for it is not offered', async () => {
    world = await start({ files: ['notes.txt'], tools: TOOLS.filter((name) => name !== 'run_code') });
    const direct = await world.engine.send('run this code:\n```python\nprint(1)\n```');
    assert.match(direct.reply, /run_code, which is not offered.*--allow-code/);
    const planned = await world.engine.send('Read notes.txt, then run `console.log(1)`');
    assert.deepEqual(
      planned.steps.map(({ status }) => status),
      ['done', 'failed'],
    );
    assert.match(planned.steps[1]?.summary ?? '', /run_code, which is not offered/);
    assert.match(planned.reply, /budget|notes\.txt/);
  });

  it('does not call done what it cannot do', async () => {
    world = await start({ files: ['sales.csv'] });
    const turn = await world.engine.send('Profile sales.csv, then deploy it to the cloud');
    assert.deepEqual(
      turn.steps.map(({ status }) => status),
      ['done', 'failed'],
    );
    assert.match(turn.steps[1]?.summary ?? '', /offline model.*OPENAI_API_KEY/);
  });

  it('remembers what was said in the conversation, and nothing else', async () => {
    world = await start();
    await world.engine.send('My favourite colour is teal.');
    assert.match((await world.engine.send('What is my favourite colour?')).reply, /teal/);
    assert.match((await world.engine.send('What did I say first?')).reply, /My favourite colour is teal/);
    assert.match((await world.engine.send('What is my shoe size?')).reply, /not told me/);
    assert.equal((await world.engine.send('repeat after me: one, two and three')).reply, 'one, two and three');
  });

  it('writes down its last answer when told to', async () => {
    world = await start({ files: ['sales.csv'] });
    const { reply } = await world.engine.send('Which product sold the most in sales.csv?');
    await world.engine.send('Now write that to answer.md');
    assert.equal(await world.read('answer.md'), `${reply}\n`);
  });
});

describe('offline model: any input', () => {
  it('answers whatever it is sent, in every phase, quickly and the same each time', () => {
    const seed = randomInt(2 ** 31);
    const word = fc.constantFrom(
      'profile',
      'write',
      'a.csv',
      'to',
      'r.md',
      'and',
      '"',
      "'",
      '```',
      '#',
      '# Your step\n',
      ',',
      'wettest month',
      'count to 3',
      'read',
      '`',
      '{',
      '2+2',
      '__proto__',
      '\0',
      '\ud800',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(word, { maxLength: 40 }).map((parts) => parts.join(' ')),
    );
    const phase = fc.constantFrom('routing', 'planning', 'review', 'one-shot', 'step', 'answer', 'nonsense');
    fc.assert(
      fc.property(text, phase, (content, name) => {
        const chat = {
          model: 'm',
          messages: [
            { role: 'system' as const, content: `- writer: Writes.\n\nPhase: ${name}` },
            { role: 'user' as const, content },
          ],
        };
        const reply = offlineReply(chat);
        assert.ok(reply.text !== '' || reply.toolCalls.length > 0);
        assert.deepEqual(offlineReply(chat), reply);
      }),
      { seed, numRuns: 400 },
    );
  });

  it('is not slowed down by long or odd texts', () => {
    const parts = [
      'a.',
      '"',
      "'",
      '```',
      ' ',
      '\n',
      'to ',
      'a/',
      'and ',
      'how many messages ',
      '1+',
      '(',
      'my x is ',
      '# Task\n',
      '| ',
    ];
    for (const part of parts) {
      const content = part.repeat(Math.ceil(250_000 / part.length));
      const started = Date.now();
      for (const phase of ['routing', 'planning', 'review', 'one-shot', 'step', 'answer']) {
        offlineReply({
          model: 'm',
          messages: [
            { role: 'system', content: `Phase: ${phase}` },
            { role: 'user', content },
          ],
        });
      }
      assert.ok(Date.now() - started < 3_000, `${JSON.stringify(part)} took ${Date.now() - started} ms`);
    }
  });
});
