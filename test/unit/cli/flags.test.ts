import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { createOptions } from '../../../src/cli/connected.ts';

describe('flags of commands that create sessions', () => {
  it('become options of the client', () => {
    assert.deepEqual(
      createOptions(
        {
          team: 'default',
          mode: 'one-shot',
          user: 'ada',
          attach: ['a.csv'],
          workspace: 'here',
          allowCode: true,
          historyLimit: '100',
        },
        'hello',
      ),
      {
        team: 'default',
        mode: 'one-shot',
        user: 'ada',
        attach: ['a.csv'],
        message: 'hello',
        config: { workspace: resolve('here'), allowCode: true, historyLimit: 100 },
      },
    );
  });

  it('take context values as JSON where they are, and as text otherwise', () => {
    assert.deepEqual(createOptions({ context: ['n=3', 'list=[1,2]', 'city=Ulm', 'eq=a=b', 'empty='] }).context, {
      n: 3,
      list: [1, 2],
      city: 'Ulm',
      eq: 'a=b',
      empty: '',
    });
  });

  it('that have no form are refused by name', () => {
    assert.throws(() => createOptions({ context: ['novalue'] }), /--context novalue is not valid: use key=value/);
    assert.throws(
      () => createOptions({ historyLimit: 'many' }),
      /--history-limit many is not valid: use a whole number/,
    );
  });
});
