/** The phrases by which the offline model is told what to do, one by one, without a server. */
import assert from 'node:assert/strict';
import { PlanProposal, RouteDecision } from '../../../src/contracts/turn.ts';
import { actionsOf } from '../../../dev/offline-model/actions.ts';
import { offlineReply } from '../../../dev/offline-model/model.ts';
import { ChatRequest, type WireReply } from '../../../dev/offline-model/wire.ts';
import { TOOLS } from './engine.ts';
import { startWorld } from './world.ts';

const AGENTS = `Agents of this team:
- engineer: Profiles and computes data, runs code and commands, changes files. For tables and CSV files.
- researcher: Finds and reads facts in files and on web pages, searches and lists files.
- writer: Writes reports, summaries and answers, texts and Markdown files.`;

type Answer = (tool: string, args: Record<string, unknown>) => string;

function chat(phase: string, texts: readonly string[], tools: readonly string[] = []): ChatRequest {
  const said = texts.map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content }));
  const offered = tools.map((name) => ({ type: 'function', function: { name } }));
  return ChatRequest.parse({
    model: 'm',
    messages: [{ role: 'system', content: `${AGENTS}\n\nPhase: ${phase}` }, ...said],
    ...(offered.length > 0 ? { tools: offered } : {}),
  });
}

const routed = (...texts: string[]): RouteDecision =>
  RouteDecision.parse(JSON.parse(offlineReply(chat('routing', texts)).text));
const planned = (...texts: string[]) =>
  PlanProposal.parse(JSON.parse(offlineReply(chat('planning', texts)).text)).steps;
const kinds = (text: string) => actionsOf(text).map(({ kind }) => kind);

/** Lets the model work until it calls no more tools; `answer` is what they give. */
function work(text: string, tools: readonly string[], answer: Answer, phase = 'one-shot') {
  let request = chat(phase, [text], tools);
  const called: { tool: string; args: Record<string, unknown> }[] = [];
  for (let round = 1; round <= 12; round++) {
    const reply = offlineReply(request);
    const calls = reply.toolCalls.filter(({ name }) => name !== 'report_step');
    if (calls.length === 0) return { reply, called, report: reportOf(reply) };
    const results = calls.map((call) => {
      const args = JSON.parse(call.arguments) as Record<string, unknown>;
      called.push({ tool: call.name, args });
      return { role: 'tool' as const, tool_call_id: call.id, content: answer(call.name, args) };
    });
    const made = calls.map(({ id, name, arguments: json }) => ({
      id,
      type: 'function' as const,
      function: { name, arguments: json },
    }));
    request = {
      ...request,
      messages: [...request.messages, { role: 'assistant', content: reply.text, tool_calls: made }, ...results],
    };
  }
  assert.fail('it does not come to an end');
}

function reportOf({ toolCalls: [call] }: WireReply): { status: string; summary: string } | undefined {
  return call?.name === 'report_step' ? (JSON.parse(call.arguments) as { status: string; summary: string }) : undefined;
}

const brief = (step: string, more = '') =>
  `# Task\nthe task\n\n# Plan\n1. [pending] ${step} (writer)\n\n# Done so far\nNothing yet.\n\n# Your step\n${step}${more}`;
const after = (problem: string) => `\n\n# The attempt before failed\n${problem}`;

describe('offline model: phrases that ask the person', () => {
  const first = 'ask me first which city: write the answer to city.txt';
  const answered = (text: string, question: string, answer: string) =>
    `${text}\n\nYou asked:\n${question}\n\nThe answer:\n${answer}`;

  it('asks back before any work, and goes on with the answer', () => {
    const { route, questions } = routed(first);
    assert.deepEqual([route, questions], ['clarify', ['Which city?']]);
    const message = answered(first, 'Which city?', 'Graz');
    const then = routed(message);
    assert.equal(then.route, 'one-shot');
    assert.equal(then.refinedTask, 'write "Graz" to city.txt');
    const { called } = work(message, ['write_file'], () => 'Wrote it.');
    assert.deepEqual(called, [{ tool: 'write_file', args: { path: 'city.txt', content: 'Graz' } }]);
  });

  it('asks back twice, and takes the name of a file as one', () => {
    const text = 'ask me first which city: ask me first which file: profile it';
    const once = answered(text, 'Which city?', 'Graz');
    assert.deepEqual(routed(once).questions, ['Which file?']);
    const twice = answered(once, 'Which file?', 'sales.csv');
    assert.deepEqual([routed(twice).route, routed(twice).refinedTask], ['one-shot', 'profile it sales.csv']);
    assert.equal(
      routed(answered('ask me first which file: profile the answer', 'Which file?', 'a.csv')).refinedTask,
      'profile a.csv',
    );
  });

  it('reads the answer to a question of its own together with the message', () => {
    const { questions } = routed('do it');
    const question = questions.join('\n');
    assert.equal(routed(answered('do it', question, 'profile sales.csv')).refinedTask, 'profile sales.csv');
    assert.equal(routed(answered('Summarise it', question, 'sales.csv')).refinedTask, 'Summarise it sales.csv');
  });

  it('asks in the middle of the work, and uses the answer', () => {
    const text = 'ask me which city, then write "Hello {answer}, and bye" to city.txt';
    assert.deepEqual(kinds(text), ['ask', 'write']);
    const tools = ['ask_user', 'write_file'];
    const { called } = work(text, tools, (tool) => (tool === 'ask_user' ? 'ada answers: Graz' : 'Wrote it.'));
    assert.deepEqual(called, [
      { tool: 'ask_user', args: { question: 'Which city?' } },
      { tool: 'write_file', args: { path: 'city.txt', content: 'Hello Graz, and bye' } },
    ]);
    assert.match(work('ask me which city', [], () => '').reply.text, /needs the tool ask_user/);
  });

  it('finds the answer in an earlier step, and says so where nobody answered', () => {
    const asked = work(
      brief('Ask me "which city, and why"'),
      ['ask_user', 'report_step'],
      () => 'ada answers: Graz',
      'step',
    );
    assert.equal(asked.called[0]?.args['question'], 'Which city, and why?');
    const later = brief('Write the answer to city.txt').replace(
      'Nothing yet.',
      `## Step 1 (writer)\n${asked.report?.summary}`,
    );
    const { called } = work(later, ['write_file', 'report_step'], () => 'Wrote it.', 'step');
    assert.deepEqual(called[0]?.args, { path: 'city.txt', content: 'Graz' });
    const alone = work('ask me which city', ['ask_user'], () => 'Nobody answered in time. Go on with what you know.');
    assert.match(alone.reply.text, /^Which city\? Nobody answered in time/);
  });
});

describe('offline model: phrases for the session and its agents', () => {
  it('remembers facts in the context, under a fitting key', () => {
    const table: [string, string, unknown][] = [
      ['remember that my unit is mm', 'unit', 'mm'],
      ['Please remember that the preferred rounding is 2.', 'preferred_rounding', 2],
      ['remember that my cities are ["Graz", "Oslo"]', 'cities', ['Graz', 'Oslo']],
      ['remember: call Ann on Friday', 'note_call_ann_on_friday', 'call Ann on Friday'],
      ['remember that my plan is to win', 'my_plan', 'to win'],
    ];
    for (const [text, key, value] of table) {
      const { called, reply } = work(text, ['remember'], () => `Remembered as "${key}".`);
      assert.deepEqual(called, [{ tool: 'remember', args: { key, value } }], text);
      assert.match(reply.text, /^Noted: /);
    }
    const refused = work('remember that my unit is mm', ['remember'], () => 'Not remembered: the key is protected');
    assert.equal(refused.reply.text, 'Not remembered: the key is protected');
    assert.equal(work('remember that my unit is mm', [], () => '').reply.text, 'Noted: my unit is mm.');
  });

  it('hands over, and the other agent does all the rest', () => {
    const text = 'hand over to the writer: write "a, and b" to a.txt and read b.txt';
    assert.deepEqual(kinds(text), ['handoff']);
    assert.equal(routed(text).primaryAgent, 'engineer');
    assert.equal(routed('hand over to the engineer: calculate 2 + 3').primaryAgent === 'engineer', false);
    const { called } = work(text, ['transfer_to_writer', 'write_file', 'read_file'], () => 'ok');
    assert.deepEqual(
      called.map(({ tool }) => tool),
      ['transfer_to_writer', 'write_file', 'read_file'],
    );
    assert.equal(called[0]?.args['reason'], 'write "a, and b" to a.txt and read b.txt');
    assert.match(work(text, ['write_file'], () => '').reply.text, /cannot hand its work over to "writer"/);
  });

  it('finishes itself where no more hand-overs are allowed', () => {
    const text = 'hand over to the writer: hand over to the engineer: calculate 2 + 3';
    const tools = ['transfer_to_writer', 'transfer_to_engineer', 'calculate'];
    const { reply } = work(text, tools, (tool) =>
      tool === 'calculate' ? '5' : 'This work was handed over 5 times already.',
    );
    assert.equal(reply.text, '2 + 3 = 5');
  });
});

describe('offline model: phrases for files, the web and commands', () => {
  it('replaces and appends with the tools for that', async () => {
    const world = await startWorld({ files: ['notes.txt'], tools: [...TOOLS, 'edit_file', 'append_file'] });
    const read = () => world.read('notes.txt');
    await world.engine.send('replace "The budget is 400" with "The budget, and more, is 500" in notes.txt');
    assert.match(await read(), /\nThe budget, and more, is 500 euros/);
    assert.match((await world.engine.send('replace "e" with "E" in notes.txt')).reply, /occurs \d+ times/);
    const all = await world.engine.send('Replace all "e" with "E" in note.txt');
    assert.deepEqual(all.called, ['edit_file', 'list_files', 'edit_file'], 'the nearest name is taken');
    assert.doesNotMatch(await read(), /e/);
    await world.engine.send('write "one" to log.txt');
    const { called } = await world.engine.send('append "two, and then some" to log.txt');
    assert.deepEqual(called, ['read_file', 'append_file']);
    await world.engine.send('append "three" to log.txt');
    assert.equal(await world.read('log.txt'), 'one\ntwo, and then some\nthree\n');
    await world.end();
  });

  it('fetches pages, and says what they are', () => {
    const page =
      'URL: https://example.org/a.html\nTitle: Ports\nType: text/html, 90 bytes\nWhat follows …\n\nPort 7233 is used.';
    const { called, reply } = work('Please fetch https://example.org/a.html.', ['fetch_url'], () => page);
    assert.deepEqual(called, [{ tool: 'fetch_url', args: { url: 'https://example.org/a.html' } }]);
    assert.match(reply.text, /titled "Ports", has 18 characters.*"Port 7233 is used\."/);
    assert.deepEqual(kinds('fetch https://example.org/ and write a summary to s.md'), ['fetch', 'write']);
    assert.equal(routed('fetch https://example.org/').primaryAgent, 'researcher');
    const failed = work('fetch https://example.org/', ['fetch_url'], () => 'fetch_url: the host is not known');
    assert.equal(failed.reply.text, 'fetch_url: the host is not known');
  });

  it('runs commands exactly as they are given', () => {
    const table: [string, string][] = [
      ['run the command: ls -l | grep "x, and then y"; echo done!', 'ls -l | grep "x, and then y"; echo done!'],
      ['Please run the command `ls -l`, then write "x" to x.txt', 'ls -l'],
      ['run this command:\n```sh\ncd /tmp\nls\n```', 'cd /tmp\nls'],
    ];
    for (const [text, command] of table) {
      const { called } = work(text, ['shell', 'write_file'], () => 'Exit code 0.\n--- stdout ---\nhi');
      assert.deepEqual(called[0], { tool: 'shell', args: { command } });
    }
    const { reply } = work('run the command: echo hi', ['shell'], () => 'Exit code 0.\n--- stdout ---\nhi');
    assert.equal(reply.text, 'The command ran and printed: hi.');
  });

  it('leaves out what a person does not allow, and does not try again', () => {
    const denied = 'ada does not allow this call: too risky. Do without it, or say what cannot be done.';
    const { report } = work(brief('Run the command: ls'), ['shell', 'report_step'], () => denied, 'step');
    assert.equal(report?.status, 'done');
    assert.match(report.summary, /Not done: ada does not allow this call: too risky\./);
  });
});

describe('offline model: phrases for plans', () => {
  const stepsOf = (task: string) => planned(task).map(({ task: text, alongside }) => `${text}${alongside ? ' *' : ''}`);

  it('plans as it is told, one step for each part', () => {
    const text = 'plan: write "a; b" to a.txt; hand over to the writer: read a.txt, then list the files; b';
    assert.equal(routed(text).route, 'planned');
    assert.deepEqual(stepsOf(text), [
      'Write "a; b" to a.txt',
      'Hand over to the writer: read a.txt, then list the files',
      'B',
    ]);
    assert.equal(routed('plan: list the files').route, 'planned');
    assert.deepEqual(stepsOf('plan:\n1. list the files\n2. read a.txt'), ['List the files', 'Read a.txt']);
  });

  it('marks steps that run at the same time as the one before', () => {
    assert.deepEqual(
      stepsOf('plan: write "a" to a.txt; at the same time write "b" to b.txt; read a.txt; read b.txt at the same time'),
      ['Write "a" to a.txt', 'Write "b" to b.txt *', 'Read a.txt', 'Read b.txt *'],
    );
    assert.deepEqual(stepsOf('write "a" to a.txt, and at the same time write "b" to b.txt, then list the files'), [
      'Write "a" to a.txt',
      'Write "b" to b.txt *',
      'List the files',
    ]);
    assert.deepEqual(stepsOf('Write "a" to a.txt and write "b" to b.txt at the same time.'), [
      'Write "a" to a.txt',
      'Write "b" to b.txt *',
    ]);
    assert.deepEqual(stepsOf('What happened at the same time in 2013?').length, 1);
  });

  it('does the step again, and what the person wants done differently', () => {
    const text = brief('Write "a" to a.txt', '\n\n# What the person wants done differently\nwrite "b" to b.txt');
    const { called } = work(text, ['write_file', 'report_step'], () => 'ok', 'step');
    assert.deepEqual(
      called.map(({ args }) => args['path']),
      ['a.txt', 'b.txt'],
    );
    const other = brief('Write "a" to a.txt', '\n\n# What the person wants done differently\nnicer, please');
    assert.equal(work(other, ['write_file', 'report_step'], () => 'ok', 'step').called.length, 1);
  });
});

describe('offline model: phrases that fail', () => {
  const attempt = (step: string, problem?: string) =>
    work(brief(step, problem === undefined ? '' : after(problem)), ['write_file', 'report_step'], () => 'ok', 'step');

  it('fails as many attempts of a step as it is told, then does the step', () => {
    const step = 'Fail this step twice, then write "x" to x.txt';
    assert.equal(routed(step).route, 'planned');
    const one = attempt(step);
    assert.deepEqual([one.report?.status, one.called.length], ['failed', 0]);
    assert.match(one.report?.summary ?? '', /time 1 of 2/);
    const two = attempt(step, one.report?.summary);
    assert.equal(two.report?.status, 'failed');
    const three = attempt(step, two.report?.summary);
    assert.deepEqual([three.report?.status, three.called.length], ['done', 1]);
    assert.equal(attempt('Fail once', 'time 1 of nothing').report?.status, 'failed');
    assert.equal(attempt('Fail 3 times', 'Failed on purpose, time 2 of 3.').report?.status, 'failed');
    assert.equal(attempt('Fail always', 'Failed on purpose, time 41.').report?.summary, 'Failed on purpose, time 42.');
  });

  it('refuses a direct answer, and takes words in quotation marks for words', () => {
    assert.throws(() => offlineReply(chat('one-shot', ['fail always'])), { status: 400 });
    assert.deepEqual(kinds('write "fail always" to x.txt'), ['write']);
    assert.deepEqual(kinds('write "hand over to the writer: x" to x.txt'), ['write']);
  });

  const remark = (problem: string) =>
    `That answer cannot be used: ${problem}. Answer again with the whole JSON object, corrected.`;
  const rawly = (phase: string, ...texts: string[]) => offlineReply(chat(phase, texts)).text;
  const task = 'write "a" to a.txt, then write "b" to b.txt';

  it('answers with broken JSON once, then as if nothing had been', () => {
    const text = `answer with broken JSON: ${task}`;
    for (const phase of ['routing', 'planning']) {
      const broken = rawly(phase, text);
      assert.throws(() => JSON.parse(broken), SyntaxError);
      const repaired = rawly(phase, text, broken, remark('it is not JSON'));
      const expected = JSON.parse(rawly(phase, task)) as Record<string, unknown>;
      const same = phase === 'routing' ? { ...expected, refinedTask: text } : expected;
      assert.deepEqual(JSON.parse(repaired), same);
    }
    assert.equal(routed(`let the planner ${text}`).refinedTask, `let the planner ${text}`);
    const judged = `# Task\n${text}\n\n# Plan\n1. (writer) Write "a" to a.txt\n2. (writer) Write "b" to b.txt`;
    assert.throws(() => JSON.parse(rawly('review', judged)), SyntaxError);
    assert.match(rawly('review', judged.replace('answer', 'let the router answer')), /"approved":true/);
  });

  it('answers so always, with nothing, or with agents that nobody knows', () => {
    const always = `let the planner answer with broken JSON always. ${task}`;
    assert.throws(() => JSON.parse(rawly('planning', always, '{"st', remark('it is not JSON'))), SyntaxError);
    assert.equal(routed(always).route, 'planned');
    assert.equal(rawly('routing', `answer with nothing: ${task}`), '');
    const unknown = `answer with an unknown agent: ${task}`;
    assert.equal(routed(unknown).primaryAgent, 'nobody');
    const wrong = rawly('planning', unknown);
    assert.match(wrong, /"agent":"nobody"/);
    assert.deepEqual(planned(unknown, wrong, remark('there is no agent "nobody"')), planned(task));
  });

  it('does the work without that phrase, which counts at the beginning only', () => {
    const { called } = work('answer with broken JSON always: write "a" to a.txt', ['write_file'], () => 'ok');
    assert.deepEqual(called[0]?.args, { path: 'a.txt', content: 'a' });
    assert.equal(routed('Read a.txt; if it is empty, answer with nothing').primaryAgent, 'researcher');
  });
});

describe('offline model: summaries', () => {
  const sum = (...messages: string[]) => offlineReply(chat('summary', [`# Conversation\n${messages.join('\n\n')}`]));

  it('keep what the person asked and said, the last answers, and names of files', () => {
    const { text, wordDelayMs } = sum(
      'user: My favourite colour is teal. Count slowly!',
      'assistant: Noted.',
      'user: Profile sales.csv and write r.md',
      'assistant: The best product is fig.\n\nIt is in r.md.',
    );
    assert.equal(
      text,
      'The person said:\n- My favourite colour is teal\n\nThe person asked:\n- My favourite colour is teal. Count slowly!\n- Profile sales.csv and write r.md\n\n' +
        'The last answers:\n- Noted.\n- The best product is fig. It is in r.md.\n\nFiles:\n- sales.csv\n- r.md',
    );
    assert.equal(wordDelayMs ?? 0, 0);
    const earlier = `[Summary of 4 earlier messages of this conversation]\n${text}`;
    const again = sum(`user: ${earlier}`, 'user: What is 2 + 3?', 'assistant: 5').text;
    assert.match(again, /- My favourite colour is teal\n[^]*- What is 2 \+ 3\?\n[^]*- 5\n[^]*- r\.md$/);
    const recalled = offlineReply(chat('one-shot', [earlier, 'ok', 'What is my favourite colour?']));
    assert.equal(recalled.text, 'Your favourite colour is teal.');
  });

  it('stay short, and never break', () => {
    const long = Array.from(
      { length: 500 },
      (_, index) => `user: my thing ${index} is f${index}.txt ${'x '.repeat(999)}`,
    );
    const { text } = sum(...long);
    assert.ok(text.length < 16_000 && text.length > 1_000, String(text.length));
    assert.match(text, /f499\.txt/);
    for (const odd of ['', 'user: ', '# Task\n', 'user: \nuser: \nassistant: ```', '\0'])
      assert.notEqual(sum(odd).text, '');
    assert.equal(sum('').text, 'Nothing was said yet.');
  });
});
