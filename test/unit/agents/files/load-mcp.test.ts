import assert from 'node:assert/strict';
import { loadTeam } from '../../../../src/agents/files/load-team.ts';
import { TeamDefinition, toolFacts } from '../../../../src/contracts/team.ts';
import { builtInTools as tools } from '../../../../src/tools/registry.ts';
import { agentsFolder, FILES, removeFolders, smallTeam, TEAM } from './team-folder.ts';

const MCP = `mcp:
  everything:
    command: node
    args: [server.js]
  web:
    url: https://example.com/mcp
    headers: {Authorization: 'Bearer \${TOKEN}'}
    category: read
    effects: none
    timeoutMs: 5000
`;
const WRITER = FILES['writer.yaml'] ?? '';
const listing = (...names: string[]) =>
  WRITER.replace('tools: [read_file, write_file]', `tools: [${names.join(', ')}]`);

describe('agents: loading a team with MCP servers', () => {
  after(removeFolders);

  async function problem(files: Record<string, string>): Promise<string> {
    return await loadTeam(await agentsFolder(files), 'small', tools).then(
      () => assert.fail('it loaded'),
      (error: Error) => error.message,
    );
  }

  it('takes tools of declared servers one by one or all, and stores no values of variables', async () => {
    const names = ['read_file', 'everything.echo', 'web.*', 'web.a.b'];
    const { definition } = await smallTeam({ 'team.yaml': TEAM + MCP, 'writer.yaml': listing(...names) });
    assert.deepEqual(definition.agents['writer']?.tools, names);
    assert.deepEqual(Object.keys(definition.tools), ['read_file']);
    assert.deepEqual(definition.mcp?.['web'], {
      url: 'https://example.com/mcp',
      headers: { Authorization: 'Bearer ${TOKEN}' },
      category: 'read',
      effects: 'none',
      timeoutMs: 5000,
    });
    assert.deepEqual(TeamDefinition.parse(JSON.parse(JSON.stringify(definition))), definition);
    assert.deepEqual(toolFacts(definition, 'web.a.b'), {
      name: 'web.a.b',
      effects: 'none',
      category: 'read',
      timeoutMs: 5000,
    });
    assert.deepEqual(toolFacts(definition, 'everything.echo'), {
      name: 'everything.echo',
      effects: 'external',
      category: 'network',
      timeoutMs: 60_000,
    });
    assert.equal(toolFacts(definition, 'constructor.x'), undefined);
  });

  it('refuses a tool of a server that is not declared, with file, line and the nearest name', async () => {
    const at = 'small/writer.yaml:7: ';
    const refused = (...names: string[]) => problem({ 'team.yaml': TEAM + MCP, 'writer.yaml': listing(...names) });
    assert.equal(
      await refused('evrything.echo'),
      `${at}unknown MCP server "evrything"; did you mean "everything"? (in the tool "evrything.echo")`,
    );
    assert.equal(await refused('web.'), `${at}"web." names no tool; "web.*" names all`);
    assert.equal(await refused('everything'), `${at}unknown tool "everything"; did you mean "everything.*"?`);
    assert.equal(await refused('web.*', 'web.*'), `${at}"web.*" is listed twice`);
    assert.match(await problem({ 'writer.yaml': listing('web.x') }), /unknown MCP server "web"; there are none/);
  });

  it('[H11] says which rule of the team or of a mode names no tool, or can never match', async () => {
    const problemsOf = async (...rules: string[]) => {
      const lines = rules.map((rule) => `        '${rule}': allow\n`).join('');
      return await problem({
        'team.yaml': `${TEAM}modes:\n  quick:\n    route: one-shot\n    approvals:\n      rules:\n${lines}`,
      });
    };
    const at = 'small/team.yaml:';
    const first = TEAM.split('\n').length + 5;
    assert.equal(
      await problemsOf('shell: ls *', 'shel: ls'),
      `${at}${first + 1}: unknown tool "shel"; did you mean "shell"?`,
    );
    for (const [rule, text] of [
      ['shell: ls; rm *', /^rule "shell: ls; rm \*": the pattern "ls; rm \*" matches nothing: it must be one command/],
      ['fetch_url: docs.example.org', /must have a scheme and a host/],
      ['write_file: /etc/**', /paths are relative to the workspace/],
      ['read_file: reports/../../x', /paths are relative to the workspace/],
      ['calculate: 1*', /^rule "calculate: 1\*": "calculate" has no argument that a pattern is compared with/],
    ] as const) {
      const found = await problemsOf(rule);
      assert.ok(found.startsWith(`${at}${first}: `), found);
      assert.match(found.slice(`${at}${first}: `.length), text);
    }
    assert.match(
      await problem({
        'team.yaml': `${TEAM}approvals:\n  rules:\n    'web.*: x': deny\nmcp:\n  web:\n    command: x\n`,
      }),
      /rule "web\.\*: x": "web\.\*" has no argument/,
    );
  });

  it('says what is wrong with a declaration, by the form that it is nearest to', async () => {
    const declared = (text: string) => problem({ 'team.yaml': `${TEAM}mcp:\n  web:\n    ${text}\n` });
    assert.equal(
      await declared('command: x\n    arg: [a]'),
      'small/team.yaml:12: unknown key in mcp.web "arg"; did you mean "args"?',
    );
    assert.match(await declared('url: ftp://x'), /^small\/team\.yaml:11: mcp\.web\.url: /);
    assert.equal(
      await declared('command: x\n    url: http://x'),
      'small/team.yaml:12: mcp.web: "url" does not go with "command"',
    );
    assert.equal(await declared('category: read'), 'small/team.yaml:10: mcp.web.command: it is missing');
    assert.match(
      await declared('command: x\n    timeoutMs: 5'),
      /^small\/team\.yaml:12: mcp\.web\.timeoutMs: it must be at least 100, not 5/,
    );
  });
});
