import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { canonicalJson, digestOf } from '../../../../src/contracts/digest.ts';
import { loadTeam, MAX_FILE_BYTES } from '../../../../src/agents/files/load-team.ts';
import { listTeams } from '../../../../src/agents/files/team-folders.ts';
import { packageDir } from '../../../../src/package-info.ts';
import { CopilotError } from '../../../../src/contracts/errors.ts';
import { TeamDefinition } from '../../../../src/contracts/team.ts';
import { builtInTools as tools } from '../../../../src/tools/registry.ts';
import { agentsFolder, FILES, removeFolders, smallTeam, TEAM } from './team-folder.ts';

/** What loading the small team with these changes fails with, as a person reads it. */
const problem = async (changes: Parameters<typeof agentsFolder>[0]): Promise<string> =>
  await failure(await agentsFolder(changes), 'small');

async function failure(folder: string, team: string): Promise<string> {
  const error: unknown = await loadTeam(folder, team, tools).then(
    () => assert.fail('the team was loaded'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CopilotError, String(error));
  return `${error.type} ${error.message}`;
}

describe('agents: loading a team', () => {
  after(removeFolders);

  it('gives one plain definition, with defaults, variables and the facts of the tools it names', async () => {
    const { digest, definition } = await smallTeam();
    assert.match(digest, /^[0-9a-f]{64}$/);
    assert.equal(definition.name, 'small');
    assert.deepEqual(Object.keys(definition.agents), ['planner', 'router', 'writer']);
    assert.deepEqual(definition.agents['writer'], {
      id: 'writer',
      name: 'Writer',
      description: 'Writes',
      instructions: 'You write about {{topic}}.\n',
      model: 'gpt-4.1',
      temperature: 0.5,
      tools: ['read_file', 'write_file'],
      handoffs: ['planner'],
      limits: {},
      variables: ['topic'],
    });
    assert.equal(definition.agents['router']?.name, 'router');
    assert.deepEqual(definition.limits, { rounds: 16, stepAttempts: 3 });
    assert.deepEqual(Object.keys(definition.tools), ['read_file', 'write_file']);
    const { name, subject, ...rest } = definition.tools['read_file'] ?? {};
    assert.deepEqual([name, subject, Object.keys(rest)], ['read_file', 'path', ['effects', 'category', 'timeoutMs']]);
    assert.deepEqual(JSON.parse(JSON.stringify(definition)), definition);
    assert.deepEqual(TeamDefinition.parse(definition), definition);
  });

  it('loads the default team, and each of its agents has the tools for its work', async () => {
    const { definition } = await loadTeam(join(packageDir, 'agents'), 'default', tools);
    const toolsOf = (id: string): string[] | undefined => definition.agents[id]?.tools.toSorted();
    const ids = ['engineer', 'plan-reviewer', 'planner', 'researcher', 'writer'];
    assert.deepEqual(Object.keys(definition.agents).sort(), ids);
    const reading = 'list_files read_file search_files table_profile table_query calculate ask_user remember'.split(
      ' ',
    );
    const writing = [...reading, 'write_file', 'edit_file', 'append_file'];
    assert.deepEqual(toolsOf('engineer'), [...writing, 'run_code', 'shell'].toSorted());
    assert.deepEqual(toolsOf('researcher'), [...reading, 'fetch_url'].toSorted());
    assert.deepEqual(toolsOf('writer'), [...reading, 'write_file'].toSorted());
    const handoffs = Object.values(definition.agents).flatMap((agent) => agent.handoffs);
    assert.deepEqual(handoffs, ['researcher', 'writer', 'engineer', 'writer', 'engineer', 'researcher']);
    assert.deepEqual([toolsOf('planner'), toolsOf('plan-reviewer')], [[], []]);
    assert.deepEqual(await listTeams(join(packageDir, 'agents')), ['data-analysis', 'default']);
  });

  describe('names file, line, and the nearest valid name', () => {
    const cases: [string, Parameters<typeof agentsFolder>[0], string][] = [
      [
        'of an unknown key',
        { 'writer.yaml': '# a comment\ndescription: Writes\ninstrutions: x\ninstructions: y\n' },
        'InvalidTeam small/writer.yaml:3: unknown key "instrutions"; did you mean "instructions"?',
      ],
      [
        'of an unknown key inside another',
        { 'team.yaml': TEAM.replace('  agent: planner', '  agent: planner\n  reviewers: 1') },
        'InvalidTeam small/team.yaml:7: unknown key in planning "reviewers"; did you mean "reviewer"?',
      ],
      [
        'of a value of the wrong type',
        { 'writer.yaml': 'description: Writes\ninstructions: y\ntemperature: warm\n' },
        'InvalidTeam small/writer.yaml:3: temperature: it must be a number, not "warm"',
      ],
      [
        'of a value out of range',
        { 'team.yaml': `${TEAM}limits:\n  rounds: 0\n` },
        'InvalidTeam small/team.yaml:10: limits.rounds: it must be at least 1, not 0',
      ],
      [
        'of a key that is missing',
        { 'team.yaml': TEAM.replace('  agent: planner', '  {}') },
        'InvalidTeam small/team.yaml:5: planning.agent: it is missing',
      ],
      [
        'of a tool that does not exist',
        { 'writer.yaml': 'description: Writes\ninstructions: y\ntools:\n  - read_file\n  - wirte_file\n' },
        'InvalidTeam small/writer.yaml:5: unknown tool "wirte_file"; did you mean "write_file"?',
      ],
      [
        'of a missing agent in a hand-off',
        { 'writer.yaml': 'description: Writes\ninstructions: y\nhandoffs: [planer]\n' },
        'InvalidTeam small/writer.yaml:3: unknown agent "planer"; did you mean "planner"?',
      ],
      [
        'of a hand-off of an agent to itself',
        { 'writer.yaml': 'description: Writes\ninstructions: y\nhandoffs: [writer]\n' },
        'InvalidTeam small/writer.yaml:3: an agent cannot hand off to itself',
      ],
      [
        'of a missing agent in a role',
        { 'team.yaml': TEAM.replace('  agent: planner', '  agent: planner\n  reviewer: critic') },
        'InvalidTeam small/team.yaml:7: unknown agent "critic"; there are planner, router, writer',
      ],
      [
        'of a mode with a wrong name',
        { 'team.yaml': `${TEAM}modes:\n  Quick:\n    route: one-shot\n` },
        'InvalidTeam small/team.yaml:10: modes.Quick: use lower-case letters, digits and "-", 63 at most',
      ],
      [
        'of a tool that is listed twice',
        { 'writer.yaml': 'description: Writes\ninstructions: y\ntools: [read_file,\n  read_file]\n' },
        'InvalidTeam small/writer.yaml:4: "read_file" is listed twice',
      ],
      [
        'of a template that does not parse, inside a block of text',
        { 'writer.yaml': 'description: Writes\ninstructions: |\n  One\n  {{#if x}}\n  two\n  {{/each}}\n' },
        'InvalidTeam small/writer.yaml:4: instructions: {{#if}} is closed by {{/each}}',
      ],
      [
        'of a helper that does not exist',
        { 'writer.yaml': 'description: Writes\ninstructions: |\n  One\n\n  {{#unles x}}two{{/unles}}\n' },
        'InvalidTeam small/writer.yaml:5: instructions: there is no helper "unles"; did you mean "unless"?',
      ],
      [
        'of a key that appears twice',
        { 'writer.yaml': 'description: Writes\ninstructions: y\ndescription: Reads\n' },
        'InvalidTeam small/writer.yaml:3: the key "description" appears twice',
      ],
      [
        'of wrong YAML',
        { 'writer.yaml': 'description: Writes\n\ttools: []\n' },
        'InvalidTeam small/writer.yaml:2: Tabs are not allowed as indentation',
      ],
      ['of an empty file', { 'writer.yaml': '# nothing\n' }, 'InvalidTeam small/writer.yaml:1: the file is empty'],
      [
        'of a file that is a list',
        { 'writer.yaml': '- a\n' },
        'InvalidTeam small/writer.yaml:1: it must be an object (keys with values), not a list',
      ],
      [
        'of a team without a team file',
        { 'team.yaml': undefined },
        'InvalidTeam small/team.yaml:1: the file is missing',
      ],
      [
        'of an agent whose file has no valid name',
        { 'Bad Name.yaml': FILES['writer.yaml'] },
        'InvalidTeam small/Bad Name.yaml:1: an agent\'s id is the name of its file: use lower-case letters, digits and "-", 63 at most',
      ],
      [
        'of a file that would be overlooked',
        { 'critic.yml': 'x' },
        'InvalidTeam small/critic.yml:1: the name must end with ".yaml"',
      ],
      [
        'of a key that is no text',
        { 'writer.yaml': 'description: W\n{a: b}: 1\n' },
        'InvalidTeam small/writer.yaml:2: a key must be text, and not "__proto__"',
      ],
      [
        'of the key __proto__',
        { 'team.yaml': `${TEAM}modes:\n  __proto__: {}\n` },
        'InvalidTeam small/team.yaml:10: a key must be text, and not "__proto__"',
      ],
      [
        'of an unknown tag',
        { 'writer.yaml': 'description: !js/function "x"\n' },
        'InvalidTeam small/writer.yaml:1: Unresolved tag: !js/function',
      ],
    ];
    for (const [title, changes, expected] of cases) {
      it(title, async () => {
        const found = await problem(changes);
        assert.equal(found.replace(/ \(and \d+ more problems?\)$/, ''), expected);
      });
    }
  });

  it('[A11] says file, line and nearest valid name for an unknown key, a bad type, a missing hand-off and an unknown tool at once, first line first', async () => {
    const yaml =
      'description: W\ninstructions: y\ntemprature: 1\ntemperature: hot\nhandoffs: [routr]\ntools: [read_fil]\n';
    assert.equal(
      await problem({ 'writer.yaml': yaml }),
      'InvalidTeam small/writer.yaml:3: unknown key "temprature"; did you mean "temperature"? (and 3 more problems)',
    );
    // Mending them one after the other leads to the next, with one problem less each time.
    let mended = yaml.replace('temprature: 1\n', '');
    assert.match(
      await problem({ 'writer.yaml': mended }),
      /writer\.yaml:3: temperature: it must be a number, not "hot" \(and 2 more problems\)$/,
    );
    mended = mended.replace('hot', '1');
    assert.match(
      await problem({ 'writer.yaml': mended }),
      /writer\.yaml:4: unknown agent "routr"; did you mean "router"\? \(and 1 more problem\)$/,
    );
    mended = mended.replace('routr', 'router');
    assert.match(
      await problem({ 'writer.yaml': mended }),
      /writer\.yaml:5: unknown tool "read_fil"; did you mean "read_file"\?$/,
    );
    assert.ok(await smallTeam({ 'writer.yaml': mended.replace('read_fil', 'read_file') }));
  });

  describe('hostile files end in a clear error, and soon', () => {
    it('a bomb of aliases', async () => {
      const levels = [
        'a: &a [x, x, x, x, x, x, x, x, x]',
        ...'bcdefgh'
          .split('')
          .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(', ')}]`),
      ];
      assert.match(
        await problem({ 'writer.yaml': levels.join('\n') }),
        /^InvalidTeam small\/writer\.yaml:1: it cannot be read: Excessive alias count/,
      );
    });

    it('a value that contains itself', async () => {
      assert.match(
        await problem({ 'writer.yaml': 'description: x\ninstructions: y\noutput: &o {a: *o}\n' }),
        /^InvalidTeam small\/writer\.yaml:1: it cannot be read/,
      );
    });

    it('a file of 10 MB', async () => {
      assert.equal(
        await problem({ 'writer.yaml': 'x'.repeat(10_000_000) }),
        `InvalidTeam small/writer.yaml:1: it is larger than ${MAX_FILE_BYTES / 1024} KiB`,
      );
    });

    it('deep nesting', async () => {
      assert.match(
        await problem({ 'writer.yaml': `output: ${'['.repeat(50_000)}${']'.repeat(50_000)}` }),
        /^InvalidTeam small\/writer\.yaml:1: it /,
      );
      assert.match(
        await problem({ 'writer.yaml': `output: ${'{a: '.repeat(60)}1${'}'.repeat(60)}` }),
        /it is nested deeper than 40 levels/,
      );
    });

    it('bytes that are no text', async () => {
      assert.equal(
        await problem({ 'writer.yaml': Buffer.from([0x64, 0x3a, 0x20, 0xff, 0xfe]) }),
        'InvalidTeam small/writer.yaml:1: it is not UTF-8 text',
      );
    });

    it('a thousand unknown keys', async () => {
      const yaml = Array.from({ length: 1_000 }, (_, index) => `key${index}: 1`).join('\n');
      assert.match(await problem({ 'writer.yaml': yaml }), /^InvalidTeam small\/writer\.yaml:1: /);
    });

    it('a named pipe and a folder in the place of a file', async () => {
      const folder = await agentsFolder();
      await rm(join(folder, 'small', 'writer.yaml'));
      execFileSync('mkfifo', [join(folder, 'small', 'writer.yaml')]);
      assert.equal(await failure(folder, 'small'), 'InvalidTeam small/writer.yaml:1: it is not a file');
      await rm(join(folder, 'small', 'writer.yaml'));
      await mkdir(join(folder, 'small', 'writer.yaml'));
      assert.equal(await failure(folder, 'small'), 'InvalidTeam small/writer.yaml:1: it is not a file');
    });

    it('a team that is too long for the state of a session', async () => {
      const long = `description: x\ninstructions: ${'y'.repeat(49_000)}\n`;
      const agents = Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => [`${id}.yaml`, long]));
      assert.match(
        await problem(agents),
        /^InvalidTeam small\/team\.yaml:1: the team has \d+ bytes as JSON, and the limit is 262144/,
      );
    });

    it('whatever text is written there', async () => {
      const seed = Date.now() & 0xffff;
      console.log(`      seed ${seed}`);
      const folder = await agentsFolder();
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 200 }), async (text) => {
          await writeFile(join(folder, 'small', 'writer.yaml'), text);
          assert.match(await failure(folder, 'small'), /^InvalidTeam small\//);
        }),
        { seed, numRuns: 60 },
      );
    });
  });

  it('an unknown team is a clear error that names the known ones, and no name leads out of the folder', async () => {
    const folder = await agentsFolder();
    const where = 'workers look for them where COPILOT_AGENTS_DIR pointed when they started.';
    const known = `Known teams: small; ${where}`;
    assert.equal(await failure(folder, 'smal'), `TeamNotFound There is no team "smal". ${known}`);
    const inside = join(folder, 'small');
    await mkdir(join(inside, 'empty'));
    for (const name of ['../small', './small', 'small/', '', '.', '..', 'small\0', '/etc']) {
      assert.equal(await failure(folder, name), `TeamNotFound There is no team "${name}". ${known}`);
    }
    assert.equal(
      await failure(inside, '../small'),
      `TeamNotFound There is no team "../small". Known teams: none; ${where}`,
    );
    assert.match(await failure(folder, 'x'.repeat(10_000)), /^TeamNotFound There is no team "x{100}"\./);
    assert.deepEqual(await listTeams(join(folder, 'nowhere')), []);
  });

  it('reads files through links, as a mounted configuration has them, and overlooks what is no YAML', async () => {
    const folder = await agentsFolder({ 'README.md': 'read me', '.hidden.yaml': 'x' });
    await mkdir(join(folder, 'linked'));
    for (const name of Object.keys(FILES)) await symlink(join(folder, 'small', name), join(folder, 'linked', name));
    const linked = await loadTeam(folder, 'linked', tools);
    assert.deepEqual(linked.definition.agents, (await loadTeam(folder, 'small', tools)).definition.agents);
    assert.deepEqual(await listTeams(folder), ['linked', 'small']);
  });

  it('aliases of moderate size are read as what they stand for', async () => {
    const yaml =
      'description: &text Writes well\ninstructions: *text\ntools: &t [read_file]\noutput: {type: object, required: *t}\n';
    const { definition } = await smallTeam({ 'writer.yaml': yaml });
    assert.equal(definition.agents['writer']?.instructions, 'Writes well');
    assert.deepEqual(definition.agents['writer']?.output, { type: 'object', required: ['read_file'] });
  });
});

describe('agents: the digest of a team', () => {
  after(removeFolders);

  it('stays the same for reordered keys, comments, quotes and spelled-out defaults', async () => {
    const { digest } = await smallTeam();
    const reordered = `# the same\ntemperature: 5.0e-1 # half\nhandoffs:\n  - planner\ntools: ["read_file", 'write_file']\nmodel: "gpt-4.1"
instructions: "You write about {{topic}}.\\n"\nlimits: {}\ndescription: Writes\nname: Writer\n`;
    assert.equal((await smallTeam({ 'writer.yaml': reordered })).digest, digest);
    assert.equal((await smallTeam({ 'team.yaml': `${TEAM}modes: {}\nlimits: {stepAttempts: 3}\n` })).digest, digest);
  });

  it('is another one for any other value', async () => {
    const changed: Record<string, string>[] = [
      ['gpt-4.1\n', 'gpt-4.2\n'],
      ['0.5', '0.6'],
      ['[read_file, write_file]', '[write_file, read_file]'],
      ['[planner]', '[router]'],
      ['about {{topic}}.', 'about {{topic}}!'],
      ['name: Writer', 'name: Author'],
    ].map(([from = '', to = '']) => ({ 'writer.yaml': (FILES['writer.yaml'] ?? '').replace(from, to) }));
    changed.push(
      { 'team.yaml': `${TEAM}limits: {rounds: 17}\n` },
      { 'critic.yaml': 'description: C\ninstructions: C\n' },
      {},
    );
    const digests = await Promise.all(changed.map(async (files) => (await smallTeam(files)).digest));
    assert.equal(new Set(digests).size, changed.length);
  });

  it('is another one where a tool has other facts', async () => {
    const folder = await agentsFolder();
    const slower = new Map([...tools].map(([name, tool]) => [name, { ...tool, timeoutMs: tool.timeoutMs + 1 }]));
    assert.notEqual((await loadTeam(folder, 'small', slower)).digest, (await loadTeam(folder, 'small', tools)).digest);
  });

  it('of any JSON does not depend on the order of keys, and keeps every value', () => {
    const seed = Date.now() & 0xffff;
    console.log(`      seed ${seed}`);
    const shuffled = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(shuffled);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, member]) => [key, shuffled(member)]),
      );
    };
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (value, other) => {
        assert.equal(digestOf(shuffled(value)), digestOf(value));
        assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
        assert.equal(digestOf(value) === digestOf(other), canonicalJson(value) === canonicalJson(other));
      }),
      { seed, numRuns: 500 },
    );
  });
});
