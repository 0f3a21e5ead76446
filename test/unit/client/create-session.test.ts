import assert from 'node:assert/strict';
import { CreateOptions } from '../../../src/client/creation/create-session.ts';
import { defaultName } from '../../../src/client/creation/session-start.ts';
import { checkInput } from '../../../src/client/checked-input.ts';

const refused = (given: unknown, message: RegExp): void => {
  assert.throws(
    () => checkInput(CreateOptions, given, ''),
    (error: Error & { type?: string }) => {
      assert.equal(error.type, 'InvalidInput');
      assert.match(error.message, message);
      return true;
    },
  );
};

describe('options of a new session', () => {
  it('may be left out', () => {
    assert.deepEqual(checkInput(CreateOptions, {}, ''), {});
  });

  it('that are wrong are named with their value', () => {
    refused({ mode: 'No Mode' }, /^mode \("No Mode"\) is not valid: use lower-case letters/);
    refused({ id: '../etc' }, /^id \("\.\.\/etc"\) is not valid: use letters, digits/);
    refused({ config: { historyLimit: 3 } }, /^config\.historyLimit \(3\) is not valid: .*40/);
    refused({ config: { workspace: 'here' } }, /^config\.workspace \("here"\) is not valid: use an absolute path/);
    refused({ config: { alowCode: true } }, /^config .* is not valid: it has no field "alowCode"/);
    refused({ user: 'a\nb' }, /^user .*control characters/);
    refused({ message: '  ' }, /^message \(" {2}"\) is not valid: it is empty/);
    refused({ message: 'a\u0000b' }, /^message .*NUL/);
    refused({ message: '\ud800' }, /^message .*surrogate/);
    refused({ context: { when: new Date(0) } }, /^context.*when/);
    refused({ ifExists: 'maybe' }, /^ifExists \("maybe"\) is not valid: it must be "error" or /);
    refused({ name: 7 }, /^name \(7\) is not valid: it must be text\.?$/);
    refused({ config: { approvals: { timeoutMs: 1 } } }, /timeoutMs \(1\) is not valid: it must be at least 1000\.?$/);
    refused(null, /^options \(null\)/);
  });

  it('that are huge are named without their whole value', () => {
    const message = 'x'.repeat(10 * 1024 * 1024);
    assert.throws(
      () => checkInput(CreateOptions, { message }, ''),
      (error: Error) => {
        assert.match(error.message, /longer than 256 KiB; attach a file instead/);
        assert.ok(error.message.length < 300, `${error.message.length} characters`);
        return true;
      },
    );
  });

  it('that are nested without end are refused', () => {
    let deep: unknown = 'end';
    for (let level = 0; level < 200_000; level++) deep = [deep];
    refused({ context: { deep } }, /nested (too deeply|more than 64 levels deep)/);
  });

  it('give a session without a name its mode and time in UTC', () => {
    assert.equal(defaultName('one-shot', new Date('2026-11-21T07:05:09.123Z')), 'one-shot_20261121_070509');
  });
});
