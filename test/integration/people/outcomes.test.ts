/** Calls with outside effects whose worker is killed in the middle: nothing is repeated, and a person says what became of them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defaultPayloadConverter } from '@temporalio/common';
import type { PendingRequest, SessionHandle, TurnView } from '../../../src/client.ts';
import type { RunToolInput } from '../../../src/contracts/activities.ts';
import { itInFull } from '../../helpers/full.ts';
import { fullHistory, until } from '../../helpers/history.ts';
import { type Ledger, openLedger } from '../../helpers/ledger.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling, done, reporting } from '../../helpers/replies.ts';
import { nextRequest } from '../../helpers/requests.ts';
import { runCli } from '../../helpers/cli.ts';
import { playTeam, type ScriptedCall } from '../../helpers/team-script.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import type { World } from '../../helpers/world.ts';

/** Longer than a kill takes, so that it hits the middle of the call. */
const EFFECT_MS = 3_000;

describe('calls whose outcome is unknown', function () {
  this.timeout(300_000);
  let world: World;
  let ledger: Ledger;
  let number = 0;

  before(async () => {
    const approvals = { tools: { shell: 'allow' } } as const;
    const agents = { writer: { tools: ['shell', 'list_files'] }, engineer: { tools: ['shell', 'list_files'] } };
    world = await startWorldOf({ default: { team: { approvals }, agents } });
    ledger = await openLedger(join(world.server.homeDir, 'ledger.txt'), EFFECT_MS);
  });
  after(async () => {
    await ledger?.close();
    await world?.stop();
  });

  const entries = async (what: string): Promise<number> =>
    (await ledger.entries()).filter((entry) => entry === what).length;

  /** The tool results that the agent has read. */
  const told: string[] = [];

  /** A direct answer: a mail beside a harmless tool, then the answer. `again` makes the same call once more. */
  function play(command: string, { again = false } = {}): void {
    told.length = 0;
    playTeam(world.model, {
      instead: ({ phase, messages, last }: ScriptedCall) => {
        if (phase !== 'one-shot') return undefined;
        const from = messages.findLastIndex(([role]) => role === 'user');
        const results = messages.slice(from).filter(([role]) => role === 'tool');
        told.splice(0, told.length, ...results.map(([, text]) => text));
        if (results.length > 0 && !(again && results.length < 3)) return { text: `I read: ${last}` };
        return calling(['shell', { command }], ['list_files', {}]);
      },
    });
  }

  async function killInTheMiddle(
    config = {},
    { again = false } = {},
  ): Promise<{
    what: string;
    command: string;
    session: SessionHandle;
    turn: TurnView;
    request: PendingRequest;
  }> {
    const what = `mail ${(number += 1)}`;
    const command = `${ledger.command(what)} # ${'x'.repeat(5_000)} the end`;
    play(command, { again });
    const session = await world.copilot.create({ mode: 'one-shot', config });
    const begun = new Promise<void>((resolve) => (ledger.onEntry = () => resolve()));
    const turn = await session.send('send it', { wait: false });
    await begun;
    ledger.onEntry = undefined;
    await restartWorker();
    return { what, command, session, turn, request: await nextRequest(session, 60_000) };
  }

  async function restartWorker(): Promise<void> {
    await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
    await world.startWorker();
  }

  it('[H14] a person is told what was called, whole, and what is unknown; nothing is repeated, also in the next run and on another worker', async () => {
    const before = Date.now();
    const { what, command, session, turn, request } = await killInTheMiddle();
    assert.equal(request.kind, 'outcome');
    assert.deepEqual(request.options, ['done', 'not-done', 'try-again']);
    assert.equal(request.tool?.name, 'shell');
    assert.deepEqual(JSON.parse(request.tool.arguments), { command });
    assert.equal(request.unknown?.attempt, 1);
    assert.ok(Date.parse(request.unknown.startedAt) >= before - 60_000);
    assert.match(request.unknown.problem, /worker stopped while it ran/);
    assert.match(request.question, /^Did shell .+ take effect\? It was begun at \d{4}-.+Z/);
    assert.match(request.onExpiry.words, /not repeated/);

    const { runs } = await session.info();
    await world.temporal.workflow.getHandle(session.id).signal('move');
    await until('the next run', async () => (await session.info()).runs > runs || undefined);
    await restartWorker();
    assert.deepEqual(await session.requests(), [request]);
    const shown = await runCli(['show', session.id], programEnvironment(world.server));
    assert.match(shown.stdout, new RegExp(`copilot decide ${session.id} ${request.id} not-done`));
    const { requests } = await world.copilot.inbox({ kind: 'outcome' });
    assert.ok(requests.some(({ sessionId }) => sessionId === session.id));
    const refused = await runCli(['approve', session.id], programEnvironment(world.server));
    assert.match(refused.stderr, /whether a call took effect.+try-again/s);

    await session.decide(request.id, 'done', { by: 'ada', text: 'the mail has number 17' });
    const { status, reply } = await session.awaitTurn(turn.id);
    assert.deepEqual([status, told[0]], ['completed', 'the mail has number 17'], reply);
    assert.equal(told.length, 2);
    assert.equal(await entries(what), 1);
    // The harmless call of the same round was made once, before people were asked.
    assert.equal((await callsOf(session)).filter(({ tool }) => tool === 'list_files').length, 1);
  });

  itInFull('[H14] "not done" tells the agent so, and "try again" makes the call again with the same key', async () => {
    const first = await killInTheMiddle();
    await first.session.decide(first.request.id, 'not-done', { by: 'ada', text: 'the server was off' });
    assert.equal((await first.session.awaitTurn(first.turn.id)).status, 'completed');
    assert.match(told[0] ?? '', /did not take effect, as ada found out\. ada says: the server was off/);
    assert.equal(await entries(first.what), 1);

    const second = await killInTheMiddle();
    await second.session.decide(second.request.id, 'try-again', { by: 'ada' });
    assert.equal((await second.session.awaitTurn(second.turn.id)).status, 'completed');
    assert.match(told[0] ?? '', /entered/);
    assert.equal(await entries(second.what), 2);
    const calls = (await callsOf(second.session)).filter(({ tool }) => tool === 'shell');
    assert.deepEqual(
      calls.map(({ attempt }) => attempt),
      [1, 1, 2], // the call, what finds out its outcome, and the call again
    );
    assert.equal(new Set(calls.map(({ key }) => key)).size, 1);
  });

  itInFull('[H14] nobody decides in time: the call is not repeated, not even if the agent makes it again', async () => {
    const { what, session, turn } = await killInTheMiddle({ approvals: { timeoutMs: 3_000 } }, { again: true });
    const { status } = await session.awaitTurn(turn.id, { signal: AbortSignal.timeout(120_000) }).then(async (view) => {
      let now = view;
      while (now.status === 'awaiting-approval') {
        await sleep(200);
        now = await session.awaitTurn(turn.id);
      }
      return now;
    });
    assert.equal(status, 'completed');
    assert.equal(told.length, 4);
    assert.match(told[0] ?? '', /Nobody knows whether this call took effect, and it was not repeated/);
    assert.match(told[2] ?? '', /Nobody knows whether this call took effect, and it was not repeated/);
    assert.equal(await entries(what), 1);
  });

  itInFull(
    '[H14] a step that is tried again is told what took effect before, and is asked about what is unknown',
    async () => {
      const what = `mail ${(number += 1)}`;
      const command = ledger.command(what);
      const briefs: string[] = [];
      playTeam(world.model, {
        files: ['a.txt'],
        instead: ({ phase, messages, lastRole }: ScriptedCall) => {
          if (phase !== 'step') return undefined;
          if (lastRole !== 'tool') {
            const [, brief = ''] = messages.at(-1) ?? [];
            briefs.push(brief);
            return brief.includes('Done by earlier attempts') ? done('it was sent') : calling(['shell', { command }]);
          }
          return reporting('failed', 'I do not trust it');
        },
      });
      const session = await world.copilot.create({ mode: 'copilot' });
      const begun = new Promise<void>((resolve) => (ledger.onEntry = () => resolve()));
      const turn = await session.send('send it', { wait: false });
      await begun;
      ledger.onEntry = undefined;
      await restartWorker();
      const request = await nextRequest(session, 60_000);
      assert.equal(request.step, 1);
      await session.decide(request.id, 'done', { by: 'ada' });
      const { status, steps } = await session.awaitTurn(turn.id);
      assert.equal(status, 'completed');
      assert.deepEqual([steps[0]?.status, steps[0]?.attempts], ['completed', 2]);
      assert.match(briefs[1] ?? '', /# Done by earlier attempts\n.+\n- shell /);
      assert.equal(await entries(what), 1);
    },
  );

  /** The calls of tools and what asks for their outcome, as the history has them, oldest first. */
  async function callsOf({ id }: SessionHandle): Promise<RunToolInput[]> {
    return (await fullHistory(world.temporal, id)).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => {
      const [input] = scheduled?.input?.payloads ?? [];
      const isTool = ['copilotRunTool', 'copilotSettleTool'].includes(scheduled?.activityType?.name ?? '');
      return isTool && input ? [defaultPayloadConverter.fromPayload<RunToolInput>(input)] : [];
    });
  }
});
