/** Where a fork begins: what of a session belongs to a turn, and what came later. */
import assert from 'node:assert/strict';
import { cutAtTurn } from '../../../src/client/creation/fork-session.ts';
import { checkExport } from '../../../src/client/creation/import-session.ts';
import { digestOf } from '../../../src/contracts/digest.ts';
import type { SessionExport } from '../../../src/client.ts';
import { exportedSession, snapshotAt } from './exported-session.ts';

const rewound = (turns: number, until: number, changes: Partial<SessionExport> = {}) =>
  cutAtTurn({ ...exportedSession(turns), ...changes }, until);

const snapshotsOf = ({ context }: SessionExport) => context.snapshots.map(({ id }) => id);

describe('fork', () => {
  it('keeps conversation and turns up to the turn, and has used nothing', () => {
    const from = rewound(5, 2);
    assert.deepEqual(
      from.conversation.map(({ text }) => text),
      ['question 1', 'answer 1', 'question 2', 'answer 2'],
    );
    assert.deepEqual(
      from.turns.map(({ number }) => number),
      [1, 2],
    );
    assert.deepEqual([from.session.turnCount, from.usage], [2, {}]);
    // Of both snapshots of turn 2 the one after it.
    assert.deepEqual(snapshotsOf(from), ['snap-1', 'snap-2', 'snap-3', 'snap-4']);
    assert.deepEqual([from.context.version, from.context.snapshotCount], [2, 4]);
  });

  it('at the latest turn keeps the present context', () => {
    const { conversation, turns, context } = rewound(5, 5);
    assert.deepEqual([conversation.length, turns.length], [10, 5]);
    assert.deepEqual(context, exportedSession(5).context);
  });

  it('takes the newest older snapshot where the turn has none, and refuses where there is none at all', () => {
    const { context } = exportedSession(5);
    const without2 = context.snapshots.filter(({ metadata }) => metadata['turn'] !== 2);
    assert.deepEqual(snapshotsOf(rewound(5, 2, { context: { ...context, snapshots: without2 } })), [
      'snap-1',
      'snap-2',
    ]);
    const later = { ...context, snapshots: [snapshotAt(5, 'snap-9')] };
    assert.throws(() => rewound(5, 2, { context: later }), /turn \(2\) is not valid: no snapshot of the context/);
    // A context that was never changed needs none.
    assert.equal(rewound(5, 2, { context: { ...context, version: 0, snapshots: [] } }).context.version, 0);
  });

  it('refuses a turn that is not there and names those that are', () => {
    assert.throws(() => rewound(3, 4), /turn \(4\) is not valid: turns that can be forked at: 1, 2, 3\./);
    assert.throws(() => rewound(0, 1), /no turn of this session has ended yet/);
    const { conversation } = exportedSession(3);
    assert.throws(() => rewound(3, 1, { conversation: conversation.slice(2) }), /forked at: 2, 3\./);
  });

  it('forgets a saved position of later, and keeps messages without a number that came before', () => {
    const file = exportedSession(3);
    const saved = { phase: 'mine', step: 7 };
    const remark = { role: 'user', text: 'what was before' } as const;
    const changes = { session: { ...file.session, saved }, conversation: [remark, ...file.conversation] };
    assert.deepEqual(rewound(3, 1, changes).session.saved, null);
    assert.deepEqual(rewound(3, 3, changes).session.saved, saved);
    assert.equal(rewound(3, 1, changes).conversation[0]?.text, 'what was before');
  });
});

describe('import', () => {
  it('takes what export gave', () => {
    assert.deepEqual(checkExport(exportedSession(2)), exportedSession(2));
  });

  it('takes a team of before there was a setting, under the digest that it had then', () => {
    const file = exportedSession(1);
    const { modes: _, ...definition } = file.team.definition;
    const old = checkExport({ ...file, team: { digest: digestOf(definition), definition } });
    assert.deepEqual([old.team.definition.modes, old.team.digest], [{}, digestOf(definition)]);
  });

  it('names what is wrong with a file', () => {
    const file = exportedSession(2);
    const refused = (given: unknown, message: RegExp) => assert.throws(() => checkExport(given), message);
    refused(null, /file is not valid: it is not an exported session/);
    refused({ ...file, format: 'other' }, /it is not an exported session/);
    refused({ ...file, schemaVersion: 2 }, /file\.schemaVersion \(2\).*this program reads version 1/);
    refused({ ...file, usage: { a: 1 } }, /file\.usage\.a \(1\)/);
    refused(
      { ...file, session: { ...file.session, name: '' } },
      /file\.session\.name \(""\) is not valid: it is empty/,
    );
    refused({ ...file, context: { ...file.context, values: { a: Number.NaN } } }, /file\.context\.values.*NaN/);
    const other = { ...file.team.definition, description: 'another team' };
    refused(
      { ...file, team: { ...file.team, definition: other } },
      /file\.team\.digest \("[0-9a-f]{64}"\) is not valid: it does not match the definition beside it/,
    );
    refused({ ...file, team: { ...file.team, digest: 'abc' } }, /file\.team\.digest \("abc"\)/);
  });
});
