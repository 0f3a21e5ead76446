import assert from 'node:assert/strict';
import {
  compileTemplate,
  MAX_EXPRESSIONS,
  MAX_RENDERED_TEXT,
  TemplateError,
} from '../../../../src/agents/files/template.ts';
import { cpuTimer } from '../../../helpers/cpu-time.ts';

function problem(source: string): string {
  try {
    compileTemplate(source);
  } catch (error) {
    assert.ok(error instanceof TemplateError, String(error));
    return `${error.line}: ${error.message}`;
  }
  return assert.fail('the template was accepted');
}

describe('agents: templates of instructions', function () {
  this.timeout(60_000);

  it('name the context keys that they need, and neither block parameters nor helpers nor loop data', () => {
    const used: [string, string[]][] = [
      ['plain text', []],
      ['{{a}} {{b.c.d}} {{{e}}} {{[f g].h}}', ['a', 'b', 'e', 'f g']],
      ['{{#if a}}{{b}}{{else if c}}{{d}}{{else}}{{e}}{{/if}}', ['a', 'b', 'c', 'd', 'e']],
      ['{{#each items as |item index|}}{{item.x}} {{index}} {{@index}} {{@key}}{{/each}} {{item}}', ['item', 'items']],
      ['{{#each items}}{{this}} {{this.x}} {{../top}} {{@../index}}{{/each}}', ['items', 'top', 'x']],
      ['{{@root.a}} {{lookup b "c"}} {{json (lookup d e)}}', ['a', 'b', 'd', 'e']],
      ['{{#a}}{{b}}{{/a}} {{^c}}{{/c}} {{! d }} \\{{e}}', ['a', 'b', 'c']],
    ];
    for (const [source, variables] of used) assert.deepEqual(compileTemplate(source).variables, variables, source);
  });

  it('fill in values as they are, and nothing for a key that is missing', () => {
    const template = compileTemplate(
      '{{a}}|{{b.c}}|{{missing}}|{{missing.part}}|{{json d}}|{{#each e}}{{@index}}{{this}},{{/each}}',
    );
    const text = template.render({ a: '<b> & "c"', b: { c: 1 }, d: { x: [1, null] }, e: ['p', 'q'] });
    assert.equal(text, '<b> & "c"|1|||{"x":[1,null]}|0p,1q,');
  });

  it('do not reach what an object inherits', () => {
    const template = compileTemplate(
      '{{constructor}}|{{a.constructor.name}}|{{__proto__}}|{{a.toString}}|{{#with a}}{{lookup this "constructor"}}{{/with}}',
    );
    assert.equal(template.render({ a: { b: 1 } }), '||||');
  });

  it('say what is wrong and in which line', () => {
    assert.match(
      problem('one\n{{#if a}}\n'),
      /^[23]: a block such as \{\{#if …\}\} or .* is not closed; add \{\{\/if\}\}/,
    );
    assert.equal(problem('one\n{{#if a}}{{/each}}'), '2: {{#if}} is closed by {{/each}}');
    assert.equal(problem('one\ntwo {{'), '2: this is no expression between "{{" and "}}": {{');
    assert.equal(
      problem('Hello {{#if audience}} {{name} there'),
      '1: this is no expression between "{{" and "}}": {{name} there',
    );
    assert.equal(problem('a {{b}} {{/if}}'), '1: nothing is open that this closes: {{/if}}');
    assert.equal(problem('a {{else}}'), '1: there is no {{#if …}} that this belongs to: {{else}}');
    assert.equal(
      problem('one\n{{shout name}}'),
      '2: there is no helper "shout"; there are if, unless, each, with, lookup, json',
    );
    assert.equal(problem('{{#eahc list}}{{/eahc}}'), '1: there is no helper "eahc"; did you mean "each"?');
    assert.equal(
      problem('{{name size=3}}'),
      '1: there is no helper "name"; there are if, unless, each, with, lookup, json',
    );
    assert.equal(problem('\n\n{{#if a b}}{{/if}}'), '3: if takes 1 argument, not 2');
    assert.equal(problem('{{lookup a}}'), '1: lookup takes 2 arguments, not 1');
    assert.equal(problem('a\n{{> other}}'), '2: partials and decorators are not available here');
    assert.equal(problem('{{log "x"}}'), '1: there is no helper "log"; there are if, unless, each, with, lookup, json');
  });

  it('take no longer than a moment, whatever is written', () => {
    const computedMs = cpuTimer();
    assert.equal(
      problem('{{#if a}}'.repeat(5_000) + '{{/if}}'.repeat(5_000)),
      `1: it has 10000 expressions in braces, and the limit is ${MAX_EXPRESSIONS}`,
    );
    assert.equal(
      problem(`{{json ${'(json '.repeat(5_000)}a${')'.repeat(5_000)}}}`),
      '1: an expression in braces is longer than 1000 characters',
    );
    assert.equal(
      compileTemplate(`{{#if a}}`.repeat(MAX_EXPRESSIONS / 2) + 'x' + '{{/if}}'.repeat(MAX_EXPRESSIONS / 2)).render({
        a: 1,
      }),
      'x',
    );
    assert.equal(compileTemplate(`{{! ${'long '.repeat(9_000)} }}{{a}}`).render({ a: 'b' }), 'b');
    assert.ok(computedMs() < 10_000);
  });

  it('end with an error where nested loops or repeated values would grow without end', () => {
    const list = Array.from({ length: 5_000 }, () => 1);
    const computedMs = cpuTimer();
    const endless =
      '{{#each a}}{{#each ../a}}{{#each ../../a}}{{#each ../../../a}}{{/each}}{{/each}}{{/each}}{{/each}}';
    const tooLong = { name: 'TemplateError', message: `the text becomes longer than ${MAX_RENDERED_TEXT} characters` };
    assert.throws(() => compileTemplate(endless).render({ a: list }), tooLong);
    assert.throws(
      () => compileTemplate('{{#a}}{{#../a}}{{#../../a}}x{{/../../a}}{{/../a}}{{/a}}').render({ a: list }),
      tooLong,
    );
    assert.throws(() => compileTemplate('{{a}}'.repeat(400)).render({ a: 'x'.repeat(250_000) }), TemplateError);
    assert.ok(computedMs() < 10_000);
  });

  it('turn a value that has no text into an error of theirs', () => {
    assert.throws(() => compileTemplate('{{a}}').render({ a: { toString: 'x' } }), TemplateError);
  });
});
