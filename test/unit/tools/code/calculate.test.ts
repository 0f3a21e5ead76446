import assert from 'node:assert/strict';
import { haltBusy } from '../../../helpers/cpu-time.ts';
import type { ToolWorld } from '../tool-world.ts';
import { createToolWorld, problemOf } from '../tool-world.ts';
import { builtInTools, runTool } from '../../../../src/tools/registry.ts';
import { someOf } from '../../../helpers/full.ts';

describe('calculate', function () {
  // Each call loads the library anew.
  this.timeout(120_000);
  let world: ToolWorld;
  before(async () => {
    world = await createToolWorld();
  });
  after(() => world.remove());
  const value = async (expression: string): Promise<string> => (await world.call('calculate', { expression })).text;

  it('[D02] computes exactly and without noise, whole numbers in full, statistics, matrices and units', async () => {
    assert.equal(await value('0.1 + 0.2'), '0.3');
    assert.equal(await value('(12.7 * 3 + 5)^2 / 4'), '464.4025');
    assert.equal(await value('12345678901234567 - 12345678901234566'), '1');
    assert.equal(await value('factorial(25)'), '15511210043330985984000000');
    assert.equal(await value('gamma(5.5)'), '52.342777784553');
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

  const disabled = [
    'import({a: 1})',
    'createUnit("x")',
    'evaluate("1")',
    'parse("1")',
    'compile("1")',
    'parser()',
    'simplify("x+x")',
    'simplifyCore("x+x")',
    'simplifyConstant("1+1")',
    'symbolicEqual("x", "x")',
    'leafCount("x")',
    'derivative("x^2", "x")',
    'rationalize("x")',
    'resolve("x")',
    'reviver("a", 1)',
    'replacer("a", 1)',
    'help("sin")',
    'config({})',
  ];
  for (const expression of someOf(disabled, 4)) {
    it(`disables ${expression}, which would evaluate text or change the evaluator`, async () => {
      const name = expression.slice(0, expression.indexOf('('));
      // "Undefined function" would also stand for a name that is missing from the list or misspelt here.
      assert.match(await world.refused('calculate', { expression }), new RegExp(`: Function ${name} is disabled\\.`));
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

  it('ends what takes too long or too much memory, and says which', async () => {
    // By itself it would end after days.
    assert.match(
      await haltBusy(() => world.refused('calculate', { expression: 'f(n) = n < 2 ? n : f(n - 1) + f(n - 2); f(60)' })),
      /needs more than 5 s/,
    );
    // A megabyte with each step: its memory is used up after a third of a second, unless others have the processor.
    const expression = 'map(1:5000, f(n) = bigint(2) ^ bigint(8000000 + n))';
    let problem = await world.refused('calculate', { expression });
    for (let again = 0; again < 4 && problem.includes('needs more than 5 s'); again++)
      problem = await world.refused('calculate', { expression });
    assert.match(problem, /needs more than 256 MiB of memory/);
  });

  it('ends what takes all its memory at once, and not the program', async () => {
    const expression = 'f(s, n) = n == 0 ? s : f(concat(s, s), n - 1); compareText(f("xxxxxxxxxxxxxxx", 25), "a")';
    assert.match(await world.refused('calculate', { expression }), /needs more than (256 MiB of memory|5 s)/);
    assert.equal((await world.call('calculate', { expression: '1 + 1' })).text, '2');
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
    const call = runTool(
      builtInTools,
      'calculate',
      JSON.stringify({ expression: 'f(n) = n < 2 ? n : f(n - 1) + f(n - 2); f(60)' }),
      {
        ...world.context,
        signal: interrupt.signal,
      },
    );
    // Later it would be told that its time is up.
    await assert.rejects(call, { message: 'interrupted' });
    const late = runTool(builtInTools, 'calculate', '{"expression":"1"}', {
      ...world.context,
      signal: interrupt.signal,
    });
    await assert.rejects(late, { message: 'interrupted' });
  });

  it('needs an expression', async () => {
    assert.match(
      await problemOf('calculate', runTool(builtInTools, 'calculate', '', world.context)),
      /"expression" is missing \(string\)/,
    );
  });
});
