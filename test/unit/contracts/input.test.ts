/** What people may send, and what they are told where they may not. No server needed. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ApplicationFailure } from '@temporalio/common';
import { CopilotError, ERRORS, type ErrorType, fromFailure, toFailure } from '../../../src/contracts/errors.ts';
import { utf8Bytes } from '../../../src/contracts/utf8.ts';
import { MessageText, SessionConfig, SessionId } from '../../../src/contracts/session.ts';
import { findMode } from '../../../src/contracts/team.ts';

const problem = (text: string): string | undefined => MessageText.safeParse(text).error?.issues[0]?.message;

describe('a message', () => {
  it('may be any text of whole characters up to 256 KiB, counted in UTF-8', () => {
    assert.equal(problem('hello'), undefined);
    assert.equal(problem('x'.repeat(256 * 1024)), undefined);
    assert.equal(problem('😀'.repeat(64 * 1024)), undefined);
    assert.match(problem('x'.repeat(256 * 1024 + 1)) ?? '', /longer than 256 KiB; attach a file/);
    assert.match(problem(`${'😀'.repeat(64 * 1024)}x`) ?? '', /longer than 256 KiB/);
    assert.match(problem(' \n\t') ?? '', /empty/);
    assert.match(problem('a\u0000') ?? '', /NUL/);
    assert.match(problem('\udc00') ?? '', /surrogate/);
  });

  it('is measured as UTF-8 does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        assert.equal(utf8Bytes(text), Buffer.byteLength(text, 'utf8'));
      }),
    );
  });
});

describe('a session', () => {
  it('has an id that can be a folder and a part of a key', () => {
    for (const id of ['ses_01H', 'a', 'A-b_9']) assert.ok(SessionId.safeParse(id).success, id);
    for (const id of ['', '-a', '../x', 'a/b', 'a b', 'é', 'x'.repeat(101)])
      assert.ok(!SessionId.safeParse(id).success, id);
  });

  it('takes no setting that it does not know', () => {
    assert.ok(SessionConfig.safeParse({ allowCode: true, historyLimit: 100 }).success);
    for (const config of [
      { allowcode: true },
      { historyLimit: 0 },
      { workspace: 'relative' },
      { agents: { Engineer: {} } },
    ]) {
      assert.ok(!SessionConfig.safeParse(config).success, JSON.stringify(config));
    }
  });

  it('has only modes of its own, whatever objects have by nature', () => {
    assert.equal(findMode({ modes: {} }, 'copilot')?.route, 'router');
    for (const mode of ['constructor', 'toString', '__proto__', 'nothing'])
      assert.equal(findMode({ modes: {} }, mode), undefined);
  });
});

describe('an error', () => {
  it('is the same on both sides of the workflow boundary, however deep it lies', () => {
    for (const type of Object.keys(ERRORS) as ErrorType[]) {
      const failure = toFailure(type, { sessionId: 'ses_1', problem: 'a problem', limit: 3 });
      const outer = new ApplicationFailure('outer', undefined, false, [], failure);
      const error = fromFailure(outer);
      assert.ok(error instanceof CopilotError);
      assert.equal(error.type, type);
      assert.equal(error.message, failure.message);
      assert.equal(error.retryable, !failure.nonRetryable);
      assert.deepEqual(error.details, { sessionId: 'ses_1', problem: 'a problem', limit: 3 });
    }
    assert.equal(fromFailure(new Error('something else')), undefined);
  });
});
