/** What a person sees in a terminal, and what their keys do. A terminal emulator renders it. */
import assert from 'node:assert/strict';
import type { SessionHandle } from '../../../src/client.ts';
import { itInFull } from '../../helpers/full.ts';
import { until } from '../../helpers/history.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling, done } from '../../helpers/replies.ts';
import { nextRequest } from '../../helpers/requests.ts';
import { runCli } from '../../helpers/cli.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { startTerminal, type TestTerminal } from '../../helpers/terminal.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import type { World } from '../../helpers/world.ts';

const PASTE = 'Please compare these notes first:\nonce\nthat is all';
/** Hides its end, goes back to the start of the line, writes another command there, turns letters around, sets a title. */
const HOSTILE = 'ls\u001b[8m; touch x\u001b[0m\r\u009b2Kls -l \u202egpj.sl\u200b\u001b]0;title\u0007';
const SHOWN = 'ls␛[8m; touch x␛[0m␍<U+009B>2Kls -l <U+202E>gpj.sl<U+200B>␛]0;title␇';
/** Names have no control characters. */
const NAME = 'a\u202eb\u200bc';

describe('in a terminal', function () {
  this.timeout(300_000);
  let world: World;
  let env: Record<string, string>;
  const open: TestTerminal[] = [];

  before(async () => {
    const agents = {
      engineer: { tools: ['shell', 'write_file'] },
      writer: { tools: ['shell', 'read_file', 'write_file', 'ask_user'] },
    };
    world = await startWorldOf({ default: { agents } });
    env = programEnvironment(world.server);
  });
  afterEach(() => open.splice(0).forEach((terminal) => terminal.kill()));
  after(() => world.stop());

  function start(...args: string[]): TestTerminal {
    const terminal = startTerminal(args, env);
    open.push(terminal);
    return terminal;
  }

  /** A session that asks whether it may run this command. */
  async function asking(command: string, name?: string): Promise<SessionHandle> {
    playTeam(world.model, {
      files: ['a.txt'],
      instead: ({ phase, lastRole }) =>
        phase !== 'step'
          ? undefined
          : lastRole === 'tool'
            ? done(`it ran ${command}`)
            : calling(['shell', { command }]),
    });
    const config = { approvals: { plan: false } };
    const session = await world.copilot.create({ mode: 'planning-control', config, ...(name ? { name } : {}) });
    await session.send(`do it ${command}`, { wait: false });
    await nextRequest(session);
    return session;
  }

  itInFull('[H08] show, inbox, send --wait, follow and chat show the very command that is asked for', async () => {
    const session = await asking(HOSTILE, NAME);
    const command = (await nextRequest(session)).tool?.arguments;
    assert.deepEqual(JSON.parse(command ?? ''), { command: HOSTILE });
    for (const args of [
      ['show', session.id],
      ['chat', session.id],
      ['follow', session.id, '--from-start'],
    ]) {
      const terminal = start(...args);
      await terminal.until(/command: ls/);
      assert.ok(terminal.screen().includes(`command: ${SHOWN}`), `${args[0]}: ${terminal.screen()}`);
      terminal.kill();
    }
    const json = await runCli(['show', session.id, '--json'], env);
    assert.equal(JSON.parse(json.stdout).name, NAME);
    assert.doesNotMatch(json.stdout, /(?!\n)[\p{Cc}\u200b\u202e]/u);
    for (const args of [['inbox'], ['list'], ['show', session.id]]) {
      const { stdout } = await runCli(args, env);
      assert.doesNotMatch(stdout, /(?!\n)[\p{Cc}\u200b\u202e]/u, args[0]);
    }
    await session.interrupt();
  });

  it('[H08] show, inbox and the Web UI mark blanks of a command that are no spaces', async () => {
    const session = await asking('rm /tmp/c\u2800d\u00a0e');
    const shown = 'rm /tmp/c<U+2800>d<U+00A0>e';
    const whole = await runCli(['show', session.id], env);
    assert.ok(whole.stdout.includes(`command: ${shown}\n`), whole.stdout);
    const inbox = await runCli(['inbox'], env);
    assert.ok(inbox.stdout.includes(`run shell ${shown}?\n`), inbox.stdout);
    const details = await world.temporal.workflow
      .getHandle(session.id)
      .query<{ currentDetails: string }>('__temporal_workflow_metadata');
    assert.ok(details.currentDetails.includes(`{"command":"${shown}"}`), details.currentDetails);
    await session.interrupt();
  });

  it('[H08] text of a model, a name of a file and a tool result that would steer the terminal are seen as they are', async () => {
    const text = `it is \u001b[2Jdone\r\u001b]52;c;cm0gLXJm\u0007 \u202egnp.exe\u200b ${HOSTILE}`;
    const [seen, file] = [
      `it is ␛[2Jdone␍␛]52;c;cm0gLXJm␇ <U+202E>gnp.exe<U+200B> ${SHOWN}`,
      'no\u001b[8mtes\u202etxt.sh',
    ];
    playTeam(world.model, {
      wordDelayMs: 5,
      instead: ({ phase, lastRole }) => {
        if (phase !== 'one-shot') return undefined;
        if (lastRole === 'tool') return { text, wordDelayMs: 5 };
        return calling(['write_file', { path: file, content: 'x' }], ['read_file', { path: `${file}?` }]);
      },
    });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const sent = start('send', session.id, 'write it', '--wait');
    await sent.ended;
    const looks = { send: sent };
    for (const args of [
      ['show', session.id],
      ['transcript', session.id],
      ['chat', session.id],
      ['follow', session.id, '--from-start'],
    ]) {
      const terminal = start(...args);
      await terminal.until(args[0] === 'show' ? /Workspace|Files|turn/i : /is ␛/);
      Object.assign(looks, { [args[0] ?? '']: terminal });
    }
    for (const [name, terminal] of Object.entries(looks)) {
      if (name !== 'show') assert.ok(terminal.screen().includes(seen), `${name}: ${terminal.screen()}`);
      assert.doesNotMatch(terminal.screen(), /(?!\n)[\p{Cc}\u200b\u202e]/u, name);
    }
    assert.match(sent.screen(), /no␛\[8mtes<U\+202E>txt\.sh/);
    assert.match(looks.send.screen(), /write_file/);
    const { stdout } = await runCli(['transcript', session.id, '--json'], env);
    assert.ok(stdout.includes(JSON.stringify(text).slice(1, 8)));
    assert.doesNotMatch(stdout, /(?!\n)[\p{Cc}\u200b\u202e]/u);
  });

  itInFull('[H08] send --wait shows the command that waits as it is, and follow a hostile message', async () => {
    playTeam(world.model, {
      instead: ({ phase, lastRole }) =>
        phase === 'one-shot' && lastRole !== 'tool' ? calling(['shell', { command: HOSTILE }]) : undefined,
    });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const terminal = start('send', session.id, 'go\u202eo', '--wait');
    assert.equal(await terminal.ended, 0);
    assert.ok(terminal.screen().includes(`command: ${SHOWN}`), terminal.screen());
    const follower = start('follow', session.id, '--from-start');
    await follower.until(/go<U\+202E>o[\s\S]*command: ls/);
    assert.ok(follower.screen().includes(`command: ${SHOWN}`), follower.screen());
    await session.interrupt();
  });

  it('[H07] approve shows a command of 5,000 characters whole, asks, and approves what it has shown', async () => {
    const session = await asking(`echo ${'A'.repeat(5_000)} >/dev/null; touch end`);
    const terminal = start('approve', session.id);
    await terminal.until(/\[y\/N\]/);
    assert.match(terminal.screen(), /command: echo A{5000} >\/dev\/null; touch end\n/);
    terminal.type('y\r');
    assert.equal(await terminal.ended, 0);
    assert.equal((await session.decisions()).at(-1)?.verdict.decision, 'once');
  });

  it('[H07] what is too long for a view is marked, and a chat approves it only after /show', async () => {
    const session = await asking(`echo ${'A'.repeat(30_000)} >/dev/null; touch end`);
    const refused = await runCli(['approve', session.id], env);
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /copilot show ses_\S+ --request req-1/);
    const terminal = start('chat', session.id);
    await terminal.until(/cut here[\s\S]*\[y\/n/);
    terminal.type('y\r');
    await terminal.until(/Read all of it with \/show/);
    assert.equal((await session.requests()).length, 1);
    terminal.type('/show\r');
    await terminal.until(/\/show\n[\s\S]*touch end\n[\s\S]*\[y\/n/);
    terminal.type('y\r');
    await until('the decision', async () => (await session.decisions()).length === 1);
    const shown = await runCli(['show', session.id, '--request', 'req-1'], env);
    assert.match(shown.stdout, /once, by /);
  });

  it('[H09] a paste is one text that is shown, edited and sent by Enter', async () => {
    playTeam(world.model, { answer: 'compared' });
    const terminal = start('chat', '--mode', 'one-shot', '--id', 'pasted');
    await terminal.until(/\n>/);
    terminal.paste(PASTE);
    await terminal.until(/> Please compare these notes first:\nonce\nthat is all/);
    assert.equal((await world.copilot.session('pasted').info()).turns, 0);
    terminal.type('!\r');
    await terminal.until(/compared/);
    terminal.type('one\\\rtwo\u001b\rthree\r');
    await terminal.until(/compared[\s\S]*compared/);
    const { messages } = await world.copilot.session('pasted').transcript();
    assert.deepEqual(
      messages.filter(({ role }) => role === 'user').map(({ text }) => text),
      [`${PASTE}!`, 'one\ntwo\nthree'],
    );
    terminal.type('/nothing\r/help\r');
    await terminal.until(/There is no command \/nothing[\s\S]*Alt-Enter/);
    terminal.type('/quit\r');
    assert.equal(await terminal.ended, 0);
    assert.equal((await world.copilot.session('pasted').info()).turns, 2);
  });

  itInFull('what happens meanwhile is shown between the prompts, and a begun text comes back whole', async () => {
    playTeam(world.model, { answer: 'heard' });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const terminal = start('chat', session.id);
    await terminal.until(/\n>/);
    await session.send('hello');
    await terminal.until(/says more\.\nyou, elsewhere: hello\n[\s\S]*heard\n>$/);
    terminal.type('one\\\rtwo');
    await terminal.until(/> one\ntwo$/);
    await session.send('again');
    await terminal.until(/heard\n> one\ntwo\nyou, elsewhere: again\n[\s\S]*heard\n> one\ntwo$/);
    terminal.type('\r');
    await until('the message', async () => (await session.info()).turns === 3);
    await session.awaitTurn('turn-3');
    const { messages } = await session.transcript();
    assert.deepEqual(messages.findLast(({ role }) => role === 'user')?.text, 'one\ntwo');
  });

  it('[H09] with a request waiting, a paste is a message and decides nothing; y, typed alone, does', async () => {
    const session = await asking('echo hello');
    const terminal = start('chat', session.id);
    // The prompt is there again behind what happened before the chat began.
    await terminal.until(/step 1[\s\S]*\[y\/n/);
    terminal.paste(PASTE);
    terminal.type('\r');
    await terminal.until(/still waits for your decision/);
    terminal.paste('once');
    terminal.type('\r');
    await until('two queued messages', async () => (await session.info()).queueLength === 2);
    assert.equal((await session.requests()).length, 1);
    terminal.type('yes please\r');
    await until('the decision', async () => (await session.decisions()).length === 1);
    assert.equal((await session.decisions())[0]?.verdict.decision, 'once');
  });

  it('[H09] keys typed before the request was shown do not decide it', async () => {
    playTeam(world.model, {
      files: ['a.txt'],
      instead: ({ phase, lastRole }) =>
        phase === 'step' && lastRole !== 'tool' ? calling(['shell', { command: 'echo early' }]) : undefined,
    });
    const session = await world.copilot.create({ mode: 'planning-control', config: { approvals: { plan: false } } });
    const terminal = start('chat', session.id);
    await terminal.until(/\n>/);
    terminal.type('y');
    await terminal.until(/> y$/);
    await session.send('do it', { wait: false });
    await terminal.until(/\n\? req-1: May[\s\S]*> y$/);
    terminal.type('\r');
    await terminal.until(/begun before the request was shown[\s\S]*\[y\/n/);
    assert.deepEqual([(await session.requests()).length, (await session.info()).queueLength], [1, 0]);
    terminal.type('n\r');
    await until('the decision', async () => (await session.decisions()).length === 1);
    assert.equal((await session.decisions())[0]?.verdict.decision, 'deny');
  });

  itInFull('[H09] a line in which the request appears decides nothing and is a message', async () => {
    const session = await world.copilot.create({ mode: 'planning-control', config: { approvals: { plan: false } } });
    const terminal = start('chat', session.id);
    await terminal.until(/\n>/);
    terminal.type('reall');
    await terminal.until(/> reall/);
    playTeam(world.model, {
      files: ['a.txt'],
      instead: ({ phase, lastRole }) =>
        phase === 'step' && lastRole !== 'tool' ? calling(['shell', { command: 'echo within' }]) : undefined,
    });
    await session.send('do it', { wait: false });
    await terminal.until(/\n\? req-1: May[\s\S]*> reall/);
    terminal.type('y\r');
    await terminal.until(/still waits for your decision[\s\S]*\[y\/n/);
    assert.deepEqual([(await session.requests()).length, (await session.info()).queueLength], [1, 1]);
    terminal.type('word');
    await terminal.until(/\[y\/n[^\n]*word/);
    terminal.type('\u0015y\r');
    await until('the decision', async () => (await session.decisions()).length === 1);
    assert.equal((await session.decisions())[0]?.verdict.decision, 'once');
  });

  itInFull('[H09] after a decision, here or elsewhere, the next line of the same turn is a message', async () => {
    const ask = calling(['ask_user', { question: 'Which colour?' }]);
    const run = calling(['shell', { command: 'echo hello' }]);
    for (const [asks, typed, by] of [
      [run, 'y\r', 'here'],
      [ask, 'red\r', 'here'],
      [run, '', 'ada'],
      [ask, '', 'ada'],
    ] as const) {
      let goOn: () => void = () => undefined;
      const after = new Promise<void>((resolve) => (goOn = resolve));
      playTeam(world.model, {
        instead: ({ phase, last, lastRole }) => {
          if (phase !== 'one-shot') return undefined;
          if (lastRole === 'tool') return { text: 'counted to 25', after };
          return last.includes('2+2') ? { text: 'it is 4' } : asks;
        },
      });
      const session = await world.copilot.create({ mode: 'one-shot' });
      const terminal = start('chat', session.id);
      await terminal.until(/\n>$/);
      terminal.type('count to 25\r');
      await terminal.until(asks === ask ? /\nanswer>$/ : /\n\[y\/n[^\n]*\]$/);
      if (typed === '') await session.decide('req-1', asks === ask ? 'answer' : 'once', { by, text: 'red' });
      else terminal.type(typed);
      await terminal.until(/ {2}req-1: (?:once|answer), by /);
      terminal.type('/show\r');
      await terminal.until(/No request waits\./);
      terminal.type('What is 2+2?x\u007f\r');
      await until('the queued message', async () => (await session.info()).queueLength === 1);
      goOn();
      await terminal.until(/counted to 25[^]*it is 4\n>$/);
      const [, later = ''] = terminal.screen().split(/req-1: (?:once|answer), by /);
      assert.doesNotMatch(later, /answer>|\[y\/n|error|waits for your decision/, `decided ${by}`);
      terminal.kill();
    }
  });

  it('[H09] a decision that is typed while somebody else decides is no message', async () => {
    const session = await asking('echo twice');
    const terminal = start('chat', session.id);
    await terminal.until(/step 1[\s\S]*\[y\/n/);
    terminal.type('ye');
    await terminal.until(/\] ye$/);
    await session.decide('req-1', 'once', { by: 'ada' });
    await terminal.until(/req-1: once, by ada/);
    terminal.type('s\r');
    await terminal.until(/req-1 was decided already, so this line was not sent/);
    assert.equal((await session.info()).turns, 1);
  });
});
