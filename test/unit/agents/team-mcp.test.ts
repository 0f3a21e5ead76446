import assert from 'node:assert/strict';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makePrivateAgent } from '../../../src/agents/cache/private-agent.ts';
import { openTeam, type TeamOptions } from '../../../src/agents/team.ts';
import { processesWith, stdioServer } from '../../helpers/mcp.ts';
import { FILES, idleModels, recordingLog, removeFolders, smallTeam, TEAM } from './files/team-folder.ts';
import { builtInTools } from '../../../src/tools/registry.ts';

describe('agents: an open team with MCP servers', function () {
  this.timeout(90_000);
  let folder: string;

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'copilot-team-mcp-')));
  });
  after(async () => {
    await removeFolders();
    await rm(folder, { recursive: true });
  });

  async function open(
    tools: string,
    openModels = () => idleModels(),
    trust: Pick<TeamOptions, 'checkTrust'> = { checkTrust: () => Promise.resolve() },
  ) {
    const mcp = { files: stdioServer('filesystem', { args: [folder] }) };
    const writer = (FILES['writer.yaml'] ?? '').replace(/tools: .*/, `tools: [${tools}]`);
    const resolved = await smallTeam({ 'team.yaml': `${TEAM}mcp: ${JSON.stringify(mcp)}\n`, 'writer.yaml': writer });
    const { log, lines } = recordingLog();
    const environment = { PATH: process.env['PATH'] ?? '' };
    return {
      team: await openTeam(resolved, {
        instanceId: 'small@x/1',
        tools: builtInTools,
        openModels,
        environment,
        log,
        ...trust,
      }),
      lines,
    };
  }

  it('offers each agent the tools of its list, each once, and says which ones no server has', async () => {
    const { team, lines } = await open('write_file, files.write_file, files.*, files.raed_text_file');
    try {
      const names = team.agent('writer').toolSchemas.map(({ name }) => name);
      assert.deepEqual(names.slice(0, 2), ['write_file', 'files.write_file']);
      assert.ok(names.includes('files.read_text_file'), names.join());
      assert.equal(new Set(names).size, names.length);
      assert.deepEqual(team.agent('router').toolSchemas, []);
      const own = makePrivateAgent(team, 'ses_1', 'writer', { temperature: 1 }).agent;
      assert.equal(own.toolSchemas, team.agent('writer').toolSchemas);
      const context = { idempotencyKey: 'k', signal: new AbortController().signal };
      const { text } = await team.callMcp('files.list_allowed_directories', '{}', context);
      assert.ok(text.includes(folder), text);
      const warnings = lines.filter(({ msg }) => msg === 'MCP server lists no such tool');
      assert.deepEqual(
        warnings.map(({ agent, tool, near }) => ({ agent, tool, near })),
        [{ agent: 'writer', tool: 'files.raed_text_file', near: 'files.read_text_file' }],
      );
    } finally {
      await team.close();
    }
    assert.deepEqual(processesWith(folder), []);
  });

  it('starts no server where nobody says that it may', async () => {
    await assert.rejects(
      open('files.*', () => assert.fail('the model was opened'), {}),
      { type: 'McpNotTrusted', details: { team: 'small', server: 'files', problem: 'it opens none' } },
    );
    assert.deepEqual(processesWith(folder), []);
  });

  it('leaves no server running where its model does not open, nor where it does not close', async () => {
    const failing = () => {
      throw new Error('no model today');
    };
    await assert.rejects(open('files.*', failing), /no model today/);
    assert.deepEqual(processesWith(folder), []);

    const { team } = await open('files.*', () => idleModels(() => Promise.reject(new Error('stuck'))));
    assert.equal(processesWith(folder).length, 1);
    await assert.rejects(team.close(), /team small@x\/1 did not close: Error: stuck/);
    assert.deepEqual(processesWith(folder), []);
  });
});
