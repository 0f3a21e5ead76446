import assert from 'node:assert/strict';
import type { ToolWorld } from './tool-world.ts';
import { createToolWorld, problemOf } from './tool-world.ts';
import { runTool } from '../../../src/tools/registry.ts';

describe('calculate', () => {
  let world: ToolWorld;
  before(async () => {
    world = await createToolWorld();
  });
  after(() => world.remove());
  const value = async (expression: string): Promise<string> => (await world.call('calculate', { expression })).text;

  it('computes numbers without noise, whole numbers in full, statistics, matrices and units', async () => {
    assert.equal(await value('0.1 + 0.2'), '0.3');
    assert.equal(await value('(12.7 * 3 + 5)^2 / 4'), '464.4025');
    assert.equal(await value('2^53 - 1'), '9007199254740991');
    assert.equal(await value('mean(1, 2, 4)'), '2.3333333333333');
    assert.equal(await value('[1, 2; 3, 4] * [5; 6]'), '[[17], [39]]');
    assert.equal(await value('5 inch to cm'), '12.7 cm');
    assert.equal(await value('1 / 0'), 'Infinity');
    assert.equal(await value('r = 2; pi * r^2'), '12.566370614359');
    assert.equal(await value('a = 3\na + 4'), '3\n7');
  });

  it('says what is wrong with an expression', async () => {
    assert.match(
      await world.refused('calculate', { expression: '2 +' }),
      /^"2 \+" cannot be evaluated: Unexpected end of expression.*Correct the expression\.$/,
    );
    assert.match(await world.refused('calculate', { expression: 'foo(2)' }), /Undefined function foo/);
  });

  for (const expression of [
    'import({a: 1})',
    'createUnit("x")',
    'evaluate("1")',
    'parse("1")',
    'compile("1")',
    'parser()',
    'simplify("x+x")',
    'derivative("x^2", "x")',
    'rationalize("x")',
    'resolve("x")',
    'reviver("a", 1)',
    'config({})',
  ]) {
    it(`refuses ${expression}`, async () => {
      assert.match(await world.refused('calculate', { expression }), /is disabled|Undefined function/);
    });
  }

  it('reaches neither the process nor prototypes', async () => {
    for (const expression of [
      'process',
      'require("fs")',
      'cos.constructor("return process")',
      '"a".constructor',
      '{}.__proto__',
      'f(x) = x; f.constructor',
    ]) {
      const problem = await world.refused('calculate', { expression });
      assert.match(
        problem,
        /Undefined symbol process|Undefined function require|No access to (property|method)|is not a valid|Unexpected/,
        problem,
      );
    }
  });

  it('ends what takes too long or too much memory, and says which', async function () {
    this.timeout(20_000);
    const startedMs = Date.now();
    assert.match(
      await world.refused('calculate', { expression: 'f(n) = n < 2 ? n : f(n - 1) + f(n - 2); f(60)' }),
      /needs more than 5 s/,
    );
    assert.ok(Date.now() - startedMs < 7_000);
    assert.match(
      await world.refused('calculate', { expression: 'ones(20000, 20000)' }),
      /needs more than 256 MiB of memory/,
    );
  });

  it('refuses a result that is too long', async () => {
    assert.match(
      await world.refused('calculate', { expression: 'ones(100, 100)' }),
      /has \d+ characters, and the limit is 10000/,
    );
  });

  it('ends at once when the turn is interrupted', async () => {
    const interrupt = new AbortController();
    setTimeout(() => interrupt.abort(new Error('interrupted')), 300);
    const startedMs = Date.now();
    const call = runTool('calculate', JSON.stringify({ expression: 'f(n) = n < 2 ? n : f(n - 1) + f(n - 2); f(60)' }), {
      ...world.context,
      signal: interrupt.signal,
    });
    await assert.rejects(call, { message: 'interrupted' });
    assert.ok(Date.now() - startedMs < 2_000);
    const late = runTool('calculate', '{"expression":"1"}', { ...world.context, signal: interrupt.signal });
    await assert.rejects(late, { message: 'interrupted' });
  });

  it('needs an expression', async () => {
    assert.match(
      await problemOf('calculate', runTool('calculate', '', world.context)),
      /"expression" is missing \(string\)/,
    );
  });
});
