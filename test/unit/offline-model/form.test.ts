/** Forms that agents must answer in, as the offline model fills them. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { openOutput } from '../../../src/agents/files/output-form.ts';
import { fillForm } from '../../../dev/offline-model/form.ts';

describe('offline model: answers in a form', () => {
  const seed = Date.now() & 0xffff;

  it(`fit the form, whatever it is (seed ${seed})`, () => {
    const { part } = fc.letrec((tie) => ({
      part: fc.oneof(
        { maxDepth: 4 },
        fc.constant({ type: 'string' }),
        fc.record({ type: fc.constant('string'), minLength: fc.nat(9), maxLength: fc.integer({ min: 10, max: 20 }) }),
        fc.record({ type: fc.constantFrom('integer', 'number'), minimum: fc.integer({ max: 0 }), maximum: fc.nat() }),
        fc.constant({ type: 'boolean' }),
        fc.constant({ type: ['null', 'string'] }),
        fc.record({ enum: fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 3 }) }),
        fc.record({ const: fc.constantFrom('a', 7, true) }),
        fc.record({ type: fc.constant('array'), items: tie('part') }),
        fc.record({ anyOf: fc.array(tie('part'), { minLength: 1, maxLength: 3 }) }),
        tie('object'),
      ),
      object: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), tie('part'), { maxKeys: 4 }).map((properties) => ({
        type: 'object',
        properties,
        required: Object.keys(properties),
        additionalProperties: false,
      })),
    }));
    const form = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), part, { maxKeys: 4 });
    fc.assert(
      fc.property(form, fc.string(), (properties, text) => {
        const schema = { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
        assert.equal(openOutput(schema).problemOf(fillForm(schema, text)), undefined);
      }),
      { seed, numRuns: 200 },
    );
  });

  it('say what was found: the words in texts, the number in numbers, the word that was said of several', () => {
    const schema = {
      type: 'object',
      properties: { words: { type: 'string' }, figure: { type: 'number' }, wet: { enum: ['no', 'yes'] } },
    };
    assert.deepEqual(fillForm(schema, 'Yes, 642.5 mm.'), { words: 'Yes, 642.5 mm.', figure: 642.5, wet: 'yes' });
  });

  it('end where a form contains itself', () => {
    const schema = {
      type: 'object',
      $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } } },
      properties: { node: { $ref: '#/$defs/node' } },
    };
    assert.match(JSON.stringify(fillForm(schema, 'x')), /^\{"node":\{"next":.*null.*\}$/);
  });
});
