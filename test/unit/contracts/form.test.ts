import assert from 'node:assert/strict';
import { checkForm, type RequestedForm } from '../../../src/contracts/form.ts';
import { formLines, formValues, parseFormLine } from '../../../src/cli/people/form-text.ts';
import { parseDecision } from '../../../src/cli/people/typed-decision.ts';

const options = [{ value: 'a', title: 'First' }, { value: 'b' }];
const FORM: RequestedForm = {
  from: 'x.y',
  fields: [
    { name: 'name', type: 'text', required: true, minLength: 2, maxLength: 5 },
    { name: 'mail', type: 'text', required: false, format: 'email' },
    { name: 'day', type: 'text', required: false, format: 'date' },
    { name: 'age', type: 'number', required: false, isInteger: true, minimum: 1, maximum: 150 },
    { name: 'ok', type: 'yes-no', required: false, default: false },
    { name: 'one', type: 'choice', required: false, options, default: 'a' },
    { name: 'some', type: 'choices', required: false, options, minItems: 1 },
  ],
};

describe('[E12] forms', () => {
  it('take what fits, with defaults for what was left out', () => {
    assert.deepEqual(checkForm(FORM, { name: 'Ada', age: 36, some: ['b', 'a'], mail: null }), {
      values: { name: 'Ada', age: 36, ok: false, one: 'a', some: ['b', 'a'] },
    });
    assert.deepEqual(checkForm({ from: 'x', fields: [] }, {}), { values: {} });
  });

  for (const [given, problem] of [
    [{}, 'the field "name" is missing'],
    [{ name: 'A' }, 'the field "name" takes at least 2 characters'],
    [{ name: 'Ada Lovelace' }, 'the field "name" takes at most 5 characters'],
    [{ name: 5 }, 'the field "name" takes a text'],
    [{ name: 'Ada', mail: 'nobody' }, 'the field "mail" takes an e-mail address'],
    [{ name: 'Ada', day: '2026-02-30' }, 'the field "day" takes a date such as 2026-11-26'],
    [{ name: 'Ada', age: 1.5 }, 'the field "age" takes a whole number'],
    [{ name: 'Ada', age: 0 }, 'the field "age" takes 1 or more'],
    [{ name: 'Ada', age: '36' }, 'the field "age" takes a number'],
    [{ name: 'Ada', ok: 'yes' }, 'the field "ok" takes true or false'],
    [{ name: 'Ada', one: 'c' }, 'the field "one" takes one of "a", "b"'],
    [{ name: 'Ada', some: [] }, 'the field "some" takes 1 to 2 options'],
    [{ name: 'Ada', some: ['a', 'a'] }, 'the field "some" takes each of its options once'],
    [{ name: 'Ada', other: 1 }, 'the form has no field "other"; its fields: name, mail, day, age, ok, one, some'],
  ] as const) {
    it(`refuse ${JSON.stringify(given)}`, () => assert.deepEqual(checkForm(FORM, given), { problem }));
  }

  it('are filled from texts: numbers, yes and no, options by value or title', () => {
    const given = [
      ['name', 'Ada'],
      ['age', '36'],
      ['ok', 'Yes'],
      ['one', 'first'],
      ['some', 'b, First'],
    ] as const;
    assert.deepEqual(formValues(FORM, given), { name: 'Ada', age: 36, ok: true, one: 'a', some: ['b', 'a'] });
    assert.deepEqual(
      formValues(FORM, [
        ['age', 'old'],
        ['ok', 'perhaps'],
      ]),
      { age: 'old', ok: 'perhaps' },
    );
  });

  it('are filled from a line of a chat', () => {
    assert.deepEqual(parseFormLine(FORM, 'name="A \\"B\\"" age=3'), { name: 'A "B"', age: 3 });
    assert.equal(parseFormLine(FORM, 'name=Ada and more'), undefined);
    const single: RequestedForm = { from: 'x.y', fields: [{ name: 'city', type: 'text', required: true }] };
    assert.deepEqual(parseFormLine(single, 'New York'), { city: 'New York' });
    assert.deepEqual(parseFormLine(single, 'a=b'), { city: 'a=b' });
    const request = { options: ['accept', 'decline', 'cancel'] as const, form: FORM };
    assert.deepEqual(parseDecision('accept name=Ada', request), { decision: 'accept', values: { name: 'Ada' } });
    assert.deepEqual(parseDecision('n', request), { decision: 'decline' });
    assert.deepEqual(parseDecision('cancel', request), { decision: 'cancel' });
    assert.equal(parseDecision('accept if it is free', request), undefined);
    assert.equal(parseDecision('Ada', request), undefined);
  });

  it('are shown with kind, bounds, default and options of each field, and a page with its address and host', () => {
    assert.deepEqual(formLines(FORM).slice(3), [
      'age (whole number, at least 1, at most 150, optional)',
      'ok (yes or no, optional, default false)',
      'one (one of, optional, default a)',
      '  - a: First',
      '  - b',
      'some (some of, with commas between, at least 1, optional)',
      '  - a: First',
      '  - b',
    ]);
    assert.deepEqual(formLines({ from: 'x.y', fields: [], url: 'https://bank.example.org@evil.example/x' }), [
      'page: https://bank.example.org@evil.example/x',
      'host: evil.example',
    ]);
  });
});
