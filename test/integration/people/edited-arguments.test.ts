/** Calls that run with the arguments of a person: from the command line, for MCP tools, over runs, restarts and crashes. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionHandle } from '../../../src/client.ts';
import { wireName } from '../../../src/models/tool-names.ts';
import { type CliResult, runCli } from '../../helpers/cli.ts';
import { itInFull } from '../../helpers/full.ts';
import { until } from '../../helpers/history.ts';
import { type Ledger, openLedger } from '../../helpers/ledger.ts';
import { stdioServer } from '../../helpers/mcp.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling } from '../../helpers/replies.ts';
import { decideNext, nextRequest } from '../../helpers/requests.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import type { World } from '../../helpers/world.ts';

const SUM = wireName('everything.get-sum');

describe('edited arguments', function () {
  this.timeout(300_000);
  let world: World;
  let env: Record<string, string>;

  before(async () => {
    const tools = ['shell', 'write_file', 'everything.*'];
    const mcp = { everything: stdioServer('everything') };
    world = await startWorldOf({ default: { team: { mcp }, agents: { writer: { tools }, engineer: { tools } } } });
    env = programEnvironment(world.server);
  });
  after(() => world.stop());

  /** What the agent was told about the calls of its last round. */
  let told: string[];

  /** A direct answer that makes these calls in one round. */
  function script(...calls: readonly (readonly [name: string, args: object])[]): void {
    told = [];
    playTeam(world.model, {
      instead: ({ phase, lastRole, messages }) => {
        if (phase !== 'one-shot') return undefined;
        if (lastRole !== 'tool') return calling(...calls);
        const round = messages.slice(messages.findLastIndex(([role]) => role === 'assistant'));
        told = round.filter(([role]) => role === 'tool').map(([, text]) => text);
        return { text: 'that is all' };
      },
    });
  }

  async function asking(id: string, config = {}): Promise<SessionHandle> {
    const session = await world.copilot.create({ id, mode: 'one-shot', config });
    await session.send('do it', { wait: false });
    return session;
  }

  async function filesOf({ id }: SessionHandle): Promise<string[]> {
    const folder = join(world.server.homeDir, 'workspaces', id);
    return existsSync(folder) ? (await readdir(folder)).toSorted() : [];
  }

  async function restartWorkers(): Promise<void> {
    await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
    await world.startWorker();
  }

  /** Ends the session's present run. */
  async function moveOn(session: SessionHandle): Promise<void> {
    const { runs } = await session.info();
    await world.temporal.workflow.getHandle(session.id).signal('move');
    await until('the next run', async () => ((await session.info()).runs > runs ? true : undefined));
  }

  /** An editor that writes this in the place of what it is given, and keeps that for the test. */
  async function editorThat(action: string): Promise<{ EDITOR: string; given: () => Promise<string> }> {
    const [program, given] = [join(world.server.homeDir, 'editor.sh'), join(world.server.homeDir, 'given.json')];
    await writeFile(program, `#!/bin/sh\n[ "$1" = --wait ] || exit 9\ncp "$2" '${given}'\n${action}\n`);
    await chmod(program, 0o700);
    return { EDITOR: `${program} --wait`, given: () => readFile(given, 'utf8') };
  }

  const approve = (session: SessionHandle, editor: { EDITOR: string }, ...flags: string[]): Promise<CliResult> =>
    runCli(['approve', session.id, ...flags], { ...env, EDITOR: editor.EDITOR });

  it('[H10] `approve --edit` opens the whole arguments in the editor, and the call runs with what it leaves', async () => {
    script(['shell', { command: 'touch wrong', timeout_seconds: 5 }]);
    const session = await asking('by-editor');
    const { id } = await nextRequest(session);

    const failing = await editorThat('exit 3');
    const failed = await approve(session, failing, '--edit');
    assert.deepEqual(
      [failed.code, /editor ".*" .*ended with 3, so nothing was decided/.test(failed.stderr)],
      [2, true],
    );
    for (const [left, problem] of [
      ['rm -f /', /what the editor left is not valid: it is not one JSON object/],
      ['{"command": 7}', /The edited call of shell is not valid: .*command/],
      ['{"cmd": "ls"}', /The edited call of shell .*cmd.*optional\)\.\n$/],
    ] as const) {
      const refused = await approve(session, await editorThat(`printf %s '${left}' > "$2"`), '--edit');
      assert.equal(refused.code, 2, refused.stdout);
      assert.match(refused.stderr, problem);
    }
    assert.deepEqual([(await session.requests()).map((one) => one.id), await filesOf(session)], [[id], []]);

    const editor = await editorThat(`printf %s '{"command": "touch right"}' > "$2"`);
    const approved = await approve(session, editor, '--edit', '--wait', '--by', 'ada');
    assert.deepEqual([approved.code, approved.stdout], [0, 'that is all\n'], approved.stderr);
    assert.deepEqual(JSON.parse(await editor.given()), { command: 'touch wrong', timeout_seconds: 5 });
    assert.deepEqual(await filesOf(session), ['right']);
    assert.match(told[0] ?? '', /^\[ada changed the arguments of this call\. It ran with \{"command":"touch right"\}/);
    const decided = await runCli(['show', session.id, '--request', id], env);
    assert.match(
      decided.stdout,
      /command: touch wrong\n[\s\S]* once, by ada at .*\n +with these arguments instead:\n +command: touch right\n/,
    );

    const both = await approve(session, editor, '--edit', '--session');
    assert.deepEqual([both.code, /for this call alone/.test(both.stderr)], [2, true], both.stderr);
  });

  it('[H11] `approve --rule` allows what the pattern matches for the session, and no more', async () => {
    script(['shell', { command: 'touch one' }]);
    const session = await asking('by-rule');
    await nextRequest(session);
    for (const [rule, problem] of [
      ['fetch_url: https://example.org/*', /the rule is about fetch_url, and the request about shell/],
      ['shell: touch one; rm *', /matches nothing: it must be one command/],
      ['shell touch', /it is not a rule/],
    ] as const) {
      const refused = await runCli(['approve', session.id, '--rule', rule], env);
      assert.deepEqual([refused.code, problem.test(refused.stderr)], [2, true], refused.stderr);
    }
    const approved = await runCli(['approve', session.id, '--rule', 'shell: touch *', '--wait'], env);
    assert.deepEqual([approved.code, approved.stdout], [0, 'that is all\n'], approved.stderr);
    script(['shell', { command: 'touch two' }], ['shell', { command: 'touch three; echo' }]);
    await session.send('again', { wait: false });
    const request = await decideNext(session, 'deny');
    assert.match(request.tool?.arguments ?? '', /three/);
    await session.awaitTurn(request.turnId);
    assert.deepEqual(await filesOf(session), ['one', 'two']);
  });

  it('[H10] arguments of an MCP tool are checked by its schema, and by the rules', async () => {
    script([SUM, { a: 1, b: 2 }]);
    const session = await asking('mcp', { approvals: { tools: { network: 'ask' } } });
    const { id, tool } = await nextRequest(session);
    assert.equal(tool?.name, 'everything.get-sum');
    for (const edited of [{ a: 'one', b: 2 }, { a: 1 }, {}]) {
      const refused = session.decide(id, 'once', { arguments: edited });
      await assert.rejects(refused, {
        type: 'InvalidInput',
        message: /^The edited call of everything\.get-sum .*number/,
      });
    }
    assert.equal((await session.requests()).length, 1);
    await session.decide(id, 'once', { by: 'ada', arguments: { a: 20, b: 22 } });
    assert.equal((await session.awaitTurn('turn-1')).status, 'completed');
    assert.match(told[0] ?? '', /^\[ada changed the arguments .* \{"a":20,"b":22\} .*\n\n.*\b42\b/);

    await session.send('again', { wait: false });
    const again = await nextRequest(session);
    await session.configure({ approvals: { tools: { network: 'ask' }, rules: { 'everything.get-sum': 'deny' } } });
    const denied = session.decide(again.id, 'once', { arguments: { a: 1, b: 1 } });
    await assert.rejects(denied, { type: 'InvalidInput', message: /the rule "everything\.get-sum" denies it/ });
    await session.decide(again.id, 'deny');
    await session.awaitTurn(again.turnId);
  });

  itInFull(
    '[H10] they hold while another call of the round still waits, over the next run and another worker',
    async () => {
      script(['shell', { command: 'touch a-wrong' }], ['shell', { command: 'touch b' }]);
      const session = await asking('over-runs');
      const [first, second] = await until('two requests', async () => {
        const waiting = await session.requests();
        return waiting.length === 2 ? waiting : undefined;
      });
      assert.ok(first && second);
      await session.decide(first.id, 'once', { by: 'ada', arguments: { command: 'touch a-right' } });
      await moveOn(session);
      await restartWorkers();
      assert.deepEqual([(await session.requests()).map(({ id }) => id), await filesOf(session)], [[second.id], []]);
      await session.decide(second.id, 'once', { by: 'ada' });
      assert.equal((await session.awaitTurn('turn-1')).status, 'completed');
      assert.deepEqual(await filesOf(session), ['a-right', 'b']);
      assert.match(
        told[0] ?? '',
        /^\[ada changed the arguments of this call\. It ran with \{"command":"touch a-right"\}/,
      );
      const record = await session.request(first.id);
      assert.deepEqual(JSON.parse(record.tool?.arguments ?? ''), { command: 'touch a-wrong' });
      assert.ok('verdict' in record);
      assert.equal(record.verdict.arguments, '{"command":"touch a-right"}');
    },
  );

  describe('of a call whose worker is killed', () => {
    let ledger: Ledger;
    before(async () => {
      // Longer than a kill takes, so that it hits the middle of the call.
      ledger = await openLedger(join(world.server.homeDir, 'ledger.txt'), 3_000);
    });
    after(() => ledger.close());

    itInFull('[H10] the person is asked about the call that ran, and trying again makes that one', async () => {
      script(['shell', { command: 'touch wrong' }]);
      const session = await asking('killed');
      const { id } = await nextRequest(session);
      const command = ledger.command('edited');
      const begun = new Promise<void>((resolve) => (ledger.onEntry = () => resolve()));
      await session.decide(id, 'once', { by: 'ada', arguments: { command } });
      await begun;
      await restartWorkers();
      const request = await nextRequest(session, 60_000);
      assert.equal(request.kind, 'outcome');
      assert.deepEqual(JSON.parse(request.tool?.arguments ?? ''), { command });
      await moveOn(session);
      await session.decide(request.id, 'try-again', { by: 'ada' });
      assert.equal((await session.awaitTurn('turn-1')).status, 'completed');
      assert.deepEqual([await ledger.entries(), await filesOf(session)], [['edited', 'edited'], []]);
      assert.match(told[0] ?? '', /^\[ada changed the arguments of this call\.[\s\S]*entered/);
    });
  });
});
