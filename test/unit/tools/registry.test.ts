import assert from 'node:assert/strict';
import { z } from 'zod';
import { defineTool } from '../../../src/tools/definition/define-tool.ts';
import { editDistance, nearest } from '../../../src/tools/nearest.ts';
import { parseArguments } from '../../../src/tools/definition/arguments.ts';
import { builtInTools as tools, modelSchema, runTool } from '../../../src/tools/registry.ts';
import type { ToolWorld } from './tool-world.ts';
import { createToolWorld, problemOf } from './tool-world.ts';
import { countTokens } from '../../helpers/tokens.ts';

const OBVIOUS = [
  'path',
  'content',
  'recursive',
  'regex',
  'max_results',
  'new_text',
  'replace_all',
  'stdin',
  'timeout_seconds',
];

describe('the tool registry', () => {
  let world: ToolWorld;
  before(async () => {
    world = await createToolWorld();
  });
  after(() => world.remove());
  const refused = (tool: string, argumentsText: string): Promise<string> =>
    problemOf(tool, runTool(tools, tool, argumentsText, world.context));

  it('has fourteen tools, and those that a repetition would harm have effects outside', () => {
    assert.deepEqual(
      [...tools.values()].map(({ name, effects, category }) => `${name} ${effects} ${category}`),
      [
        'list_files none read',
        'read_file none read',
        'write_file none write',
        'edit_file external write',
        'append_file external write',
        'search_files none read',
        'table_profile none read',
        'table_query none read',
        'plot_chart none write',
        'calculate none read',
        'fetch_url none network',
        'run_code external code',
        'shell external shell',
        'ask_user none conversation',
        'remember none conversation',
      ],
    );
    assert.equal(tools.get('read_file')?.name, 'read_file');
    assert.equal(tools.get('constructor'), undefined);
  });

  it('[M15] describes every tool to the model in plain JSON schema, in few tokens', () => {
    for (const tool of tools.values()) {
      const { name, description, parameters } = modelSchema(tool);
      assert.match(name, /^[a-z_]{1,64}$/);
      assert.ok(description.length > 60);
      const most = name === 'plot_chart' ? 560 : 200;
      assert.ok(countTokens(JSON.stringify(modelSchema(tool))) <= most, name);
      assert.equal(parameters['$schema'], undefined);
      assert.equal(parameters['additionalProperties'], false);
      assert.deepEqual(parameters, JSON.parse(JSON.stringify(parameters)));
      for (const [field, schema] of Object.entries(parameters['properties'] ?? {})) {
        // Some names say it all.
        assert.ok(OBVIOUS.includes(field) || schema.description.length > 5, `${name}.${field}`);
      }
    }
    assert.deepEqual(modelSchema(tools.get('read_file') ?? assert.fail()).parameters['required'], ['path']);
  });

  it('says which fields are wrong and what they should be', async () => {
    assert.equal(
      await refused('read_file', '{"paht":"a","limit_lines":"3"}'),
      'the arguments do not fit: "path" is missing (string); "limit_lines": Invalid input: expected number, received string; ' +
        'there is no field "paht" (did you mean "path"?). The fields are: path (string), offset_line (integer, optional), ' +
        'limit_lines (integer, optional). Call it again with these corrected.',
    );
    assert.match(
      await refused('plot_chart', '{"path":"a","output":"a.svg","aggregate":"total"}'),
      /"aggregate": Invalid option.*aggregate \("sum" \| "mean"/,
    );
    assert.match(
      await refused('write_file', '{"path":"a","content":{"a":1}}'),
      /"content": Invalid input: expected string, received object/,
    );
    assert.match(await refused('read_file', '{"path":"a","__proto__":{"x":1}}'), /there is no field "__proto__"/);
  });

  it('says when the arguments are not an object in JSON', async () => {
    assert.match(
      await refused('read_file', '{"path": "a"'),
      /^the arguments are not one JSON object \(.+\). Call it again with an object, for example, {"path":"<string>"}\.$/,
    );
    assert.match(await refused('read_file', '["a"]'), /not one JSON object \(it is not an object\)/);
    assert.match(await refused('read_file', 'null'), /not one JSON object/);
    assert.match(await refused('read_file', '['.repeat(100_000)), /not one JSON object/);
  });

  it('takes no text as no arguments, and null as a field that is not given', async () => {
    assert.equal((await runTool(tools, 'list_files', '', world.context)).text, 'The workspace is empty.');
    assert.equal(
      (await runTool(tools, 'list_files', '{"path":null,"recursive":null}', world.context)).text,
      'The workspace is empty.',
    );
  });

  it('checks the arguments of any tool, not only of a built-in one', async () => {
    const tool = defineTool({
      name: 'weather',
      description: 'Says what the weather is.',
      effects: 'none',
      category: 'network',
      parameters: z.strictObject({ city: z.string() }),
      run: () => '',
    });
    assert.deepEqual(await parseArguments(tool, '{"city":"Bonn"}'), { city: 'Bonn' });
    await assert.rejects(parseArguments(tool, '{"town":"Bonn"}'), {
      name: 'CopilotError',
      message: /^weather: .*"city" is missing/,
    });
  });

  it('finds the nearest name, and none where none is near', () => {
    assert.equal(nearest('lst_files', tools.keys()), 'list_files');
    assert.equal(nearest('READFILE', tools.keys()), 'read_file');
    assert.equal(nearest('teleport', tools.keys()), undefined);
    assert.equal(nearest('x', []), undefined);
    assert.deepEqual(
      [
        editDistance('kitten', 'sitting'),
        editDistance('', 'abc'),
        editDistance('abc', 'abc'),
        editDistance('paht', 'path'),
      ],
      [3, 3, 0, 1],
    );
  });
});
