import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { createOptions } from '../../../src/cli/connected.ts';
import { parsePort } from '../../../src/cli/numbers.ts';

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

describe('a port on the command line', () => {
  it('is from 0 to 65535', () => {
    assert.deepEqual([parsePort('--port', '0'), parsePort('--port', '65535')], [0, 65_535]);
    for (const text of ['65536', '99999', '-1', '80.5', 'http', ''])
      assert.throws(
        () => parsePort('--port', text),
        /^CopilotError: --port .*is not valid: use a port from 0 to 65535\./,
      );
  });
});
