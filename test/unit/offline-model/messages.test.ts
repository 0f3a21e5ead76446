/** How the offline model reads messages: routes, plans, steps, and what it does not understand. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { fillForm } from '../../../dev/offline-model/form.ts';
import { replyTo } from '../../../dev/offline-model/model.ts';
import { cpuTimer } from '../../helpers/cpu-time.ts';
import { inlineCallOf, planOf, playAgent, routeOf, user } from './play.ts';
import { someOf } from '../../helpers/full.ts';

const never = () => assert.fail('no tool is needed');

describe('offline model: routes', () => {
  it('answers one phrase directly, and plans several', () => {
    assert.deepEqual(
      [routeOf('What is 19 * 23?'), routeOf('read a.txt, then read b.txt')].map(({ route }) => route),
      ['one-shot', 'planned'],
    );
    assert.equal(routeOf('plan: read a.txt').route, 'planned');
    assert.equal(routeOf('ask me which city, then write "{answer}" to a.txt').route, 'one-shot');
  });

  it('reads a message that came with files as it reads the same message without', () => {
    const files = '\n\n[file a.csv, 48219 bytes]\n[file notes (1).txt, 3 bytes]';
    for (const message of ['What is 19 * 23?', 'read a.txt, then read b.txt', 'ask me first which city: read a.txt']) {
      assert.deepEqual(routeOf(message + files), routeOf(message));
      assert.deepEqual(planOf(message + files), planOf(message));
    }
  });

  it('asks back first if it is told to, and takes the last line as the answer', () => {
    const message = 'ask me first which city: write the answer to city.txt';
    const asked = routeOf(message);
    assert.deepEqual([asked.route, asked.questions], ['clarify', ['Which city?']]);
    const answered = routeOf(`${message}\n\nYou asked:\nWhich city?\n\nThe answer:\nGraz`);
    assert.deepEqual([answered.route, answered.refinedTask], ['one-shot', 'write "Graz" to city.txt']);
  });
});

describe('offline model: an agent that routes', () => {
  it('plans several phrases, does one itself, and hands over what needs a tool of another', () => {
    const [plan] = inlineCallOf('read a.txt, then write "x" to b.txt', ['read_file', 'write_file']).calls;
    assert.equal(plan?.tool, 'make_plan');
    assert.deepEqual(
      (plan.args['steps'] as { task: string }[]).map(({ task }) => task),
      ['Read a.txt', 'Write "x" to b.txt'],
    );
    assert.deepEqual(
      [
        'What is 2 + 3?',
        'run the command: ls',
        'fetch https://example.org/',
        'ask me first which city: write the answer to a.txt',
      ].map((text) => inlineCallOf(text, ['calculate', 'read_file']).calls.map(({ tool }) => tool)),
      [['calculate'], ['transfer_to_engineer'], ['transfer_to_researcher'], ['ask_user']],
    );
  });

  it('goes on behind a hand-over of its own with the tools of the other agent', () => {
    const [call] = inlineCallOf('run the command: ls', []).calls;
    assert.ok(call);
    const made = { id: 'c1', function: { name: call.tool, arguments: JSON.stringify(call.args) } };
    const after = inlineCallOf(
      'run the command: ls',
      ['shell'],
      { role: 'assistant', content: '', tool_calls: [made] },
      { role: 'tool', tool_call_id: 'c1', content: 'Handed over: engineer goes on from here.' },
    );
    assert.deepEqual(
      after.calls.map(({ tool, args }) => [tool, args]),
      [['shell', { command: 'ls' }]],
    );
  });
});

describe('offline model: plans', () => {
  it('ask by an agent if nobody routed the message', () => {
    assert.deepEqual(
      planOf('ask me first which city: write the answer to city.txt').map(({ task }) => task),
      ['Ask me which city, then write the answer to city.txt'],
    );
  });

  it('keep what stands between quotes as it is', () => {
    const [step, ...others] = planOf('write "go slowly, then read a.txt" to b.txt slowly.');
    assert.deepEqual([step?.task, others], ['Write "go slowly, then read a.txt" to b.txt', []]);
  });

  it('have a step for each phrase, with the table in each and steps side by side', () => {
    const steps = planOf(
      'Profile rain.csv, plot wind per month to wind.svg, and at the same time find the wettest month; write the results to r.md.',
    );
    assert.deepEqual(
      steps.map(({ agent, task, alongside }) => [agent, task, alongside]),
      [
        ['engineer', 'Profile rain.csv', false],
        ['charter', 'Plot wind per month from rain.csv to wind.svg', false],
        ['engineer', 'Find the wettest month in rain.csv', true],
        ['writer', 'Write the results to r.md', false],
      ],
    );
  });

  it('of the README: write one, then two, then three', () => {
    const steps = planOf(
      'Write "one" to one.txt slowly, then write "two" to two.txt slowly, then write "three" to three.txt',
    );
    assert.deepEqual(
      steps.map(({ task }) => task),
      ['Write "one" to one.txt', 'Write "two" to two.txt', 'Write "three" to three.txt'],
    );
  });

  it('lose and get steps as a person says, and keep the rest', () => {
    const steps = planOf('read a.txt, then read b.txt');
    const revised = planOf(
      'read a.txt, then read b.txt',
      { role: 'assistant', content: JSON.stringify({ steps }) },
      user('The person wants changes in this plan: remove step 1, and add: write "x" to x.txt\n\nAll of it again.'),
    );
    assert.deepEqual(
      revised.map(({ task }) => task),
      ['Read b.txt', 'Write "x" to x.txt'],
    );
  });

  it('have eight steps at most: the last one does the rest', () => {
    const steps = planOf(Array.from({ length: 10 }, (_, index) => `read ${index}.txt`).join('; '));
    assert.equal(steps.length, 8);
    assert.equal(steps.at(-1)?.task, 'Read 7.txt, then read 8.txt, then read 9.txt');
  });
});

describe('offline model: work', () => {
  const brief = (step: string, done: string, changes = '') =>
    `# Task\nall of it\n\n# Plan\n1. [pending] …\n\n# Done so far\n${done}\n\n# Your step\n${step}${changes}`;

  it('a step knows the results of the steps before it', async () => {
    const done = '## Step 1 (engineer)\nIt rained.\n\n| month | mm |\n| --- | --- |\n| May | 3 |';
    const { calls, report } = await playAgent(
      brief('Write a short report to r.md', done),
      ['write_file', 'report_step'],
      () => 'Wrote r.md (9 bytes).',
    );
    assert.deepEqual(calls, [
      [
        'write_file',
        { path: 'r.md', content: '# Report\n\nIt rained.\n\n| month | mm |\n| --- | --- |\n| May | 3 |\n' },
      ],
    ]);
    assert.deepEqual(report, { status: 'done', summary: 'Wrote r.md (9 bytes).' });
  });

  it('a report goes to report.md if the message names no file', async () => {
    const { calls } = await playAgent('write a report', ['write_file'], () => 'Wrote report.md (9 bytes).');
    assert.deepEqual(calls, [['write_file', { path: 'report.md', content: '# Report\n\nNothing was found.\n' }]]);
  });

  it('a step that is to be redone does what the person wants instead', async () => {
    const changes = '\n\n# What the person wants done differently\nwrite "b" to b.txt';
    const { calls } = await playAgent(
      brief('Write "a" to a.txt', 'Nothing yet.', changes),
      ['write_file', 'report_step'],
      () => 'Wrote b.txt (1 bytes).',
    );
    assert.deepEqual(calls, [['write_file', { path: 'b.txt', content: 'b' }]]);
  });

  it('a step fails if its tool does, is not on offer, or if it is no phrase', async () => {
    const tools = ['read_file', 'report_step'];
    const failed = await playAgent(brief('Read a.txt', ''), tools, () => 'read_file: there is no a.txt.');
    assert.deepEqual(failed.report, { status: 'failed', summary: 'read_file: there is no a.txt.' });
    const missing = await playAgent(brief('Run the command: ls', ''), tools, never);
    assert.deepEqual(missing.report, {
      status: 'failed',
      summary: 'This needs the tool shell, which is not offered to this agent.',
    });
    const unknown = await playAgent(brief('Win the war', ''), tools, never);
    assert.equal(unknown.report?.['status'], 'failed');
  });

  it('a message that is no phrase gets the list of them, and nothing is done', async () => {
    for (const text of ['hello', 'Which product sold the most?', 'read a.txt and marvel', 'write to a.txt', '  ']) {
      const { text: said, calls } = await playAgent(text, ['read_file', 'write_file'], never);
      assert.deepEqual(calls, []);
      assert.match(said, /^I do not understand this message\. I am the offline model[^]*- What is 19 \* 23\?\n/, text);
    }
  });

  it('the final answer is what the completed steps found, and which were not done', () => {
    const text =
      '# Task\nx\n\n# Steps\n## 1. Profile a.csv [completed]\nIt has 3 rows.\n\n| a |\n\n## 2. Read b.txt [skipped]\n\n\n# Files written\nNone.';
    const { text: said } = replyTo({ model: 'm', messages: [user(text)] });
    assert.equal(said, 'It has 3 rows.\n\nNot done: 2. Read b.txt [skipped]');
  });

  it('a conversation is summed up by its end', () => {
    const { text } = replyTo({ model: 'm', messages: [user(`# Conversation\nuser: ${'a'.repeat(5_000)} the end`)] });
    assert.ok(text.endsWith('the end') && text.length < 2_100, `${text.length} characters`);
  });

  it('answers and reports take the form that is asked for', async () => {
    const schema = {
      type: 'object',
      properties: {
        words: { type: 'string' },
        figure: { type: 'integer' },
        tags: { type: 'array', items: { enum: ['x'] } },
      },
    };
    assert.deepEqual(fillForm(schema, '2 + 2 = 4'), { words: '2 + 2 = 4', figure: 2, tags: ['x'] });
    const { text } = replyTo({
      model: 'm',
      messages: [user('repeat after me: 7 days')],
      response_format: { json_schema: { name: 'answer', schema } },
    });
    assert.deepEqual(JSON.parse(text), { words: '7 days', figure: 7, tags: ['x'] });
  });
});

describe('offline model: any input', function () {
  this.timeout(120_000);
  const requests = (content: string) => {
    const messages = [{ role: 'system' as const, content: '- writer: Writes.' }, user(content)];
    const forms = ['route', 'plan', 'review', 'other'].map((name) => ({
      model: 'm',
      messages,
      response_format: { json_schema: { name, schema: { type: 'string' } } },
    }));
    const tools = ['report_step', 'write_file'].map((name) => [{ function: { name } }]);
    return [...forms, { model: 'm', messages }, ...tools.map((offered) => ({ model: 'm', messages, tools: offered }))];
  };

  it('gets an answer in every phase, the same each time', () => {
    const seed = randomInt(2 ** 31);
    const word = fc.constantFrom(
      ...[
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
      ],
      ...['count to 3', 'read', '`', '{', '2+2', '__proto__', '\0', '\ud800', 'plan:', ';', 'ask me first which', ':'],
      ...['the answer', 'hand over to the writer:', 'run the command:', 'at the same time', 'remember that', '\n'],
      ...[
        'replace "a" with "b" in',
        'fetch https://a.example/',
        'user: ',
        '# Steps\n',
        '# Conversation\n',
        '## 1. x\n',
      ],
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(word, { maxLength: 40 }).map((parts) => parts.join(' ')),
    );
    fc.assert(
      fc.property(text, (content) => {
        for (const request of requests(content)) {
          const reply = replyTo(request);
          assert.ok(reply.text !== '' || reply.calls.length > 0);
          assert.deepEqual(replyTo(request), reply);
        }
      }),
      { seed, numRuns: 200 },
    );
  });

  it('is not slowed down by long or odd texts', () => {
    const parts = [
      ...[
        'a.',
        '"',
        "'",
        '```',
        ' ',
        '\n',
        'to ',
        'a/',
        'and ',
        '1+',
        '(',
        'my x is ',
        '# Task\n',
        '| ',
        'plan: ',
        '; ',
      ],
      ...['ask me first x: ', 'ask me x, then ', 'hand over to the writer: ', 'run the command: ', 'at the same time '],
      ...[
        'use a with {',
        'remember that x is ',
        'replace "',
        '# Conversation\n',
        '## 1. x\n',
        'slowly ',
        '- writer: x\n',
      ],
    ];
    for (const part of someOf(parts, 10)) {
      for (const length of [19_000, 250_000]) {
        const content = part.repeat(Math.ceil(length / part.length));
        const computedMs = cpuTimer();
        for (const request of requests(content)) replyTo(request);
        const tookMs = computedMs();
        assert.ok(tookMs < 10_000, `${JSON.stringify(part)} took ${tookMs} ms`);
      }
    }
  });
});
