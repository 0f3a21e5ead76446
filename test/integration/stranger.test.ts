/** A session that somebody starts without our client. Real server, real worker process, a model that the test scripts. */
import assert from 'node:assert/strict';
import { RESOLVE_TEAM_WORKFLOW, SESSION_WORKFLOW } from '../../src/contracts/messages.ts';
import type { ResolvedTeam } from '../../src/contracts/team.ts';
import { startWorldOf } from '../helpers/own-team.ts';
import { decideNext } from '../helpers/requests.ts';
import { playTeam } from '../helpers/team-script.ts';
import type { World } from '../helpers/world.ts';

describe('a session started without the client', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({
      careful: { team: { approvals: { plan: true, beforeStep: true }, budget: { toolCalls: 1 } } },
    });
    playTeam(world.model, { files: ['a.txt', 'b.txt'] });
  });
  after(() => world.stop());

  /** Everything that the session asks until its first turn has ended, and how lists show it then. */
  async function requestsOf(id: string): Promise<{ kinds: string[]; listed: Record<string, unknown> }> {
    const session = world.copilot.session(id);
    await session.send('write', { messageId: 'first' });
    const decide = { plan: 'approve', 'before-step': 'approve', budget: 'raise' } as const;
    for (;;) {
      const turn = await session.awaitTurn('turn-1');
      const [request] = turn.requests ?? [];
      if (!request) break;
      assert.ok(request.kind in decide, JSON.stringify(request));
      await decideNext(session, decide[request.kind as keyof typeof decide]); // asserted above
    }
    const { searchAttributes } = await world.temporal.workflow.getHandle(id).describe();
    const { CopilotMode, CopilotStatus, CopilotPhase } = searchAttributes;
    return {
      kinds: (await session.decisions()).map(({ kind }) => kind),
      listed: { CopilotMode, CopilotStatus, CopilotPhase },
    };
  }

  it('[H01] [H06] asks for the same approvals and budgets in its first run, and is listed alike', async () => {
    const team = (await world.temporal.workflow.execute(RESOLVE_TEAM_WORKFLOW, {
      workflowId: 'team-of-a-stranger',
      taskQueue: 'copilot',
      args: ['careful'],
    })) as ResolvedTeam; // that workflow's result
    await world.temporal.workflow.start(SESSION_WORKFLOW, {
      workflowId: 'stranger',
      taskQueue: 'copilot',
      args: [{ start: { team } }],
    });
    const { id } = await world.copilot.create({ team: 'careful' });
    const own = await requestsOf(id);
    assert.equal((await world.copilot.session('stranger').info()).name, 'stranger');
    assert.deepEqual(await requestsOf('stranger'), own);
    assert.deepEqual(own.kinds, ['plan', 'before-step', 'budget', 'before-step', 'budget']);
    const { name, mode, runs } = await world.copilot.session('stranger').info();
    // Its first message names it.
    assert.deepEqual([name, mode, runs], ['write', 'copilot', 1]);
    const listed = (await world.copilot.list()).sessions.find((session) => session.id === 'stranger');
    assert.equal(listed?.name, 'write');
  });

  it('[H11] says which of the rules that it brings can match no call', async () => {
    const { team } = await (await world.copilot.create({ team: 'careful' })).export();
    const rules = { 'write_file: /etc/**': 'deny', shel: 'deny', 'write_file: out/**': 'ask', write_file: 'ask' };
    await world.temporal.workflow.start(SESSION_WORKFLOW, {
      workflowId: 'with-rules',
      taskQueue: 'copilot',
      args: [{ start: { team, config: { approvals: { rules } } } }],
    });
    const { notes } = await world.copilot.session('with-rules').info();
    assert.deepEqual(
      notes.map(({ text }) => text.replace(/(?<=which has ).*/, '…')),
      [
        'The rule "write_file: /etc/**" has no effect: the pattern "/etc/**" matches nothing: paths are relative to the workspace, such as "reports/**".',
        'The rule "shel" has no effect: it names no category and no tool of the team, which has …',
      ],
    );
  });
});
