/** What real servers do, through the product: a scripted HTTP server, a real worker, sessions. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageDir } from '../../../src/package-info.ts';
import { type ApiAnswer, startApiServer } from '../../helpers/api-server.ts';
import { said, streamed, toolCall } from '../../helpers/chat-answers.ts';
import { itInFull, someOf } from '../../helpers/full.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { type Respond, resultsIn, useServerSessions } from '../../helpers/server-sessions.ts';

const TEAM = {
  team: { planning: { agent: 'planner' } },
  agents: {
    writer: { tools: ['calculate', 'write_file'] },
    fallen: {
      description: 'Falls back.',
      instructions: 'x',
      model: ['away', 'main'],
      effort: 'low' as const,
      tools: ['calculate'],
    },
  },
};

describe('servers through the product', function () {
  this.timeout(120_000);
  const sessions = useServerSessions({
    default: TEAM,
    falling: { ...TEAM, team: { ...TEAM.team, answering: { agent: 'fallen' } } },
  });
  const ask: typeof sessions.ask = (respond, question) => sessions.ask(respond, question);

  it('[M03] reasoning_content goes back beside its tool call', async () => {
    const { turn } = await ask(({ body }, call) => {
      if (call === 1)
        return streamed(
          { reasoning_content: 'I must compute.' },
          { tool_calls: [toolCall('{"expression":"19 * 23"}')] },
        );
      return body.messages.some(
        (message: Record<string, unknown>) => message['reasoning_content'] === 'I must compute.',
      )
        ? said({ content: '437' })
        : { status: 400, body: { error: { message: 'Missing reasoning_content' } } };
    });
    assert.deepEqual([turn.status, turn.reply], ['completed', '437']);
  });

  itInFull('[M08] a call written as text is made', async () => {
    const { turn, bodies } = await ask((_request, call) =>
      said({
        content:
          call === 1
            ? '<tool_call>\n{"name":"calculate","arguments":{"expression":"19 * 23"}}\n</tool_call>'
            : 'It is 437.',
      }),
    );
    assert.deepEqual([turn.status, turn.reply], ['completed', 'It is 437.']);
    assert.match(resultsIn(bodies[1])[0] ?? '', /437/);
  });

  itInFull('[M08] two calls with one id both have their results', async () => {
    const { turn, bodies } = await ask((_request, call) =>
      call === 1
        ? said({
            content: null,
            tool_calls: [toolCall('{"expression":"1 + 1"}'), { ...toolCall('{"expression":"2 + 5"}'), index: 1 }],
          })
        : said({ content: 'both' }),
    );
    assert.equal(turn.reply, 'both');
    assert.deepEqual(
      resultsIn(bodies[1]).map((text) => /\d+$/.exec(text.trim())?.[0]),
      ['2', '7'],
    );
  });

  it('[M08] broken arguments are told, and never sent back', async () => {
    const { turn, bodies } = await ask((_request, call) =>
      call === 1 ? said({ content: null, tool_calls: [toolCall('this is no JSON')] }) : said({ content: 'sorry' }),
    );
    assert.equal(turn.status, 'completed');
    assert.equal(bodies[1].messages.at(-2).tool_calls[0].function.arguments, '{}');
    assert.match(resultsIn(bodies[1])[0] ?? '', /calculate was not called: its arguments were not valid JSON/);
  });

  it('[M08] the same unknown tool is told off at the second time, and ends the turn at the third', async () => {
    const { turn, bodies } = await ask(() => said({ content: null, tool_calls: [toolCall('{}', 'teleport')] }));
    assert.deepEqual([turn.status, turn.error?.type, bodies.length], ['failed', 'InvalidModelOutput', 3]);
    assert.match(resultsIn(bodies[2]).at(-1) ?? '', /There is no tool "teleport".*This is the same call/s);
  });

  it('[M09] an answer that was cut off goes on once, and is marked if it is cut off again', async () => {
    const whole = await ask((_request, call) =>
      call === 1 ? said({ content: 'The first half and ' }, 'length') : said({ content: 'the second.' }),
    );
    assert.equal(whole.turn.reply, 'The first half and the second.');
    const { turn } = await ask(() => said({ content: 'on and on ' }, 'length'));
    assert.equal(turn.status, 'completed');
    assert.match(turn.reply, /^on and on on and on\s+\[The answer is cut off here: the model reached the limit/);
    assert.match(
      (await ask(() => said({ content: 'I think' }, 'content_filter'))).turn.reply,
      /^I think\s+\[.*filter stopped it/,
    );
    assert.match((await ask(() => said({ content: null }, 'content_filter'))).turn.reply, /^\[.*filter stopped it/);
  });

  for (const [name, answer, advice] of someOf(
    [
      ['a wrong key', { status: 401, body: { error: { message: 'Incorrect API key' } } }, /Set the right key/],
      ['an error under status 200', { body: { error: { code: 402, message: 'Insufficient credits' } } }, /Add credit/],
      [
        'a quota of nothing',
        { status: 429, body: [{ error: { code: 429, message: 'Quota exceeded, limit: 0' } }] },
        /no quota/,
      ],
      [
        'a login page',
        { headers: { 'content-type': 'text/html' }, body: '<!DOCTYPE html><html>Log in</html>' },
        /Check OPENAI_BASE_URL/,
      ],
      [
        'a model that does not exist',
        { status: 404, body: { error: { message: 'The model `x` does not exist' } } },
        /COPILOT_MODEL/,
      ],
      [
        'a model too large for the machine',
        { status: 500, body: { error: { message: 'model requires more system memory' } } },
        /smaller model/,
      ],
    ] satisfies [string, ApiAnswer, RegExp][],
    2,
  )) {
    it(`[M10] ${name} ends the turn after one call, with advice`, async () => {
      const { turn, bodies } = await ask(() => answer);
      assert.deepEqual([turn.status, bodies.length], ['failed', 1], turn.error?.message);
      assert.match(turn.error?.message ?? '', advice);
    });
  }

  itInFull('[M10] a rate limit is waited for as long as its words say', async () => {
    const at: number[] = [];
    const { turn } = await ask((_request, call) => {
      at.push(Date.now());
      return call === 1
        ? { status: 429, body: { error: { message: 'Rate limit reached. Please try again in 2.5s.' } } }
        : said({ content: 'now' });
    });
    assert.equal(turn.reply, 'now');
    assert.ok((at[1] ?? 0) - (at[0] ?? 0) >= 2_500);
  });

  it('[M06] [M07] a plan in a fence is read, and one that never ends is cut, repaired once, and fails clearly', async () => {
    const plan = '{"steps":[{"agent":"writer","task":"Write it","notes":null,}]}';
    const read = await ask(
      ({ body }) =>
        body.response_format
          ? said({ content: `Here is the plan:\n\`\`\`json\n${plan}\n\`\`\`\nDone.` })
          : body.tools
            ? said({ content: null, tool_calls: [toolCall('{"status":"done","summary":"ok"}', 'report_step')] })
            : said({ content: 'written' }),
      { mode: 'planning-control' },
    );
    assert.deepEqual([read.turn.status, read.turn.steps.map(({ task }) => task)], ['completed', ['Write it']]);
    const endless = Array.from({ length: 3_000 }, (_, n) => ({
      choices: [{ delta: { content: n === 0 ? '{"steps": [' : `"Step number ${n}?", ` } }],
    }));
    const { turn, bodies } = await ask(() => ({ events: endless }), { mode: 'planning-control' });
    assert.deepEqual([turn.status, turn.error?.type, bodies.length], ['failed', 'InvalidModelOutput', 2]);
    assert.equal(turn.usage.modelCalls, 2);
    assert.match(
      turn.error?.message ?? '',
      /^The plan cannot be used: it said one thing over and over, and was cut off\./,
    );
  });

  it('[M12] the next model is asked when the first refuses; followers hear of it, and the next turn begins with the first', async () => {
    const given: Respond = ({ body }) =>
      body.model === 'away'
        ? { status: 404, body: { error: { message: 'model not found' } } }
        : said({ content: 'from main' });
    const { session, turn, bodies } = await ask(given, { team: 'falling' });
    assert.deepEqual([turn.reply, bodies.map(({ model }) => model)], ['from main', ['away', 'main']]);
    assert.match(
      (await session.info()).notes.at(-1)?.text ?? '',
      /fallen goes on with model main until the turn ends: .*model not found/,
    );
    const again = await ask(given, { session });
    assert.deepEqual(
      again.bodies.map(({ model }) => model),
      ['away', 'main'],
    );
    assert.deepEqual(Object.keys((await session.info()).usageByAgent), ['fallen/m-1']);
  });

  it('[M03] [M12] the next model takes over in the middle of tools, without what only the first can read', async () => {
    const refused = (message: string): ApiAnswer => ({ status: 400, body: { error: { message } } });
    const given: Respond = ({ body }) => {
      const isBegun = body.messages.at(-1).role === 'tool';
      if (body.model === 'away') {
        const thinking_blocks = [{ type: 'thinking', thinking: 'hm', signature: 'SIG' }];
        return isBegun
          ? refused('not today')
          : streamed({ thinking_blocks }, { tool_calls: [toolCall('{"expression":"19*23"}')] });
      }
      if (JSON.stringify(body.messages).includes('SIG')) return refused('Invalid `signature` in `thinking` block');
      return 'reasoning_effort' in body
        ? refused('Expected `thinking`, but found `tool_use`')
        : said({ content: '437' });
    };
    const { turn, bodies } = await ask(given, { team: 'falling' });
    assert.deepEqual(
      [turn.reply, bodies.map(({ model }) => model)],
      ['437', ['away', 'away', 'away', 'main', 'main', 'main']],
      turn.error?.message,
    );
    assert.deepEqual(resultsIn(bodies.at(-1)), ['437']);
  });

  itInFull('[M12] the next model is asked at once when the first asks to wait for hours', async () => {
    const given: Respond = ({ body }) =>
      body.model === 'away'
        ? { status: 429, headers: { 'retry-after': '7200' }, body: { error: { message: 'Usage limit reached' } } }
        : said({ content: 'from main' });
    const { turn, bodies } = await ask(given, { team: 'falling' });
    assert.deepEqual([turn.reply, bodies.map(({ model }) => model)], ['from main', ['away', 'main']]);
  });
});

describe('[M01] providers of copilot.config.ts', function () {
  this.timeout(120_000);

  itInFull('a planner on one server and workers on another are one team', async () => {
    const plan = { steps: [{ agent: 'engineer', task: 'Do it', notes: '', alongside: false }] };
    const cloud = await startApiServer(() => said({ content: JSON.stringify(plan) }));
    const local = await startApiServer(({ body }) =>
      body.tools
        ? said({ content: null, tool_calls: [toolCall('{"status":"done","summary":"done"}', 'report_step')] })
        : said({ content: 'all done' }),
    );
    const cwd = await mkdtemp(join(tmpdir(), 'copilot-config-'));
    const config = `import { defineConfig } from ${JSON.stringify(pathToFileURL(join(packageDir, 'src/config-file.ts')).href)};
export default defineConfig({ providers: { cloud: { baseUrl: '${cloud.url}/v1', apiKey: 'c' }, local: { baseUrl: '${local.url}/v1' } }, defaultProvider: 'local' });\n`;
    await writeFile(join(cwd, 'copilot.config.ts'), config);
    const team = {
      team: { model: 'small', planning: { agent: 'planner' } },
      agents: { planner: { model: 'cloud/large' } },
    };
    const world = await startWorldOf({ default: team }, { cwd });
    try {
      const session = await world.copilot.create({ mode: 'planning-control' });
      const turn = await session.send('Do it');
      assert.deepEqual([turn.status, turn.reply], ['completed', 'all done'], turn.error?.message);
      assert.deepEqual(
        cloud.requests.map(({ body, headers }) => [body.model, headers.authorization]),
        [['large', 'Bearer c']],
      );
      assert.deepEqual(new Set(local.requests.map(({ body }) => body.model)), new Set(['small']));
    } finally {
      await world.stop();
      await Promise.all([cloud.close(), local.close(), rm(cwd, { recursive: true })]);
    }
  });
});
