import assert from 'node:assert/strict';
import { openTeam, type Team } from '../../../src/agents/team.ts';
import { CopilotError } from '../../../src/contracts/errors.ts';
import { findMode, type ResolvedTeam } from '../../../src/contracts/team.ts';
import { idleModels, recordingLog, removeFolders, smallTeam } from './files/team-folder.ts';
import { builtInTools } from '../../../src/tools/registry.ts';

async function open(
  resolved: ResolvedTeam,
  modelName?: string,
): Promise<{ team: Team; model: ReturnType<typeof idleModels> }> {
  const model = idleModels();
  const { log } = recordingLog();
  const team = await openTeam(resolved, {
    instanceId: 'small@x/1',
    tools: builtInTools,
    openModels: () => model,
    log,
    ...(modelName === undefined ? {} : { modelName }),
  });
  return { team, model };
}

describe('agents: an open team', () => {
  after(removeFolders);

  it('gives agents with filled-in instructions, model, temperature and the schemas of their tools', async () => {
    const { team } = await open(await smallTeam());
    const writer = team.agent('writer');
    assert.equal(writer.system({ topic: '<rain>' }), 'You write about <rain>.\n');
    assert.equal(writer.system({}), 'You write about .\n');
    assert.deepEqual(writer.modelNames, ['gpt-4.1']);
    assert.equal(writer.settings.temperature, 0.5);
    assert.deepEqual(
      writer.toolSchemas.map(({ name }) => name),
      ['read_file', 'write_file'],
    );
    assert.equal(writer.toolSchemas[0]?.parameters['type'], 'object');
    assert.deepEqual(team.agent('router').modelNames, ['gpt-4.1-mini']);
    assert.equal('temperature' in team.agent('router'), false);
    assert.equal(team.agent('writer'), writer);
  });

  it("uses COPILOT_MODEL in place of every model of the team, and a session's own choice in place of that", async () => {
    const { team } = await open(await smallTeam(), 'local-model');
    assert.deepEqual(
      ['router', 'writer'].map((id) => team.agent(id).modelNames[0]),
      ['local-model', 'local-model'],
    );
    assert.deepEqual(team.agent('writer', { model: 'chosen' }).modelNames, ['chosen']);
  });

  it('an override changes what it names and leaves the shared agent as it was', async () => {
    const { team } = await open(await smallTeam());
    const before = JSON.stringify(team.agent('writer'));
    const own = team.agent('writer', { temperature: 0, instructions: 'Say {{word}}' });
    assert.equal(own.system({ word: 'yes', topic: 'no' }), 'Say yes');
    assert.deepEqual(own.definition.variables, ['word']);
    assert.equal(own.settings.temperature, 0);
    assert.deepEqual(own.modelNames, ['gpt-4.1']);
    assert.equal(own.toolSchemas, team.agent('writer').toolSchemas);
    assert.equal(JSON.stringify(team.agent('writer')), before);
    assert.equal(team.agent('writer').system({ topic: 'x' }), 'You write about x.\n');
  });

  it('refuses an agent that it does not have, and instructions that are no template', async () => {
    const { team } = await open(await smallTeam());
    const message = (work: () => unknown): string => {
      try {
        work();
      } catch (error) {
        if (error instanceof CopilotError) return `${error.type} ${error.message}`;
      }
      return assert.fail('no CopilotError');
    };
    assert.equal(
      message(() => team.agent('wirter')),
      'InvalidInput Agent "wirter" is not valid: team small has no such agent; did you mean "writer"?',
    );
    assert.equal(
      message(() => team.agent('constructor')),
      'InvalidInput Agent "constructor" is not valid: team small has no such agent; it has planner, router, writer.',
    );
    assert.equal(
      message(() => team.agent('writer', { instructions: 'a\n{{#if x}}{{/each}}' })),
      'InvalidInput The template of agent "writer" is not valid: line 2: {{#if}} is closed by {{/each}}.',
    );
  });

  it('does not open where this worker lacks one of its tools, and then opens no connection', async () => {
    const { definition } = await smallTeam();
    const newer = {
      digest: 'x',
      definition: {
        ...definition,
        tools: { teleport: { name: 'teleport', effects: 'none', category: 'read', timeoutMs: 1 } },
      },
    } as const;
    const { log } = recordingLog();
    let opened = 0;
    const openModels = () => ({ ...idleModels(), opened: (opened += 1) });
    await assert.rejects(openTeam(newer, { instanceId: 'x', tools: builtInTools, openModels, log }), {
      type: 'ToolMissing',
      message: /lacks the tool "teleport".*copilot\.config\.ts/,
    });
    assert.equal(opened, 0);
  });

  it('closes its connections once, however often it is asked to', async () => {
    const { team, model } = await open(await smallTeam());
    await Promise.all([team.close(), team.close()]);
    assert.equal(model.closed, 1);
  });

  it("has the built-in modes and its own, and no mode by the name of an object's members", async () => {
    const { definition } = await smallTeam();
    const modes = { quick: { description: '', route: 'one-shot' as const } };
    assert.equal(findMode({ modes }, 'quick')?.route, 'one-shot');
    assert.equal(findMode(definition, 'planning-control')?.route, 'planned');
    assert.equal(findMode(definition, 'constructor'), undefined);
    assert.equal(findMode(definition, 'nope'), undefined);
  });
});
