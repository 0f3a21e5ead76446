import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { TOOLS } from './engine.ts';
import { FILES, startWorld, WEATHER, type World } from './world.ts';

/** Sums of precipitation by a part of the date, straight from the file. */
async function precipitationBy(part: (date: string) => string): Promise<[string, number][]> {
  const sums = new Map<string, number>();
  for (const line of (await readFile(WEATHER, 'utf8')).trim().split('\n').slice(1)) {
    const [date = '', precipitation = ''] = line.split(',');
    sums.set(part(date), (sums.get(part(date)) ?? 0) + Number(precipitation));
  }
  return [...sums].sort(([, a], [, b]) => b - a);
}

describe('offline model: whole turns with the real tools', () => {
  let world: World;
  afterEach(() => world.end());

  it('profiles the weather, finds the wettest month, and writes the report', async () => {
    world = await startWorld({ weather: true });
    const turn = await world.engine.send(
      'Profile seattle-weather.csv, find the wettest month, and write a short report with a table to report.md',
    );
    assert.equal(turn.decision.route, 'planned');
    assert.deepEqual(
      turn.steps.map(({ status }) => status),
      ['done', 'done', 'done'],
    );
    const byMonth = await precipitationBy((date) => date.slice(5, 7));
    const [wettest, total] = byMonth[0] ?? ['', 0];
    const [single] = (await precipitationBy((date) => date.slice(0, 7)))[0] ?? [''];
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
    world = await startWorld({ files: ['sales.csv', 'cities.csv', 'staff.csv'] });
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
    world = await startWorld({ weather: true });
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
    world = await startWorld({ files: ['sales.csv'] });
    await world.engine.send('Find the total units per region in sales.csv, and save the table as regions.csv');
    assert.equal(await world.read('regions.csv'), 'region,total units,rows\nsouth,18,3\nnorth,6,2\n');
    await world.engine.send('Find the mean price per product in sales.csv, then save the results to prices.json');
    const json = JSON.parse(await world.read('prices.json')) as { findings: { table: unknown[] }[] };
    assert.deepEqual(json.findings[0]?.table[0], { product: 'fig', 'mean price': 9.7, rows: 2 });
  });

  it('writes what it is told, word for word', async () => {
    world = await startWorld({ files: ['notes.txt'] });
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
    world = await startWorld({ files: ['notes.txt', 'sales.csv'] });
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
    world = await startWorld();
    assert.match((await world.engine.send('What is 15% of 80?')).reply, /= 12$/);
    assert.match((await world.engine.send('What is 3 plus 4 times 2?')).reply, /= 11$/);
    assert.match((await world.engine.send('What is the average of 3, 5 and 10?')).reply, /= 6$/);
    assert.match((await world.engine.send('run this code:\n```js\nconsole.log(6 * 7)\n```')).reply, /printed: 42/);
  });

  it('reports a step as failed, with the reason, where the tool for it is not offered', async () => {
    world = await startWorld({ files: ['notes.txt'], tools: TOOLS.filter((name) => name !== 'run_code') });
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
    world = await startWorld({ files: ['sales.csv'] });
    const turn = await world.engine.send('Profile sales.csv, then deploy it to the cloud');
    assert.deepEqual(
      turn.steps.map(({ status }) => status),
      ['done', 'failed'],
    );
    assert.match(turn.steps[1]?.summary ?? '', /offline model.*OPENAI_API_KEY/);
  });

  it('remembers what was said in the conversation, and nothing else', async () => {
    world = await startWorld();
    await world.engine.send('My favourite colour is teal.');
    assert.match((await world.engine.send('What is my favourite colour?')).reply, /teal/);
    assert.match((await world.engine.send('What did I say first?')).reply, /My favourite colour is teal/);
    assert.match((await world.engine.send('What is my shoe size?')).reply, /not told me/);
    assert.equal((await world.engine.send('repeat after me: one, two and three')).reply, 'one, two and three');
  });

  it('writes down its last answer when told to', async () => {
    world = await startWorld({ files: ['sales.csv'] });
    const { reply } = await world.engine.send('Which product sold the most in sales.csv?');
    await world.engine.send('Now write that to answer.md');
    assert.equal(await world.read('answer.md'), `${reply}\n`);
  });
});
