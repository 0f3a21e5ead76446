/** Odd servers, missing servers and refused tools: the team works without them, and people are told by name. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runCli } from '../helpers/cli.ts';
import { collect, isTurnEnd } from '../helpers/client.ts';
import { until } from '../helpers/history.ts';
import { stdioServer } from '../helpers/mcp.ts';
import { oddProcess } from '../helpers/odd-mcp.ts';
import { startWorldOf, type TeamChanges, writeTeam } from '../helpers/own-team.ts';
import { temporaryFolder } from '../helpers/server.ts';
import { teamResponder } from '../helpers/team-script.ts';
import { replyByName } from '../helpers/tool-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { itInFull } from '../helpers/full.ts';
import type { World } from '../helpers/world.ts';

describe('odd MCP servers of a team', function () {
  this.timeout(180_000);
  let world: World;
  let folder: string;
  let late: string;
  let team: TeamChanges;

  before(async () => {
    folder = await temporaryFolder();
    late = join(folder, 'late.cjs');
    const odd = await oddProcess(join(folder, 'odd.cjs'), {
      list: {
        tools: [
          { name: 'anyof', inputSchema: { anyOf: [{ required: ['a'] }, { required: ['b'] }] }, description: null },
          { name: 'text', inputSchema: { type: 'string' } },
          { name: 'refused', inputSchema: { type: 'object', properties: { x: { type: 'string', format: 'odd' } } } },
          { name: 'plain' },
          { name: 'report' },
        ],
        nextCursor: null,
      },
      results: {
        anyof: { structuredContent: [1, 2], content: null },
        plain: { toolResult: { content: 'from the wrapper' } },
        report: {
          content: [
            {
              type: 'resource',
              resource: { uri: 'file:///report.pdf', blob: Buffer.from('%PDF-').toString('base64') },
            },
          ],
        },
      },
    });
    team = {
      team: {
        answering: { agent: 'engineer' },
        mcp: {
          odd,
          everything: stdioServer('everything', { effects: 'none' }),
          late: { command: process.execPath, args: [late], required: false },
        },
      },
      agents: { engineer: { tools: ['odd.*', 'everything.*', 'late.*'] } },
    };
    world = await startWorldOf({ default: team });
    const respond = teamResponder({ instead: replyByName });
    world.model.respond((request) => {
      const isRefused = request.tools?.some((tool) => tool.function.name === 'odd__refused');
      const message = "Invalid schema for function 'odd__refused': 'odd' is not a valid format.";
      return isRefused ? { status: 400, error: { message, code: 'invalid_function_parameters' } } : respond(request);
    });
  });
  after(async () => {
    await world?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('[E11] the rest works, the results are passed on, and notes name what is left out', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    const turn = await session.send('use odd.anyof with {"a": 1}');
    assert.equal(turn.reply, 'odd.anyof gave: [\n  1,\n  2\n]');
    assert.equal((await session.send('use odd.plain with {}')).reply, 'odd.plain gave: from the wrapper');
    const { notes } = await session.info();
    const texts = notes.map(({ text }) => text);
    assert.deepEqual(texts.slice(1), [
      'Tool odd.text is left out: its inputSchema has the type string, and arguments are an object.',
      'Tool odd.refused is left out: the server of model scripted refuses it.',
    ]);
    assert.match(texts[0] ?? '', /^MCP server "late" is not available: .*Cannot find module/);
    const [asked] = world.model.requests.slice(-1);
    assert.match(
      JSON.stringify(asked?.body.messages[0]),
      /MCP server \\"late\\" is not available\.\\nTool odd\.text is left out\./,
    );
  });

  it('[E12] images reach the model, other bytes the workspace, and progress the followers', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    const { reply, artifacts } = await session.send('use odd.report with {}');
    assert.match(
      reply,
      /\[resource file:\/\/\/report\.pdf, 5 bytes\]\n\[File: tool-output\/[0-9a-f]{16}-report\.pdf, 5 bytes\.\]$/,
    );
    assert.match(artifacts[0] ?? '', /^tool-output\/[0-9a-f]{16}-report\.pdf$/);
    await session.send('use everything.get-tiny-image with {}');
    assert.match(JSON.stringify(world.model.requests.at(-1)?.body), /"url":"data:image\/png;base64,iVBOR/);

    const from = await session.position();
    const events = collect(session, isTurnEnd, from);
    await session.send('use everything.trigger-long-running-operation with {"duration": 6, "steps": 3}');
    const reports = (await events).flatMap((event) => (event.type === 'tool-progress' ? [event] : []));
    assert.ok(reports.length > 0, 'a report');
    assert.deepEqual(
      reports.map(({ tool, total }) => [tool, total]),
      reports.map(() => ['everything.trigger-long-running-operation', 3]),
    );
  });

  itInFull('[E11] doctor says so', async () => {
    const agentsDir = join(folder, 'agents');
    await writeTeam(agentsDir, 'default', team);
    const { stdout } = await runCli(
      ['doctor', '--json'],
      programEnvironment(world.server, { COPILOT_AGENTS_DIR: agentsDir }),
    );
    const checks = JSON.parse(stdout) as { check: string; status: string; detail: string }[];
    const about = (name: string) => checks.find(({ check }) => check === name);
    assert.deepEqual(
      [about('mcp tools default/odd')?.status, about('mcp tools default/odd')?.detail],
      ['warning', '4 tools; left out: text (its inputSchema has the type string, and arguments are an object)'],
    );
    assert.equal(about('mcp tools default/late')?.status, 'warning');
  });

  itInFull('[E11] a server that was missing is there when it starts', async () => {
    await oddProcess(late, { list: [{ name: 'hello' }], results: { hello: { content: 'at last' } } });
    const session = await world.copilot.create({ mode: 'one-shot' });
    await until(
      'the server',
      async () => {
        const { reply } = await session.send('use late.hello with {}');
        return reply === 'late.hello gave: at last';
      },
      90_000,
    );
  });
});
