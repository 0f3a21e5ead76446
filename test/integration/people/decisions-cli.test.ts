/** Deciding and steering from the command line and in a chat. Real server and worker processes, the program as users run it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { itInFull } from '../../helpers/full.ts';
import { type CliResult, runCli, startCli } from '../../helpers/cli.ts';
import { until } from '../../helpers/history.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling, done } from '../../helpers/replies.ts';
import { nextRequest } from '../../helpers/requests.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import type { World } from '../../helpers/world.ts';

const CODE = "console.log('first')\nconsole.log('second')";
const FILES = ['a.txt', 'b.txt', 'c.txt'];

describe('deciding on the command line', function () {
  this.timeout(240_000);
  let world: World;
  let env: Record<string, string>;

  before(async () => {
    const tools = ['write_file', 'run_code', 'ask_user'];
    world = await startWorldOf({ default: { agents: { engineer: { tools }, writer: { tools } } } });
    env = programEnvironment(world.server);
  });
  after(() => world.stop());

  /** The writer calls these in one round, and then answers. */
  function playCalls(...calls: (readonly [string, object])[]): void {
    let left = 1;
    playTeam(world.model, {
      files: FILES,
      instead: ({ phase }) => (phase === 'one-shot' && left-- > 0 ? calling(...calls) : undefined),
    });
  }

  async function copilot(line: string, ...texts: string[]): Promise<CliResult> {
    return await runCli([...line.split(' '), ...texts], env);
  }

  async function json(
    line: string,
    ...texts: string[]
  ): Promise<[code: number | null, value: Record<string, unknown>]> {
    const { code, stdout, stderr } = await copilot(line, ...texts, '--json');
    assert.match(stdout, /^\{.*\}\n$/, stdout + stderr);
    return [code, JSON.parse(stdout) as Record<string, unknown>]; // checked by what the test asserts of it
  }

  it('start and send print what waits with the commands that decide it, and end with 0', async () => {
    playCalls(['run_code', { language: 'node', code: CODE }]);
    const started = await copilot('start --id print --mode one-shot --wait', 'do it');
    assert.equal(started.code, 0, started.stderr);
    assert.match(started.stdout, /^req-1: May writer run run_code node .*\?\n/);
    assert.match(started.stdout, /\n {4}code:\n {6}│ console.log\('first'\)\n {6}│ console.log\('second'\)\n/);
    assert.match(started.stdout, /\n {4}until 20.*Z; then the agent is told that it may not\n/);
    assert.match(started.stdout, /\n {4}"session" allows all calls of run_code, whatever the arguments\n/);
    assert.match(
      started.stdout,
      /\n {4}copilot approve print req-1 \[--session \| --rule "…" \| --edit\]\n {4}copilot deny print req-1 --reason "…"\n$/,
    );
    assert.match(started.stderr, /Turn 1 is awaiting-approval\./);
    const shown = await copilot('show print');
    assert.match(shown.stdout, /\? req-1: May writer run run_code/);
    const approved = await copilot('approve print --wait');
    assert.deepEqual([approved.code, approved.stdout], [0, 'done\n'], approved.stderr);
    const [decision] = await world.copilot.session('print').decisions();
    assert.deepEqual([decision?.verdict.decision, decision?.verdict.by], ['once', userInfo().username]);

    playCalls(['run_code', { language: 'node', code: CODE }]);
    const [code, { turn }] = await json('send print again --wait');
    const { status, requests } = turn as { status: string; requests: { id: string }[] }; // as turnForm makes it
    assert.deepEqual([code, status, requests.map(({ id }) => id)], [0, 'awaiting-approval', ['req-2']]);
    const denied = await copilot('deny print --by ada --wait --reason', 'not here');
    assert.deepEqual([denied.code, denied.stdout], [0, 'done\n']);
  });

  it('approve, deny and answer find the only request, and name those there are where there are several or none', async () => {
    playCalls(
      ['run_code', { language: 'node', code: '1' }],
      ['run_code', { language: 'node', code: '2' }],
      ['ask_user', { question: 'Which colour?' }],
    );
    await copilot('start --id several --mode one-shot --wait', 'do it');
    const session = world.copilot.session('several');
    const several = await copilot('approve several');
    assert.equal(several.code, 2);
    assert.match(several.stderr, /several requests wait; name one of req-1 \(May .*\), req-2 \(May .*\)\./);
    const asked = await copilot('approve several req-3');
    assert.match(asked.stderr, /req-3 is not valid: it is a question; answer it with: copilot answer several req-3/);
    assert.equal(
      (await copilot('approve several req-1')).stdout,
      `req-1 of several: once, by ${userInfo().username}\n`,
    );
    const twice = await copilot('deny several req-1');
    assert.deepEqual([twice.code, twice.stderr.includes('was decided already: once, by')], [4, true], twice.stderr);
    const limited = await copilot('approve several req-2 --limit 5');
    assert.deepEqual([limited.code, limited.stdout], [2, '']);
    assert.match(limited.stderr, /decision "once" is not valid: only "raise", for a budget, takes a limit\.\n$/);
    const unknown = await copilot('decide several req-2 yes');
    assert.match(unknown.stderr, /^error: decision "yes" is not valid: req-2 takes once, session, deny\.\n$/);
    const cut = await copilot('approve several req-2 --digest 5c1d37440515');
    assert.match(cut.stderr, /digest \("5c1d37440515"\) is not valid: use all of its 64 digits/);
    const [code, { error }] = await json('decide several req-2 skip');
    assert.deepEqual([code, (error as { type: string }).type], [2, 'InvalidInput']);
    assert.equal((await copilot('approve several req-9')).code, 3);
    assert.equal((await copilot('decide several req-2 deny --by ada')).code, 0);
    assert.equal((await copilot('answer several', 'light blue')).code, 0);
    const [turn] = await session.turns();
    assert.equal((await session.awaitTurn(turn?.id ?? '')).status, 'completed');
    assert.deepEqual(
      (await session.decisions()).map(({ verdict: { decision, text } }) => [decision, text]),
      [
        ['once', undefined],
        ['deny', undefined],
        ['answer', 'light blue'],
      ],
    );
    for (const command of ['approve', 'deny']) {
      const late = await copilot(`${command} several`);
      assert.equal(late.code, 4);
      assert.match(late.stderr, /Request req-2 was decided already: deny, by ada at 20\S+Z\.\n$/);
    }
    assert.match((await copilot('answer several', 'red')).stderr, /Request req-3 was decided already: answer, by /);
    const [, { error: decided }] = await json('approve several');
    assert.equal((decided as { type: string }).type, 'AlreadyDecided');
    await session.send('and again');
    const none = await copilot('approve several');
    assert.equal(none.code, 4);
    assert.match(none.stderr, /needs a session that is waiting for a decision; this one is not\./);
  });

  itInFull('inbox lists what waits, and how it is filtered', async () => {
    playCalls();
    await copilot('start --id mine --user ada --mode planning-control --approve-plan --wait', 'write files');
    await until('the inbox has it', async () => (await world.copilot.inbox({ user: 'ada' })).requests.length === 1);
    const { stdout, code } = await copilot('inbox --user ada');
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^SESSION +REQUEST +KIND +USER .*\nmine +req-1 +plan +ada +20\S+Z +20\S+Z +Is this plan of 3 steps right\?\n$/,
    );
    assert.equal((await copilot('inbox --user nobody')).stdout, 'No requests wait.\n');
    assert.equal((await copilot('inbox --kind nothing')).code, 2);
    const [, { requests }] = await json('inbox --user ada --kind plan');
    assert.deepEqual(
      (requests as { sessionId: string }[]).map(({ sessionId }) => sessionId),
      ['mine'],
    );
  });

  it('plan edit changes the plan that waits, and prints it', async () => {
    playCalls();
    const session = await world.copilot.create({
      id: 'planned',
      mode: 'planning-control',
      config: { approvals: { plan: true } },
    });
    const { id } = await session.send('write files');
    const edited = await copilot('plan edit planned add --agent writer --task', 'write d.txt');
    assert.equal(edited.code, 0, edited.stderr);
    assert.match(edited.stdout, /\n4\. \[pending\] write d\.txt \(writer\)\n/);
    await copilot('plan edit planned remove 1');
    await copilot('plan edit planned move 3 1');
    await copilot('plan edit planned change 2 --agent writer');
    const tasks = (await session.plan())?.steps.map(({ agent, task }) => `${agent}: ${task}`);
    assert.deepEqual(tasks, ['writer: write d.txt', 'writer: write b.txt', 'engineer: write c.txt']);
    const stale = await copilot('plan edit planned remove 1 --expected-version 1');
    assert.equal(stale.code, 4);
    const wrong = await copilot('plan edit planned swap 1 2');
    assert.deepEqual(
      [wrong.code, /use one of: add .*; remove <step>; move/.test(wrong.stderr)],
      [2, true],
      wrong.stderr,
    );
    assert.equal((await copilot('plan edit planned remove')).code, 2);
    const approved = await copilot('approve planned --wait');
    assert.equal(approved.code, 0, approved.stderr);
    const restarted = await copilot('plan edit planned restart 3');
    assert.match(restarted.stdout, /3\. \[(pending|in-progress|completed)\] write c\.txt/);
    assert.match(
      (await copilot('plan planned')).stdout,
      /^Plan of turn 1\n1\. \[completed\] write d\.txt \(writer\)\n/,
    );
    assert.equal((await session.awaitTurn(id)).status, 'completed');
  });

  itInFull('configure changes single settings, and leaves the others', async () => {
    const instructions = join(world.server.homeDir, 'instructions.txt');
    await writeFile(instructions, 'Be brief.');
    await copilot('start --id set --mode one-shot --approve-plan --budget-tokens 5000 --ask write network --no-code');
    const session = world.copilot.session('set');
    const config = async () => (await session.info()).config;
    const tools = { write: 'ask', network: 'ask' };
    assert.deepEqual(await config(), { approvals: { plan: true, tools }, budget: { tokens: 5_000 }, allowCode: false });
    await copilot(
      'configure set --agent writer --temperature 0.5 --no-approve-plan --approve-before-step --allow network',
    );
    await copilot('configure set --agent writer --model other --instructions-file', instructions);
    const [code] = await json('configure set --budget-rounds 7 --ask code --approval-timeout 1.5 --idle-timeout never');
    assert.equal(code, 0);
    assert.deepEqual(await config(), {
      agents: { writer: { temperature: 0.5, model: 'other', instructions: 'Be brief.' } },
      approvals: {
        plan: false,
        beforeStep: true,
        timeoutMs: 1_500,
        tools: { write: 'ask', network: 'allow', code: 'ask' },
      },
      budget: { tokens: 5_000, rounds: 7 },
      idleTimeoutMs: null,
    });
    await copilot('configure set --reset-approvals --reset-budget --agent writer --reset-agent --mode copilot');
    assert.deepEqual([await config(), (await session.info()).mode], [{ agents: {}, idleTimeoutMs: null }, 'copilot']);
    await copilot('configure set --model large --answering-agent engineer');
    assert.deepEqual(await config(), { agents: {}, idleTimeoutMs: null, model: 'large', agent: 'engineer' });
    await copilot('configure set --reset-model --reset-answering-agent');
    assert.deepEqual(await config(), { agents: {}, idleTimeoutMs: null });
    const wrong = [
      '',
      ' --temperature 1',
      ' --agent writer',
      ' --model a --reset-model',
      ' --answering-agent nobody',
      ' --ask nothing',
      ' --budget-tokens many',
      ' --mode none',
    ];
    const refused = await Promise.all(wrong.map((flags) => copilot(`configure set${flags}`)));
    assert.deepEqual(
      refused.map(({ code: exit }) => exit),
      Array(wrong.length).fill(2),
      JSON.stringify(refused),
    );
  });

  it('steer stops what runs and goes on with its message before what waits; unqueue takes back; rate rates', async () => {
    playTeam(world.model, { answer: 'word '.repeat(5_000), wordDelayMs: 50 });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const first = await session.send('talk', { wait: false });
    const second = await session.send('waits', { wait: false });
    const third = await session.send('is taken back', { wait: false });
    const taken = await copilot(`unqueue ${session.id} ${third.id}`);
    assert.deepEqual([taken.code, taken.stdout], [0, `${third.id} is taken back\n`]);
    const [, again] = await json(`unqueue ${session.id} ${third.messageId}`);
    assert.equal(again['changed'], false);
    await until('its text comes', async () => world.model.requests.at(-1)?.body.messages.at(-1)?.content === 'talk');
    playTeam(world.model, { answer: 'steered' });
    const steered = await copilot(`steer ${session.id} --wait`, 'say this instead');
    assert.deepEqual([steered.code, steered.stdout], [0, 'steered\n'], steered.stderr);
    await session.awaitTurn(second.id);
    const turns = (await session.turns()).map(({ id, status, number }) => [id, status, number]);
    assert.deepEqual(turns, [
      [third.id, 'interrupted', 0],
      [first.id, 'interrupted', 1],
      ['turn-4', 'completed', 2],
      [second.id, 'completed', 3],
    ]);
    const rated = await copilot(`rate ${session.id} 4 --turn 2 --by ada --comment`, 'better');
    assert.equal(rated.stdout, `${session.id} is rated 4.0 (1 rating)\n`);
    const [rating] = (await session.info()).analytics.ratings;
    assert.deepEqual([rating?.turnId, rating?.comment, rating?.by], ['turn-4', 'better', 'ada']);
    assert.equal((await copilot(`rate ${session.id} 6`)).code, 2);
  });

  describe('in a chat', () => {
    it('[U03] requests are shown in place, and lines decide them', async () => {
      const rounds = [
        calling(['run_code', { language: 'node', code: CODE }]),
        calling(['ask_user', { question: 'Which colour?' }]),
        done('all right'),
      ];
      playTeam(world.model, {
        files: ['a.txt'],
        answer: 'finished',
        instead: ({ phase }) => (phase === 'step' ? rounds.shift() : undefined),
      });
      const lines = ['do it', 'perhaps', 'approve looks good', 'yes, but not here', 'y', 'light blue', 'exit'];
      const { code, stdout, stderr } = await runCli(
        ['chat', '--id', 'talk', '--mode', 'planning-control', '--approve-plan'],
        env,
        `${lines.join('\n')}\n`,
      );
      assert.equal(code, 0, stderr);
      const shown = [
        /Plan:\n {2}1\. write a\.txt \(engineer\)\n/,
        /\? req-1: Is this plan of 1 steps right\? \[approve \/ modify \/ reject\]\n/,
        /A request waits for your decision: approve, modify, reject\. Ctrl-C stops the turn\.\n/,
        / {2}req-1: approve, by \w+\n/,
        /\? req-2: May engineer run run_code .*\? \[once \/ session \/ deny\]\n.*\n {4}code:\n {6}│ console\.log\('first'\)\n/,
        / {2}req-2: once, by \w+\n/,
        /\? req-3: Which colour\?\n/,
        /✓ step 1 completed: all right\n/,
        /finished\n/,
      ];
      let at = 0;
      for (const pattern of shown) {
        const found = pattern.exec(stdout.slice(at));
        assert.ok(found, `${String(pattern)} in ${stdout.slice(at)}`);
        at += found.index + found[0].length;
      }
      const decisions = (await world.copilot.session('talk').decisions()).map(({ verdict: { decision, text } }) => [
        decision,
        text,
      ]);
      assert.deepEqual(decisions, [
        ['approve', 'looks good'],
        ['once', undefined],
        ['answer', 'light blue'],
      ]);
    });

    itInFull('who comes later sees what waits, and a decision made elsewhere', async () => {
      playTeam(world.model, { files: ['a.txt'], answer: 'finished' });
      const session = await world.copilot.create({
        mode: 'planning-control',
        config: { historyLimit: 40, approvals: { plan: true } },
      });
      await session.send('do it');
      const { id } = await nextRequest(session);
      // The run in which it was asked has ended.
      for (let edit = 1; (await session.info()).runs < 2; edit++) await session.setContext('edit', edit);
      const one = startCli(['chat', session.id], env);
      const two = startCli(['chat', session.id], env);
      for (const terminal of [one, two]) await terminal.untilStdout(new RegExp(`\\? ${id}: Is this plan`));
      one.process.stdin.write('approve\n');
      await two.untilStdout(new RegExp(`${id}: approve, by [\\s\\S]*finished\\n`));
      two.process.stdin.write('exit\n');
      one.process.stdin.end();
      for (const terminal of [one, two]) assert.equal((await terminal.ended).code, 0);
    });
  });
});
