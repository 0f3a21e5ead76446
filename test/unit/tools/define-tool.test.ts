/** What `defineTool` takes and refuses, and how a call of such a tool ends. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import * as mini from 'zod/mini';
import { CopilotError } from '../../../src/contracts/errors.ts';
import { loadTeam } from '../../../src/agents/files/load-team.ts';
import { type JudgeOptions, judgeCall } from '../../../src/tools/approval/judge.ts';
import { defineTool, isTool } from '../../../src/tools/definition/define-tool.ts';
import type { Tool, ToolContext } from '../../../src/tools/definition/tool.ts';
import { OutcomeUnknown } from '../../../src/tools/outcome-unknown.ts';
import { runTool, withOwnTools } from '../../../src/tools/registry.ts';
import { agentsFolder, removeFolders } from '../agents/files/team-folder.ts';
import { createToolWorld, problemOf, type ToolWorld } from './tool-world.ts';

const base = {
  name: 'lookup',
  description: 'Looks something up.',
  category: 'read',
  effects: 'none',
  parameters: z.object({ id: z.string() }),
  run: () => 'found',
} as const;

describe('[E01] defineTool', () => {
  let world: ToolWorld;
  before(async () => {
    world = await createToolWorld();
  });
  after(() => Promise.all([world.remove(), removeFolders()]));
  const call = (tool: Tool, args: unknown = { id: '7' }, context: Partial<ToolContext> = {}) =>
    runTool(withOwnTools([tool]), tool.name, JSON.stringify(args), { ...world.context, ...context });

  it('types arguments by the schema, defaults and transformations included', async () => {
    const tool = defineTool({
      ...base,
      parameters: z.object({
        amount: z.number().describe('In euro.'),
        currency: z.enum(['EUR', 'USD']).default('EUR'),
        note: z.string().nullable(),
        tags: z.string().transform((text) => text.split(',')),
      }),
      run({ amount, currency, note, tags }) {
        const exact: [number, 'EUR' | 'USD', string | null, string[]] = [amount, currency, note, tags];
        return exact;
      },
    });
    assert.equal(
      (await call(tool, { amount: 5, currency: null, note: null, tags: 'a,b' })).text,
      '[5,"EUR",null,["a","b"]]',
    );
    assert.deepEqual(tool.schema, {
      type: 'object',
      properties: {
        amount: { description: 'In euro.', type: 'number' },
        currency: { default: 'EUR', type: 'string', enum: ['EUR', 'USD'] },
        note: { type: ['string', 'null'] },
        tags: { type: 'string' },
      },
      required: ['amount', 'note', 'tags'],
    });
    assert.ok(isTool(tool) && !isTool({ ...base }));
  });

  it('takes a schema of another copy of Zod, or of its small form, by types and at run', async () => {
    const tool = defineTool({
      ...base,
      parameters: mini.object({ id: mini.string(), often: mini.optional(mini.int()) }),
      run({ id, often }) {
        const exact: [string, number | undefined] = [id, often];
        return exact;
      },
    });
    assert.equal((await call(tool, { id: '7', often: 2 })).text, '["7",2]');
    assert.deepEqual(tool.schema.required, ['id']);
    assert.match(await problemOf(tool.name, call(tool, { id: 7 })), /id/);
  });

  it('takes a text, a result, JSON or nothing from a tool', async () => {
    const giving = async (value: unknown) => call(defineTool({ ...base, run: () => value }));
    assert.deepEqual(await giving('plain'), { text: 'plain' });
    assert.deepEqual(await giving({ id: 7, open: true }), { text: '{"id":7,"open":true}' });
    assert.deepEqual(await giving(undefined), { text: 'Done.' });
    const image = new Uint8Array([1]);
    assert.deepEqual(await giving({ text: 'a chart', images: [image, 'b.png'], artifacts: ['b.png'] }), {
      text: 'a chart',
      images: [image, 'b.png'],
      artifacts: ['b.png'],
    });
    const inside = join(world.workspace, 'out/a.csv');
    assert.deepEqual(await giving({ text: 'two', artifacts: [inside, '../b.csv'], images: [inside] }), {
      text: 'two\n[../b.csv is no file of the session: it is outside of the workspace.]',
      artifacts: ['out/a.csv'],
      images: ['out/a.csv'],
    });
    const loop: { self?: unknown } = {};
    loop.self = loop;
    const problem = await problemOf('lookup', giving(loop));
    assert.match(problem, /^the call was made, but its result is no JSON/);
    assert.match(await problemOf('lookup', giving(new Map([[1, 2]]))), /is no JSON \(it is a Map\)/);
    assert.match(await problemOf('lookup', giving(new AbortController())), /is no JSON \(it is a AbortController\)/);
    assert.deepEqual(await giving({}), { text: '{}' });
  });

  it('tells the agent of whatever a tool throws, and of arguments that its schema cannot take', async () => {
    const throwing = (error: unknown) =>
      problemOf('lookup', call(defineTool({ ...base, run: () => Promise.reject(error) })));
    assert.equal(await throwing(new TypeError('no route to 10.0.0.7')), 'no route to 10.0.0.7');
    assert.equal(await throwing('just a text'), 'just a text');
    assert.equal(await throwing(new RangeError()), 'RangeError');
    assert.equal((await throwing(new Error('x'.repeat(10_000)))).length, 4_000);
    const refused = await fetch('http://127.0.0.1:1/').catch((error: unknown) => error);
    assert.match(await throwing(refused), /^fetch failed \(.+\)$/);
    assert.match(await problemOf('lookup', call(defineTool(base), { id: 7 })), /"id": .*expected string/);
    const checking = defineTool({
      ...base,
      parameters: z.object({ id: z.string().refine(async (id) => Promise.resolve(id !== '8'), 'there is no such id') }),
    });
    assert.equal((await call(checking)).text, 'found');
    assert.match(await problemOf('lookup', call(checking, { id: '8' })), /there is no such id/);
    const broken = defineTool({
      ...base,
      parameters: z.object({ id: z.string().transform((): string => assert.fail('bad check')) }),
    });
    assert.match(await problemOf('lookup', call(broken)), /cannot be checked: bad check/);
  });

  it('[R14] time in which the worker stood still is not counted as the time of a tool', async () => {
    const writes = {
      ...base,
      timeoutMs: 1_000,
      run: async (_: unknown, { signal }: ToolContext) => {
        await sleep(20);
        // As a frozen process does, it runs no timer meanwhile.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
        await sleep(20);
        return signal.aborted ? 'given up' : 'written';
      },
    };
    assert.equal((await call(defineTool(writes))).text, 'written');
  });

  it('ends a tool at its time, heeded or not; with outside effects nobody knows then what became of it', async () => {
    const endless = { ...base, timeoutMs: 50, run: () => new Promise(() => undefined) };
    assert.match(await problemOf('lookup', call(defineTool(endless))), /^it did not end within 0\.05 s/);
    const heeding = {
      ...base,
      timeoutMs: 50,
      run: (_: unknown, { signal }: ToolContext) => sleep(60_000, undefined, { signal }),
    };
    assert.match(await problemOf('lookup', call(defineTool(heeding))), /^it did not end within 0\.05 s/);
    for (const tool of [endless, heeding]) {
      await assert.rejects(call(defineTool({ ...tool, effects: 'external' })), OutcomeUnknown);
    }
    const signals: AbortSignal[] = [];
    const quick = { ...base, timeoutMs: 30, run: (_: unknown, { signal }: ToolContext) => signals.push(signal) };
    await call(defineTool(quick));
    await sleep(60);
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [false],
    );
    const stop = new AbortController();
    stop.abort(new Error('interrupted'));
    await assert.rejects(call(defineTool(base), {}, { signal: stop.signal }), /interrupted/);
  });

  it('leaves a full disk to a later attempt, but not if outside effects could then happen twice', async () => {
    const run = () => Promise.reject(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }));
    await assert.rejects(call(defineTool({ ...base, run })), { code: 'ENOSPC' });
    assert.match(await problemOf('lookup', call(defineTool({ ...base, run, effects: 'external' }))), /ENOSPC/);
  });

  const bad = (changes: object): unknown => {
    try {
      return defineTool({ ...base, ...changes });
    } catch (error) {
      return error;
    }
  };
  for (const [what, changes, problem] of [
    ['a name that models cannot write', { name: 'create ticket' }, /name: use 1 to 64 letters/],
    ['the name of an MCP tool', { name: 'tickets.create' }, /name: use 1 to 64 letters/],
    ['a name of the engine', { name: 'transfer_to_boss' }, /name: this name is one of the engine/],
    ['no description', { description: ' ' }, /description: say what/],
    ['a description that is too long', { description: 'x'.repeat(1_025) }, /description: OpenAI takes at most 1024/],
    ['a category that there is not', { category: 'money' }, /category: .*"read"/],
    ['effects that there are not', { effects: 'some' }, /effects: .*"none"\|"external"/],
    ['a time that no timer takes', { timeoutMs: 3e9 }, /timeoutMs: /],
    ['nothing to run', { run: 'later' }, /run: it must be a function/],
    ['no schema', { parameters: { id: 'string' } }, /parameters: it must be an object schema of Zod 4/],
    [
      'a key that there is not',
      { needApproval: () => true },
      /no key "needApproval"; the nearest is "needsApproval"\.$/,
    ],
    ['a text', { parameters: z.string() }, /parameters must be an object schema, since models give named/],
    ['a choice of objects', { parameters: z.union([z.object({}), z.object({})]) }, /must be an object schema/],
    ['a date', { parameters: z.object({ when: z.date() }) }, /parameters: field "when": Date cannot be represented/],
    ['a function', { parameters: z.object({ f: z.custom<() => void>() }) }, /field "f"/],
  ] satisfies [string, object, RegExp][]) {
    it(`refuses ${what}, and says where`, () => {
      const error = bad(changes);
      assert.ok(error instanceof CopilotError, String(error));
      assert.equal(error.type, 'InvalidTool');
      assert.match(error.message, problem);
      assert.match(error.message, /define-tool\.test\.ts:\d+\)/);
    });
  }

  it('refuses the name of a built-in tool and the same name twice, with both places', () => {
    const own = defineTool(base);
    assert.equal(withOwnTools([own]).get('lookup'), own);
    assert.throws(() => withOwnTools([defineTool({ ...base, name: 'shell' })]), {
      type: 'InvalidTool',
      message: /Tool "shell" \(.*define-tool\.test\.ts:\d+\) cannot be used: a built-in tool has this name/,
    });
    assert.throws(() => withOwnTools([defineTool({ ...base, name: 'Read_File' })]), {
      message: /a built-in tool has this name/,
    });
    assert.throws(() => withOwnTools([own, defineTool(base)]), {
      type: 'InvalidTool',
      message: /another tool of this name is defined at .*define-tool\.test\.ts:\d+; rename one/,
    });
  });

  it('[H11] asks by its predicate, unless that surely says no, and has rules with patterns like built-in tools', async () => {
    const asked: unknown[] = [];
    const judge = async (needsApproval: () => unknown, team: Layer = {}) => {
      const tool = defineTool({
        ...base,
        category: 'network',
        parameters: z.object({ page: z.string() }),
        subject: { kind: 'url', fields: ['page'] },
        needsApproval: (args, context) => {
          asked.push([args, context]);
          return needsApproval() as boolean; // what JavaScript may give
        },
      });
      const judged = await judgeCall(
        { name: tool.name, arguments: '{"page":"https://example.org/a","other":1}' },
        {
          definition: { agents: {} },
          policies: { layers: [{}, {}, team], granted: { categories: [], rules: [] } },
          ceilings: [],
          tools: withOwnTools([tool]),
          session: 'ses_1',
          workspace: world.workspace,
        },
      );
      return judged?.policy;
    };
    assert.equal(await judge(() => false), 'allow');
    assert.deepEqual(asked, [[{ page: 'https://example.org/a' }, { session: 'ses_1', workspace: world.workspace }]]);
    assert.equal(await judge(() => true), 'ask');
    assert.equal(await judge(() => undefined), 'ask');
    assert.equal(await judge(() => assert.fail('who knows')), 'ask');
    assert.equal(await judge(() => new Promise(() => undefined)), 'ask');
    const rules = (policy: 'allow' | 'deny') => ({ rules: { 'lookup: https://example.org/*': policy } });
    assert.equal(await judge(() => false, rules('deny')), 'deny');
    assert.equal(await judge(() => false, { tools: { network: 'ask' }, ...rules('allow') }), 'allow');
  });

  it('[A11] is as good in a team as a built-in one: the nearest name is told, and the definition has its facts', async () => {
    const tools = withOwnTools([defineTool(base)]);
    const load = async (name: string) =>
      await loadTeam(
        await agentsFolder({ 'writer.yaml': `description: w\ninstructions: w\ntools: [${name}]\n` }),
        'small',
        tools,
      );
    const { definition } = await load('lookup');
    assert.deepEqual(definition.tools['lookup'], {
      name: 'lookup',
      effects: 'none',
      category: 'read',
      timeoutMs: 60_000,
    });
    await assert.rejects(load('lokup'), {
      type: 'InvalidTeam',
      message: /unknown tool "lokup"; did you mean "lookup"\?$/,
    });
    await assert.rejects(load('teleport'), {
      message: /must be in `tools` of copilot\.config\.ts, where the worker starts$/,
    });
  });
});

type Layer = JudgeOptions['policies']['layers'][number];
