/** MCP servers of a team, with the official reference servers as real processes. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CopilotError } from '../../../src/contracts/errors.ts';
import type { McpServer } from '../../../src/contracts/team.ts';
import { McpServers } from '../../../src/tools/mcp/servers.ts';
import { isRunning, processesWith, serverScript, startHttpServer, stdioServer } from '../../helpers/mcp.ts';
import { oddHttp } from '../../helpers/odd-mcp.ts';
import { OutcomeUnknown } from '../../../src/tools/outcome-unknown.ts';
import { until } from '../../helpers/history.ts';
import { killProcess } from '../../helpers/server.ts';
import { recordingLog } from '../agents/files/team-folder.ts';

const ENVIRONMENT = { PATH: process.env['PATH'] ?? '', OPENAI_API_KEY: 'sk-secret', TOKEN: 'for-you' };

/** A server that does what no reference server does: dies over a call, starts others, says odd things. */
const ODD_SERVER = `
import { spawn } from 'node:child_process';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { appendFileSync } from 'node:fs';
console.log('this line is no message');
const grandchild = spawn('sleep', ['600'], { stdio: 'inherit', detached: true });
const server = new Server({ name: 'odd', version: '1' }, { capabilities: { tools: { listChanged: true } } });
let names = ['die', 'odd name/1', 'grow', 'pid'];
const schema = { type: 'object', $schema: 'x' };
server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
  const at = Number(params?.cursor ?? 0);
  return {
    tools: names.slice(at, at + 2).map((name) => ({ name, description: 'x'.repeat(2000), inputSchema: schema })),
    ...(at + 2 < names.length ? { nextCursor: String(at + 2) } : {}),
  };
});
server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
  appendFileSync(process.argv[2], params.name + ' ' + params._meta['durable-copilot/idempotency-key'] + '\\n');
  if (params.name === 'die') process.exit(3);
  if (params.name === 'grow') {
    names = [...names, 'grown'];
    await server.sendToolListChanged();
  }
  return { content: [{ type: 'text', text: params.name === 'pid' ? String(grandchild.pid) : 'ok' }] };
});
await server.connect(new StdioServerTransport());
`;

describe('tools: MCP servers', function () {
  this.timeout(60_000);
  const opened: McpServers[] = [];
  let folder: string;
  /** Of the odd server. */
  let script: string;

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'copilot-mcp-')));
    script = join(folder, 'odd.mjs');
    await writeFile(script, ODD_SERVER.replaceAll("'@modelcontextprotocol/sdk/", `'${sdkFolder()}/`));
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((servers) => servers.close()));
  });
  after(() => rm(folder, { recursive: true }));

  async function open(mcp: Record<string, McpServer>, onTools = () => undefined as void) {
    const { log, lines } = recordingLog();
    const servers = await McpServers.open({ name: 'small', mcp }, { environment: ENVIRONMENT, log, onTools });
    opened.push(servers);
    const call = async (name: string, args: unknown = {}, signal = new AbortController().signal): Promise<string> => {
      const context = { idempotencyKey: 'ses_1/turn-1/call', signal };
      return (await servers.call(name, JSON.stringify(args), context)).text;
    };
    const openings = () => lines.filter(({ msg }) => msg === 'MCP server opened');
    return { servers, call, openings };
  }

  it('lists tools as server.tool, one by one or all, and gives their results as text', async () => {
    const { servers, call, openings } = await open({
      everything: stdioServer('everything'),
      files: stdioServer('filesystem', { args: [folder] }),
      memory: stdioServer('memory', { env: { MEMORY_FILE_PATH: join(folder, 'memory.json') } }),
    });
    assert.deepEqual(servers.schemas('everything.echo'), [
      {
        name: 'everything.echo',
        description: 'Echoes back the input string',
        parameters: {
          type: 'object',
          properties: { message: { type: 'string', description: 'Message to echo' } },
          required: ['message'],
        },
      },
    ]);
    const all = servers.schemas('memory.*').map(({ name }) => name);
    assert.ok(all.includes('memory.create_entities') && all.includes('memory.read_graph'), all.join());
    assert.deepEqual(servers.schemas('everything.ehco'), []);
    assert.equal(servers.near('everything.ehco'), 'everything.echo');
    assert.deepEqual(servers.schemas('nobody.*'), []);
    assert.equal(servers.schemas('everything.simulate-research-query').length, 0, 'it runs as a task only');

    assert.equal(await call('everything.echo', { message: 'hi' }), 'Echo: hi');
    assert.equal(await call('everything.get-sum', { a: 2, b: 40 }), 'The sum of 2 and 40 is 42.');
    await writeFile(join(folder, 'a.txt'), 'from a file');
    assert.equal(await call('files.read_text_file', { path: join(folder, 'a.txt') }), 'from a file');
    const entity = { name: 'Ada', entityType: 'cat', observations: ['sleeps'] };
    await call('memory.create_entities', { entities: [entity] });
    assert.deepEqual(JSON.parse(await call('memory.read_graph')), { entities: [entity], relations: [] });
    assert.equal(openings().length, 3);
  });

  it('names images, links and resources with type and size, and gives structured content once', async () => {
    const { call } = await open({ everything: stdioServer('everything') });
    assert.match(await call('everything.get-tiny-image'), /\[image, image\/png, \d{3,} bytes\]/);
    assert.match(await call('everything.get-resource-links', { count: 1 }), /\[link to .+: demo:\/\/.+, text\/plain/);
    assert.match(
      await call('everything.get-resource-reference', { resourceType: 'Text', resourceId: 1 }),
      /\[resource demo:\/\/\S+, text\/plain, \d+ bytes\]\nResource 1/,
    );
    assert.match(
      await call('everything.get-resource-reference', { resourceType: 'Blob', resourceId: 1 }),
      /\[resource demo:\/\/\S+, text\/plain, \d+ bytes\](?!\n\w{20})/,
    );
    const weather: unknown = JSON.parse(await call('everything.get-structured-content', { location: 'New York' }));
    assert.equal((weather as { conditions: string }).conditions, 'Cloudy');
  });

  it('[E11] resources are a tool: it lists them, and reads what a link names', async () => {
    const { servers, call } = await open({ everything: stdioServer('everything') });
    assert.ok(servers.schemas('everything.*').some(({ name }) => name === 'everything.read_resource'));
    const listed = JSON.parse(await call('everything.read_resource')) as { resources: { uri: string }[] };
    const [{ uri } = { uri: '' }] = listed.resources;
    assert.ok((await call('everything.read_resource', { uri })).startsWith(`[resource ${uri}`));
    const [, link = ''] = /(demo:\S+?)[,\]]/.exec(await call('everything.get-resource-links', { count: 1 })) ?? [];
    assert.match(await call('everything.read_resource', { uri: link }), /Resource 1|resource/);
    await assert.rejects(call('everything.read_resource', { uri: 'demo://nowhere' }), { type: 'ToolFailed' });
  });

  it("gives a process a few harmless variables and those declared, and nothing of the program's", async () => {
    const { call } = await open({
      everything: stdioServer('everything', { env: { GIVEN: 'a ${TOKEN} b', PLAIN: '$TOKEN {TOKEN}' } }),
    });
    const env = JSON.parse(await call('everything.get-env')) as Record<string, string>;
    const { COPILOT_MCP_INSTANCE: mark, ...rest } = env;
    assert.match(mark ?? '', /^[0-9a-f-]{36}$/);
    assert.deepEqual(rest, { PATH: ENVIRONMENT.PATH, GIVEN: 'a for-you b', PLAIN: '$TOKEN {TOKEN}' });
  });

  it('does not open without a variable that it needs: the error names team, server and variable', async () => {
    const env = { KEY: 'Bearer ${MISSING_TOKEN}' };
    await assert.rejects(open({ everything: stdioServer('everything', { env }) }), {
      type: 'McpNotConfigured',
      message:
        'MCP server "everything" of team small cannot be opened by this worker: env.KEY needs the environment variable MISSING_TOKEN, which is not set; set it and restart the worker.',
    });
    await assert.rejects(open({ web: { url: 'http://127.0.0.1:9/mcp', headers: { authorization: '${toString}' } } }), {
      message: /headers\.authorization needs the environment variable toString/,
    });
    const twoLines = { url: 'http://127.0.0.1:9/mcp', headers: { authorization: 'a\nfor-${TOKEN}' } };
    await assert.rejects(open({ web: twoLines }), (error: Error) => {
      assert.match(error.message, /headers\.authorization contains a line break/);
      assert.doesNotMatch(error.message, /for-you/);
      return true;
    });
  });

  it('leaves nothing behind where one of several servers does not open, and says what that one said', async () => {
    const mark = join(folder, 'only-here');
    const broken = { command: process.execPath, args: ['-e', 'console.error("no such database"); process.exit(1)'] };
    const error = await open({ good: stdioServer('filesystem', { args: [folder, mark] }), broken }).then(
      () => assert.fail('it opened'),
      (caught: CopilotError) => caught,
    );
    assert.deepEqual([error.type, error.retryable], ['McpUnavailable', true]);
    assert.match(
      error.message,
      /^MCP server "broken" of team small does not start: .+ \(no such database\)\. Mend it on the worker/,
    );
    assert.deepEqual(processesWith(mark), []);
    await assert.rejects(open({ absent: { command: 'no-such-program-anywhere' } }), /does not start: spawn .+ ENOENT/);
    const silent = { command: process.execPath, args: ['-e', 'setInterval(() => 0, 1e6)', mark], startTimeoutMs: 300 };
    await assert.rejects(open({ silent }), /does not start: it did not start in 300 ms/);
    assert.deepEqual(processesWith(mark), []);
  });

  it('a killed server is started again by the next call, once for all who wait', async () => {
    const { servers, call, openings } = await open({ everything: stdioServer('everything') });
    const first = servers.pids['everything'] ?? 0;
    await killProcess(first);
    await until('the loss is noticed', async () => servers.pids['everything'] === undefined);
    const said = await Promise.all([1, 2, 3].map((n) => call('everything.echo', { message: `${n}` })));
    assert.deepEqual(said, ['Echo: 1', 'Echo: 2', 'Echo: 3']);
    assert.equal(openings().length, 2);
    assert.notEqual(servers.pids['everything'], first);
  });

  it('a call that its server dies over is not repeated where it may have had an effect, and is where it has none', async () => {
    const log = join(folder, 'external.txt');
    const odd = { command: process.execPath, args: [script, log] };
    const { call } = await open({ odd });
    await assert.rejects(call('odd.die'), {
      type: 'ToolFailed',
      message: /^odd\.die: its MCP server died during the call, so whether .+ is unknown/,
    });
    assert.deepEqual(await lines(log), ['die ses_1/turn-1/call']);
    assert.equal(await call('odd.odd name/1'), 'ok');

    const freely = join(folder, 'none.txt');
    const second = await open({ odd: { ...odd, args: [script, freely], effects: 'none' } });
    await assert.rejects(second.call('odd.die'), /died during the call/);
    assert.equal((await lines(freely)).length, 2);
  });

  it('a call whose answer a gateway has lost is not repeated where it may have had an effect, and what the server refuses is told', async () => {
    const statuses = [502, 503, 504, 520, 524, 500];
    const tools = statuses.map((status) => ({ name: `s${status}`, inputSchema: { type: 'object' } }));
    const results = Object.fromEntries(statuses.map((status) => [`s${status}`, { $status: status }]));
    const http = await oddHttp({ list: tools, results }, 'json');
    const { call } = await open({ odd: http.server });
    const said = [];
    for (const status of statuses) {
      const error = await call(`odd.s${status}`).catch((thrown: unknown) => thrown);
      said.push(error instanceof OutcomeUnknown ? error.problem : status);
    }
    await http.close();
    const lost = (status: number): string => `the gateway of its MCP server answered ${status}`;
    assert.deepEqual(said, [lost(502), 503, lost(504), lost(520), lost(524), 500]);
  });

  it('follows a server that lists other tools, over all pages, with descriptions that the model API takes', async () => {
    let changes = 0;
    const odd = { command: process.execPath, args: [script, join(folder, 'grow.txt')] };
    const { servers, call } = await open({ odd }, () => void (changes += 1));
    const names = () => servers.schemas('odd.*').map(({ name }) => name);
    assert.deepEqual(names(), ['odd.die', 'odd.odd name/1', 'odd.grow', 'odd.pid']);
    assert.deepEqual(servers.schemas('odd.die')[0]?.parameters, { type: 'object' });
    assert.equal(servers.schemas('odd.die')[0]?.description.length, 1_024);
    const before = changes;
    await call('odd.grow');
    await until('the new list', async () => names().includes('odd.grown'));
    assert.equal(changes, before + 1);
  });

  it('close ends a server and what it started, also what has a session of its own', async () => {
    const odd = { command: process.execPath, args: [script, join(folder, 'tree.txt')] };
    const { servers, call } = await open({ odd });
    const grandchild = Number(await call('odd.pid'));
    const child = servers.pids['odd'] ?? 0;
    assert.ok(isRunning(child) && isRunning(grandchild));
    await Promise.all([servers.close(), servers.close()]);
    assert.deepEqual([isRunning(child), isRunning(grandchild)], [false, false]);
    await assert.rejects(call('odd.pid'), /it was closed/);
  });

  it('tells the agent about unknown tools, wrong arguments and errors of a tool', async () => {
    const { servers, call } = await open({ everything: stdioServer('everything') });
    const fails = (work: Promise<unknown>, message: RegExp) => assert.rejects(work, { type: 'ToolFailed', message });
    await fails(call('everything.ehco'), /^everything\.ehco: .*ehco not found/);
    await fails(call('everything.get-sum', { a: 'one' }), /^everything\.get-sum: .*[Ii]nvalid arguments/);
    await fails(call('nobody.echo'), /team small has no such MCP server/);
    const context = { idempotencyKey: 'k', signal: new AbortController().signal };
    await fails(servers.call('everything.echo', '["hi"]', context), /not one JSON object \(it is not an object\)/);
    await fails(servers.call('everything.echo', '{"mess', context), /not one JSON object/);
    assert.match((await servers.call('everything.get-tiny-image', ' ', context)).text, /image\/png/);
  });

  it('gives up a call in time or when it is stopped, and the server goes on with others', async () => {
    const slow = 'everything.trigger-long-running-operation';
    const { call, openings } = await open({ everything: stdioServer('everything', { timeoutMs: 2_000 }) });
    await assert.rejects(call(slow, { duration: 30, steps: 300 }), {
      type: 'ToolFailed',
      message: `${slow}: it did not answer in 2000 ms, so whether it took effect is unknown`,
    });
    const stop = new AbortController();
    const stopped = call(slow, { duration: 30, steps: 1 }, stop.signal);
    setTimeout(() => stop.abort(new Error('interrupted')), 100);
    // Otherwise it would end with its time.
    await assert.rejects(stopped, /^Error: interrupted$/);
    await assert.rejects(call('everything.echo', { message: 'x' }, stop.signal), /interrupted/);
    assert.equal(await call('everything.echo', { message: 'still here' }), 'Echo: still here');
    assert.equal(openings().length, 1);
  });

  it('speaks streamable HTTP, opens anew where the server was restarted, and says goodbye', async () => {
    const first = await startHttpServer();
    const { servers, call, openings } = await open({ web: { url: first.url } });
    assert.equal(await call('web.echo', { message: 'hi' }), 'Echo: hi');
    assert.deepEqual(servers.pids, {});
    const calls = () => first.log().match(/MCP POST request/g)?.length ?? 0;
    const before = calls();
    const slow = call('web.trigger-long-running-operation', { duration: 30, steps: 1 });
    const lost = assert.rejects(slow, { type: 'ToolFailed', message: /died during the call/ });
    await until('the call', async () => calls() > before);
    await first.kill();
    await lost;
    await assert.rejects(call('web.echo', { message: 'nobody there' }), {
      type: 'ToolFailed',
      message: /^web\.echo: MCP server "web" of team small does not start: connect ECONNREFUSED/,
    });

    const second = await startHttpServer(first.port);
    assert.equal(await call('web.echo', { message: 'again' }), 'Echo: again');
    assert.equal(openings().length, 2);
    await second.kill();
    const third = await startHttpServer(first.port);
    // It does not know our session, and nobody has noticed yet.
    assert.equal(await call('web.echo', { message: 'third' }), 'Echo: third');
    await servers.close();
    await until('the end of the session', async () => third.log().includes('termination request'));
    await third.kill();
  });

  it('sends declared headers filled in, and leaves no socket open', async () => {
    const seen: unknown[] = [];
    const sockets = new Set<unknown>();
    const web = createServer((request, response) => {
      seen.push(request.headers['authorization']);
      response.writeHead(401).end('{"error":"who are you?"}');
    }).on('connection', (socket) => sockets.add(socket.on('close', () => sockets.delete(socket))));
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const { port } = web.address() as AddressInfo; // listening on TCP
    const server = { url: `http://127.0.0.1:${port}/mcp`, headers: { Authorization: 'Bearer ${TOKEN}' } };
    await assert.rejects(open({ web: server }), (error: Error) => {
      assert.match(error.message, /does not start: .*who are you\?/);
      assert.doesNotMatch(error.message, /for-you/);
      return true;
    });
    assert.deepEqual(seen, ['Bearer for-you']);
    await until('closed sockets', async () => sockets.size === 0);
    web.close();
  });

  for (const [how, end] of [
    ['exits without closing them', 'process.exit(0)'],
    ['is killed', "process.kill(process.pid, 'SIGKILL')"],
  ] as const) {
    it(`a program that ${how} leaves no server running`, async () => {
      const mark = join(folder, `left-by-${how.length}`);
      const url = (path: string) => new URL(`../../../src/${path}`, import.meta.url).href;
      const program = join(folder, `${how.length}.mts`);
      const mcp = { files: { command: process.execPath, args: [serverScript('filesystem'), folder, mark] } };
      await writeFile(
        program,
        `import { McpServers } from '${url('tools/mcp/servers.ts')}';
        import { createLogger } from '${url('worker/logging.ts')}';
        const servers = await McpServers.open({ name: 'small', mcp: ${JSON.stringify(mcp)} },
          { environment: {}, log: createLogger({ logLevel: 'silent' }) });
        process.stdout.write(servers.pids.files + '\\n', () => ${end});`,
      );
      const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
      await once(child, 'close');
      assert.match(said, /^\d+\n$/);
      await until('the end of the server', async () => !isRunning(Number(said)));
      assert.deepEqual(processesWith(mark), []);
    });
  }
});

async function lines(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8')).trim().split('\n');
}

function sdkFolder(): string {
  return new URL('../../../node_modules/@modelcontextprotocol/sdk/dist/esm', import.meta.url).pathname;
}
