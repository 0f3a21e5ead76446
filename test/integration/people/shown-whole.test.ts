/** What is approved is what was shown. Real server and worker, a model that the test scripts. */
import assert from 'node:assert/strict';
import { type PendingRequest, type SessionHandle, subjectDigest } from '../../../src/client.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling, done } from '../../helpers/replies.ts';
import { nextRequest } from '../../helpers/requests.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { itInFull } from '../../helpers/full.ts';
import type { World } from '../../helpers/world.ts';

const SHORT = `echo ${'A'.repeat(5_000)} >/dev/null; touch short`;
const LONG = `echo ${'A'.repeat(50_000)} >/dev/null; touch long`;

describe('what is approved', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({ default: { agents: { engineer: { tools: ['shell', 'write_file'] } } } });
  });
  after(() => world.stop());

  async function asked(...commands: readonly string[]): Promise<[SessionHandle, PendingRequest]> {
    playTeam(world.model, {
      files: ['a.txt'],
      instead: ({ phase, lastRole }) =>
        phase !== 'step'
          ? undefined
          : lastRole === 'tool'
            ? done('it ran')
            : calling(...commands.map((command): [string, object] => ['shell', { command }])),
    });
    const session = await world.copilot.create({ mode: 'planning-control', config: { approvals: { plan: false } } });
    await session.send('do it', { wait: false });
    return [session, await nextRequest(session)];
  }

  it('[H07] a call of 5,000 characters is in the request, whole', async () => {
    const [session, request] = await asked(SHORT);
    assert.equal(request.isCut, false);
    assert.deepEqual(JSON.parse(request.tool?.arguments ?? ''), { command: SHORT });
    assert.equal(request.digest, subjectDigest(request));
    const { verdict } = await session.decide(request.id, 'once', { digest: request.digest });
    assert.equal(verdict.decision, 'once');
    assert.equal((await session.awaitTurn(request.turnId)).status, 'completed');
  });

  it('[H07] a longer call is marked as cut, readable whole, and approved only by the digest of the whole', async () => {
    const [session, request] = await asked(LONG);
    assert.equal(request.isCut, true);
    assert.notEqual(subjectDigest(request), request.digest);
    for (const decision of ['once', 'session'] as const) {
      await assert.rejects(session.decide(request.id, decision), { type: 'NotShownWhole' });
    }
    const other = subjectDigest({ ...request, tool: null });
    await assert.rejects(session.decide(request.id, 'once', { digest: other }), { type: 'DigestMismatch' });
    assert.deepEqual(await session.requests(), [request]);
    const whole = await session.request(request.id);
    assert.equal(whole.isCut, false);
    assert.deepEqual(JSON.parse(whole.tool?.arguments ?? ''), { command: LONG });
    assert.equal(subjectDigest(whole), request.digest);
    await session.decide(request.id, 'once', { digest: subjectDigest(whole) });
    assert.equal((await session.awaitTurn(request.turnId)).status, 'completed');
    const record = await session.request(request.id);
    assert.ok('verdict' in record && record.verdict.decision === 'once' && record.isCut);
    assert.equal(record.digest, request.digest);
  });

  itInFull('[H07] a long call can be denied without its digest', async () => {
    const [session, { id, turnId }] = await asked(LONG);
    await session.decide(id, 'deny');
    assert.equal((await session.awaitTurn(turnId)).status, 'completed');
  });

  it('[H07] a plan is approved with the steps that were shown: a change makes the decision void', async () => {
    playTeam(world.model, { files: ['a.txt', 'b.txt'] });
    const session = await world.copilot.create({ config: { approvals: { plan: true, beforeStep: true } } });
    await session.send('write two files', { wait: false });
    const shown = await nextRequest(session);
    const plan = await session.plan();
    assert.deepEqual(
      shown.steps?.map(({ task, notes }) => [task, notes]),
      plan?.steps.map(({ task, notes }) => [task, notes]),
    );
    assert.equal(shown.digest, subjectDigest(shown));
    await session.editPlan([{ op: 'change', step: 2, task: `another task ${'B'.repeat(9_999)}`.slice(0, 10_000) }]);
    await assert.rejects(session.decide(shown.id, 'approve', { digest: shown.digest }), { type: 'DigestMismatch' });
    const changed = await nextRequest(session);
    assert.match(changed.steps?.[1]?.task ?? '', /^another task B+$/);
    await session.decide(changed.id, 'approve', { digest: changed.digest });
    const step = await nextRequest(session);
    assert.deepEqual(
      step.steps?.map(({ number, task }) => [number, task]),
      [[1, plan?.steps[0]?.task]],
    );
    await session.interrupt();
  });

  it('[H07] a plan too long for lists is cut, and approved by the digest of the whole', async () => {
    playTeam(world.model, { files: ['a.txt', 'b.txt'] });
    const session = await world.copilot.create({ config: { approvals: { plan: true } } });
    await session.send('write two files', { wait: false });
    const { id } = await nextRequest(session);
    const [first, second] = ['A', 'B'].map((letter) => letter.repeat(9_990));
    await session.editPlan([
      { op: 'change', step: 1, task: `first ${first}`.slice(0, 10_000) },
      { op: 'change', step: 2, task: `last ${second}`.slice(0, 10_000), agent: 'engineer' },
    ]);
    await assert.rejects(session.decide(id, 'approve'), { type: 'NotShownWhole' });
    const whole = await session.request(id);
    assert.match(whole.steps?.[1]?.task ?? '', /^last B{9990}$/);
    await session.decide(id, 'approve', { digest: subjectDigest(whole) });
    await session.interrupt();
  });

  it('of a request that there never was: says which ones wait', async () => {
    const session = await world.copilot.create();
    await assert.rejects(session.request('req-9'), { type: 'RequestNotFound' });
  });
});
