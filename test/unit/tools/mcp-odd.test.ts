/** Servers that do not keep to the protocol: what can be used is used, and what a call returned is passed on. */
import assert from 'node:assert/strict';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { McpServer } from '../../../src/contracts/team.ts';
import { parseExact, rawNumber } from '../../../src/tools/exact-json.ts';
import { McpServers } from '../../../src/tools/mcp/servers.ts';
import { someOf } from '../../helpers/full.ts';
import { oddHttp, type OddHttpServer, oddProcess, type OddServer } from '../../helpers/odd-mcp.ts';
import { until } from '../../helpers/history.ts';
import { recordingLog } from '../agents/files/team-folder.ts';

const FORM = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] };
const MIB = 1024 * 1024;

/** Entries of a list of tools, and the schema that agents get; null for those that are left out. */
const TOOLS: Readonly<Record<string, readonly [entry: object, schema: unknown]>> = {
  'no type and anyOf at the top': [
    { inputSchema: { anyOf: [{ required: ['a'], properties: { a: { type: 'string' } } }, { required: ['b'] }] } },
    {
      type: 'object',
      properties: { a: { type: 'string' }, b: {} },
      description: 'Give one of these groups: a | b.',
    },
  ],
  'names of types in Python, and a property that is required only': [
    { inputSchema: { type: 'dict', properties: { a: { type: 'str' }, b: { type: 'INTEGER' } }, required: ['a', 'c'] } },
    {
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'integer' }, c: {} },
      required: ['a', 'c'],
    },
  ],
  'a pattern that is none': [
    { inputSchema: { type: 'object', properties: { a: { type: 'string', pattern: '[' } } } },
    { type: 'object', properties: { a: { type: 'string' } } },
  ],
  'thousands of choices': [
    {
      inputSchema: {
        type: 'object',
        properties: { a: { enum: Array.from({ length: 8_000 }, (_, n) => `code ${n}`), description: 'Which.' } },
      },
    },
    {
      type: 'object',
      properties: {
        a: { description: `Which. For example: ${Array.from({ length: 20 }, (_, n) => `code ${n}`).join(', ')}, …` },
      },
    },
  ],
  'oneOf at the top with references': [
    {
      inputSchema: {
        type: 'object',
        oneOf: [{ $ref: '#/$defs/x' }, { properties: { c: {} }, required: ['c', 'a'] }],
        $defs: { x: { properties: { a: { type: 'string' } }, required: ['a'] } },
      },
    },
    {
      type: 'object',
      $defs: { x: { properties: { a: { type: 'string' } }, required: ['a'] } },
      properties: { a: { type: 'string' }, c: {} },
      required: ['a'],
      description: 'Give one of these groups: a | c, a.',
    },
  ],
  'allOf at the top': [
    { inputSchema: { type: 'object', allOf: [FORM, { properties: { b: { type: 'number' } } }] } },
    { type: 'object', properties: { a: { type: 'string' }, b: { type: 'number' } }, required: ['a'] },
  ],
  'a reference at the top': [
    { inputSchema: { $ref: '#/definitions/F', definitions: { F: FORM } } },
    { ...FORM, definitions: { F: FORM } },
  ],
  'no inputSchema': [{}, { type: 'object', properties: {} }],
  'inputSchema null': [{ inputSchema: null }, { type: 'object', properties: {} }],
  'inputSchema a list': [{ inputSchema: [] }, null],
  'arguments that are a text': [{ inputSchema: { type: 'string' } }, null],
  'object or null': [{ inputSchema: { type: ['object', 'null'], properties: null } }, { type: 'object' }],
  'an output schema without type': [{ inputSchema: FORM, outputSchema: { properties: {} } }, FORM],
  'an output schema that is a text': [{ inputSchema: FORM, outputSchema: 'string' }, FORM],
  'null for all that is optional': [
    {
      inputSchema: FORM,
      description: null,
      title: null,
      annotations: null,
      outputSchema: null,
      execution: null,
      icons: null,
      _meta: null,
    },
    FORM,
  ],
  'keywords that mean nothing': [
    {
      inputSchema: {
        type: 'object',
        properties: {
          a: { type: 'text', required: true, enum: [], items: null },
          b: true,
          c: { type: 'array' },
          d: { $ref: 'https://x' },
        },
        required: 'a',
        anyOf: null,
      },
    },
    { type: 'object', properties: { a: {}, b: {}, c: { type: 'array', items: {} }, d: {} } },
  ],
};

/** Results as servers write them, and what the agent reads. */
const RESULTS: Readonly<Record<string, readonly [result: unknown, text: string]>> = {
  'a list as structured content': [{ content: [], structuredContent: [1, 2] }, '[\n  1,\n  2\n]'],
  'a number as structured content': [{ structuredContent: 42 }, '42'],
  'content as a text': [{ content: 'plain text' }, 'plain text'],
  'content as one block': [{ content: { type: 'text', text: 'one' } }, 'one'],
  'texts as blocks': [{ content: ['one', 'two'] }, 'one\n\ntwo'],
  'the wrapper of the first version': [{ toolResult: { content: [{ type: 'text', text: 'old' }] } }, 'old'],
  'any JSON in that wrapper': [{ toolResult: [1] }, '[\n  1\n]'],
  'a result that is a text': ['bare', 'bare'],
  'a result of its own fields': [{ answer: 42, _meta: null }, '{\n  "answer": 42\n}'],
  'an unknown kind of content': [
    {
      content: [
        { type: 'text', text: 'known' },
        { type: 'table', rows: [1] },
      ],
    },
    'known\n\n{\n  "type": "table",\n  "rows": [\n    1\n  ]\n}',
  ],
  'null for all that is optional': [
    {
      content: [{ type: 'text', text: 'here', annotations: null, _meta: null }, null],
      structuredContent: null,
      isError: null,
      _meta: null,
    },
    'here',
  ],
  'a link and a resource with null': [
    {
      content: [
        { type: 'resource_link', uri: 'file:///a', name: null, size: null },
        { type: 'resource', resource: { uri: 'file:///b', mimeType: null, text: 'whole' } },
        { type: 'resource', resource: null },
      ],
    },
    '[link to file:///a: file:///a]\n\n[resource file:///b, 5 bytes]\nwhole\n\n{\n  "type": "resource",\n  "resource": null\n}',
  ],
  'a list in the list': [{ content: [[{ type: 'text', text: 'fine' }]] }, 'fine'],
  'an image without a type': [
    { content: [{ type: 'image', data: 'iVBORw0KGgo=', mimeType: null }] },
    '[image, 8 bytes]',
  ],
  'null beside an error that is none': [
    { $message: { jsonrpc: '2.0', result: { content: 'fine' }, error: null } },
    'fine',
  ],
  'whole numbers of 64 bits': [
    { $message: { jsonrpc: '2.0', result: { structuredContent: { $raw: '1234567890123456789' } } } },
    '{\n  "$raw": "1234567890123456789"\n}',
  ],
  'JSON that is nested deeply': [
    { structuredContent: JSON.parse(`${'['.repeat(3_000)}${']'.repeat(3_000)}`) as unknown },
    `${'['.repeat(3_000)}${']'.repeat(3_000)}`,
  ],
  'no version': [{ $message: { result: { content: 'fine' } } }, 'fine'],
  nothing: [null, 'It gave no output.'],
};

const named = (name: string): string => name.replaceAll(' ', '_');

describe('tools: odd MCP servers', function () {
  this.timeout(60_000);
  const opened: { close(): Promise<void> }[] = [];
  let folder: string;
  let count = 0;

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'copilot-odd-')));
  });
  afterEach(async () => {
    for (const one of opened.splice(0).reverse()) await one.close();
  });
  after(() => rm(folder, { recursive: true }));

  async function open(mcp: Record<string, McpServer>) {
    const { log, lines } = recordingLog();
    const environment = { PATH: process.env['PATH'] ?? '' };
    let changes = 0;
    const servers = await McpServers.open({ name: 'small', mcp }, { environment, log, onTools: () => (changes += 1) });
    opened.push(servers);
    const context = { idempotencyKey: 'k', signal: new AbortController().signal };
    const call = (name: string) => servers.call(`odd.${name}`, '{}', context);
    return { servers, call, lines, changes: () => changes };
  }

  const links: Readonly<Record<string, (odd: OddServer) => Promise<McpServer>>> = {
    stdio: (odd) => oddProcess(join(folder, `${(count += 1)}.cjs`), odd),
    HTTP: (odd) => http(odd, 'json'),
    'HTTP with events': (odd) => http(odd, 'events'),
  };

  async function http(odd: OddServer, form: 'json' | 'events'): Promise<McpServer> {
    const started: OddHttpServer = await oddHttp(odd, form);
    opened.push(started);
    return started.server;
  }

  for (const [link, start] of someOf(Object.entries(links), 2)) {
    it(`[E11] over ${link}: odd tools are mended or left out by name, and the others stay`, async () => {
      const list = Object.entries(TOOLS).map(([name, [entry]]) => ({ name: named(name), ...entry }));
      const odd = await start({
        list: {
          tools: [
            ...list,
            { ...list[0], description: 'another' },
            null,
            'a text',
            { description: 'no name' },
            // As if a page came twice.
            ...list,
          ],
          nextCursor: null,
          _meta: null,
        },
        greeting: {
          protocolVersion: '2025-06-18',
          capabilities: { tools: null, logging: true },
          serverInfo: null,
          instructions: null,
        },
      });
      const { servers, lines } = await open({ odd });
      const schemas = new Map(servers.schemas('odd.*').map(({ name, parameters }) => [name, parameters]));
      for (const [name, [, schema]] of Object.entries(TOOLS)) {
        assert.deepEqual(schemas.get(`odd.${named(name)}`), schema ?? undefined, name);
      }
      const leftOut = lines
        .filter(({ msg }) => msg === 'MCP tool left out')
        .map(({ tool, problem }) => `${String(tool)}: ${String(problem)}`);
      assert.deepEqual(leftOut, [
        'inputSchema_a_list: its inputSchema is not a JSON object',
        'arguments_that_are_a_text: its inputSchema has the type string, and arguments are an object',
        'no_type_and_anyOf_at_the_top: it is listed twice; the first counts',
        `tool ${list.length + 2} of its list: it is not a JSON object`,
        `tool ${list.length + 3} of its list: it is not a JSON object`,
        `tool ${list.length + 4} of its list: it has no name`,
      ]);
      assert.deepEqual(servers.lacks(['odd.arguments_that_are_a_text', 'odd.nothing', 'other.*']), [
        {
          what: 'Tool odd.arguments_that_are_a_text is left out',
          problem: 'its inputSchema has the type string, and arguments are an object',
        },
      ]);
    });

    it(`[E11] over ${link}: what a call returned is passed on, whatever its form`, async () => {
      const results = Object.fromEntries(Object.entries(RESULTS).map(([name, [result]]) => [named(name), result]));
      const { call } = await open({ odd: await start({ list: [], results }) });
      for (const [name, [, text]] of Object.entries(RESULTS)) {
        assert.equal((await call(named(name))).text, text, name);
      }
    });

    it(`[E11] over ${link}: errors of any form are told, and the next call works`, async () => {
      const results = {
        text: { $message: { jsonrpc: '2.0', error: 'no such table' } },
        coded: { $message: { jsonrpc: '2.0', error: { code: 'E1', message: 'not today' }, result: null } },
        told: { isError: 'true', content: 'it broke' },
        fine: { content: 'fine' },
      };
      const { call } = await open({ odd: await start({ list: [], results }) });
      await assert.rejects(call('text'), { type: 'ToolFailed', message: /^odd\.text: .*no such table$/ });
      await assert.rejects(call('coded'), { type: 'ToolFailed', message: /^odd\.coded: .*not today$/ });
      await assert.rejects(call('told'), { type: 'ToolFailed', message: 'odd.told: it broke' });
      assert.equal((await call('fine')).text, 'fine');
    });

    it(`[E11] over ${link}: 30 MB are read, and past the limit the call says so`, async () => {
      const results = {
        small: { $repeat: 3 * MIB },
        large: { $repeat: 30 * MIB },
        larger: { $repeat: 33 * MIB },
        fine: { content: 'fine' },
      };
      const { call } = await open({ odd: await start({ list: [], results }) });
      const seconds = async (name: 'small' | 'large'): Promise<number> => {
        const startedAt = process.cpuUsage();
        assert.equal((await call(name)).text.length, results[name].$repeat);
        const { user, system } = process.cpuUsage(startedAt);
        return (user + system) / 1e6;
      };
      await seconds('small');
      const [small, large] = [await seconds('small'), await seconds('large')];
      // Ten times the text takes ten times the time. A hundred times, if the whole is read again with each part.
      assert.ok(large < 30 * Math.max(small, 0.15), `${small} s, then ${large} s of processor time`);
      await assert.rejects(call('larger'), {
        type: 'ToolFailed',
        message:
          /^odd\.larger: .*its answer has 3[34] MiB, and the limit is 32 MiB\. The call was made, and its answer is lost; ask for less at once$/,
      });
      assert.equal((await call('fine')).text, 'fine');
    });
  }

  it('[E11] arguments keep the digits that the model wrote', () => {
    for (const text of [
      '{"id":1234567890123456789,"n":[12345678901234567890,-9007199254740993],"x":0.1,"t":"1234567890123456789"}',
    ])
      assert.equal(JSON.stringify(parseExact(text, rawNumber)), text);
    assert.throws(() => parseExact('{"id": 12345678901234567890', rawNumber), SyntaxError);
  });

  it('[E11] bytes that no model looks at become files, named by what the server says of them', async () => {
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    const content = [
      { type: 'audio', data: base64('sound'), mimeType: 'audio/wav' },
      { type: 'image', data: base64('<svg/>'), mimeType: 'image/svg+xml' },
      { type: 'image', data: `data:image/png;base64,${base64('\x89PNG')}`, mimeType: null },
      {
        type: 'resource',
        resource: { uri: 'file:///a/b/../report 7.pdf?x=1', blob: base64('%PDF'), mimeType: 'application/pdf' },
      },
      { type: 'resource', resource: { blob: base64('data'), uri: null } },
    ];
    const odd = await oddProcess(join(folder, `${(count += 1)}.cjs`), { list: [], results: { all: { content } } });
    const { servers } = await open({ odd });
    const context = { idempotencyKey: 'k', signal: new AbortController().signal };
    const { text, images, files } = await servers.call('odd.all', '{}', context);
    assert.match(text, /^\[audio, audio\/wav, 5 bytes\]\n\n\[image, image\/svg\+xml, 6 bytes\]/);
    assert.equal(images.length, 0);
    assert.deepEqual(
      files.map(({ name, bytes }) => `${name} ${bytes.length}`),
      ['audio.wav 5', 'image.svg 6', 'image.bin 5', 'report_7.pdf 4', 'resource.bin 4'],
    );
  });

  it('[E11] a server that the team can do without is opened when it starts', async () => {
    const marker = join(folder, 'started.cjs');
    const good = await oddProcess(join(folder, 'good.cjs'), { list: [{ name: 'a' }] });
    const late = { command: process.execPath, args: [marker], required: false };
    const { servers, lines, changes } = await open({ odd: good, late });
    assert.deepEqual(
      servers.schemas('odd.*').map(({ name }) => name),
      ['odd.a'],
    );
    assert.deepEqual(servers.schemas('late.*'), []);
    const [lack] = servers.lacks(['late.*']);
    assert.equal(lack?.what, 'MCP server "late" is not available');
    assert.match(lack?.problem ?? '', /Cannot find module/);
    assert.equal(lines.filter(({ msg }) => msg === 'MCP server not available; the team works without it').length, 1);
    const before = changes();
    await oddProcess(marker, { list: [{ name: 'b' }] });
    await until('the server', async () => servers.schemas('late.*').length === 1);
    await until('the news', async () => changes() > before && servers.lacks(['late.*']).length === 0);
  });

  it('[E11] a server that hangs delays a team that can do without it by a few seconds only', async () => {
    const hangs = { command: process.execPath, args: ['-e', 'setInterval(() => 0, 1e6)'], required: false };
    const good = await oddProcess(join(folder, 'beside.cjs'), { list: [{ name: 'a' }] });
    const startedAt = performance.now();
    const { servers } = await open({ odd: good, hangs });
    // By itself the start of the server takes 30 s.
    assert.ok(performance.now() - startedAt < 20_000);
    assert.equal(servers.schemas('odd.*').length, 1);
    assert.equal(servers.lacks(['hangs.*'])[0]?.problem, 'it did not start in 5000 ms, and may still do');
  });

  it('[E11] a server that the team needs, and that does not start, fails the team', async () => {
    const absent = { command: 'no-such-program-anywhere' };
    await assert.rejects(open({ absent }), { type: 'McpUnavailable' });
  });
});
