/** Servers that ask people while a call runs: what a person sees, what the server gets, and who is asked. */
import assert from 'node:assert/strict';
import { itInFull } from '../../helpers/full.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import type { McpServer } from '../../../src/contracts/team.ts';
import type { AskedForm, AskPerson } from '../../../src/tools/mcp/reading/elicitation.ts';
import { readElicitation } from '../../../src/tools/mcp/reading/elicitation.ts';
import { McpServers } from '../../../src/tools/mcp/servers.ts';
import { startHttpServer, stdioServer } from '../../helpers/mcp.ts';
import { recordingLog } from '../agents/files/team-folder.ts';

const ASK = 'everything.trigger-elicitation-request';

describe('tools: MCP servers that ask', function () {
  this.timeout(60_000);
  const opened: McpServers[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((servers) => servers.close()));
  });

  async function open(everything: McpServer = stdioServer('everything')) {
    const { log, lines } = recordingLog();
    const environment = { PATH: process.env['PATH'] ?? '' };
    const servers = await McpServers.open({ name: 'small', mcp: { everything } }, { environment, log });
    opened.push(servers);
    const call = async (name: string, ask?: AskPerson, signal = new AbortController().signal): Promise<string> =>
      (await servers.call(name, '{}', { idempotencyKey: 'k', signal, ...(ask ? { ask } : {}) })).text;
    return { call, openings: () => lines.filter(({ msg }) => msg === 'MCP server opened').length };
  }

  it('[E12] gives a form with all kinds of fields, and the answer to the server', async () => {
    const { call } = await open();
    const asked: AskedForm[] = [];
    const text = await call(ASK, (question) => {
      asked.push(question);
      return Promise.resolve({ action: 'accept', content: { name: 'Ada', integer: 7 } });
    });
    assert.match(text, /User provided the requested information[^]*- Name: Ada[^]*- Favorite Integer: 7/);
    const [{ question, form } = { question: '', form: undefined }] = asked;
    assert.equal(question, `${ASK} asks: Please provide inputs for the following fields:`);
    assert.deepEqual(
      form?.fields.map(({ name, type, required }) => `${name} ${type}${required ? ' required' : ''}`),
      [
        'name text required',
        'check yes-no',
        'firstLine text',
        'email text',
        'homepage text',
        'birthdate text',
        'integer number',
        'number number',
        'untitledSingleSelectEnum choice',
        'untitledMultipleSelectEnum choices',
        'titledSingleSelectEnum choice',
        'titledMultipleSelectEnum choices',
        'legacyTitledEnum choice',
      ],
    );
    const legacy = form?.fields.find(({ name }) => name === 'legacyTitledEnum');
    assert.deepEqual(legacy && 'options' in legacy && legacy.options[0], { value: 'pet-1', title: 'Cats' });
    assert.match(await call(ASK, () => Promise.resolve({ action: 'decline' })), /declined to provide/);
    assert.match(await call(ASK, () => Promise.resolve({ action: 'cancel' })), /cancelled the elicitation/);
    assert.match(await call(ASK), /cancelled the elicitation/, 'nobody is there');
  });

  it('[E12] the time of the call stands still while a person thinks', async () => {
    const { call } = await open(stdioServer('everything', { timeoutMs: 1_000 }));
    const slowly: AskPerson = async () => {
      await sleep(1_500);
      return { action: 'decline' };
    };
    assert.match(await call(ASK, slowly), /declined to provide/);
  });

  it('[E12] of two calls at once neither is asked for the other; from then on each has a connection of its own', async () => {
    const { call, openings } = await open();
    const asked: string[] = [];
    const person =
      (name: string): AskPerson =>
      async () => {
        asked.push(name);
        await sleep(300);
        return { action: 'accept', content: { name } };
      };
    const slow = call('everything.trigger-long-running-operation').catch(() => '');
    await assert.rejects(call(ASK, person('first')), /cannot tell which call asks\. Call the tool again/);
    assert.deepEqual(asked, []);
    const texts = await Promise.all(['Ada', 'Bob', 'Cyd'].map((name) => call(ASK, person(name))));
    for (const [index, name] of ['Ada', 'Bob', 'Cyd'].entries())
      assert.match(texts[index] ?? '', new RegExp(`- Name: ${name}\\n`));
    assert.deepEqual(asked.toSorted(), ['Ada', 'Bob', 'Cyd']);
    assert.ok(openings() >= 3, `${openings()} openings`);
    await slow;
  });

  itInFull('[E12] what a call asks that was given up reaches nobody', async () => {
    const { call } = await open();
    const stop = new AbortController();
    const asking = call(
      ASK,
      (_, signal) => {
        stop.abort(new Error('interrupted'));
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        );
      },
      stop.signal,
    );
    await assert.rejects(asking, /^Error: interrupted$/);
    assert.match(await call(ASK, () => Promise.resolve({ action: 'decline' })), /declined to provide/);
  });

  it('[E12] a page that a person has to open before a call is asked for, and the call is made again', async () => {
    const { log } = recordingLog();
    const environment = { PATH: process.env['PATH'] ?? '' };
    const mcp = { everything: stdioServer('everything') };
    const servers = await McpServers.open({ name: 'small', mcp }, { environment, log });
    opened.push(servers);
    const asked: AskedForm[] = [];
    const open = (errorPath: boolean, action: 'accept' | 'decline') =>
      servers.call(
        'everything.trigger-url-elicitation',
        JSON.stringify({ url: 'https://example.org/login', errorPath }),
        {
          idempotencyKey: 'k',
          signal: new AbortController().signal,
          ask: (question) => {
            asked.push(question);
            return Promise.resolve({ action });
          },
        },
      );
    await open(false, 'accept');
    assert.deepEqual(
      asked.splice(0).map(({ form }) => form.url),
      ['https://example.org/login'],
    );
    await assert.rejects(open(true, 'decline'), /it needs a page opened, and the answer was: decline/);
    assert.deepEqual(
      asked.splice(0).map(({ form }) => form.url),
      ['https://modelcontextprotocol.io'],
    );
    // It has told once, and goes on now.
    await open(true, 'accept');
    asked.length = 0;
    await open(true, 'accept');
    assert.deepEqual(
      asked.map(({ form }) => form.url),
      ['https://modelcontextprotocol.io', 'https://example.org/login'],
    );
  });

  it('[E12] asks over HTTP too', async () => {
    const web = await startHttpServer();
    try {
      const { call } = await open({ url: web.url });
      assert.match(
        await call(ASK, () => Promise.resolve({ action: 'accept', content: { name: 'Ada' } })),
        /- Name: Ada/,
      );
    } finally {
      await web.kill();
    }
  });

  it('[E12] a page is shown with its whole address, and only if it is one of the web', () => {
    const url = 'https://login.example.org/go?state=abc#here';
    const asked = readElicitation({ mode: 'url', message: 'Log in', url, elicitationId: 'e1' }, 'a.b');
    assert.deepEqual(asked, {
      question: 'a.b asks you to open a page of login.example.org: Log in',
      form: { from: 'a.b', fields: [], url },
    });
    for (const bad of ['javascript:alert(1)', 'file:///etc/passwd', 'not a url', undefined, null]) {
      assert.ok('problem' in readElicitation({ mode: 'url', message: 'x', url: bad }, 'a.b'), String(bad));
    }
  });

  it('[E12] odd forms are mended, and what people cannot fill is refused with the name of the field', () => {
    const odd = {
      message: null,
      requestedSchema: {
        type: 'object',
        properties: {
          a: { type: 'string', title: null, format: 'unheard-of', default: 5 },
          b: { type: 'number', minimum: 'x' },
          c: { enum: ['x', 'y'], default: null },
          d: { anyOf: [{ type: 'integer' }, { type: 'null' }], title: 'D' },
          e: { type: ['string', 'null'] },
          f: { title: 'F' },
        },
        required: null,
      },
    };
    const asked = readElicitation(odd, 'a.b');
    assert.deepEqual('form' in asked && asked.form.fields, [
      { name: 'a', required: false, type: 'text' },
      { name: 'b', required: false, type: 'number', isInteger: false },
      { name: 'c', required: false, type: 'choice', options: [{ value: 'x' }, { value: 'y' }] },
      { name: 'd', required: false, title: 'D', type: 'number', isInteger: true },
      { name: 'e', required: false, type: 'text' },
      { name: 'f', required: false, title: 'F', type: 'text' },
    ]);
    const nested = { message: 'x', requestedSchema: { properties: { deep: { type: 'object', properties: {} } } } };
    assert.deepEqual(readElicitation(nested, 'a.b'), {
      problem: 'the field "deep" is none that people can fill: text, number, yes or no, choice',
    });
  });
});
