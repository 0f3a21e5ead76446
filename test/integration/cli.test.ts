/** The program as users and scripts run it: processes, exit codes, what is on stdout. */
import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageVersion } from '../../src/package-info.ts';
import { type CliResult, runCli, startCli } from '../helpers/cli.ts';
import { itInFull } from '../helpers/full.ts';
import { until } from '../helpers/history.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

interface ShownTurn {
  readonly messageId: string;
  readonly id: string;
  readonly number: number;
  readonly status: string;
  readonly reply: string;
  readonly steps: readonly { readonly summary: string }[];
  readonly usage: { readonly modelCalls: number };
  readonly error: { readonly type: string };
}

/** What the documents of the commands hold, each some of it. */
interface Answer {
  readonly sessionId: string;
  readonly status: string;
  readonly webUrl: string;
  readonly turn: ShownTurn;
  readonly recentTurns: readonly ShownTurn[];
  readonly sessions: readonly Readonly<Record<string, unknown>>[];
  readonly next: string | null;
  readonly messages: readonly { readonly role: string; readonly text: string }[];
  readonly steps: readonly { readonly task: string; readonly status: string }[];
  readonly error: { readonly type: string; readonly message: string };
}

/** stdout as the one JSON document that it must be. */
function json({ stdout, stderr, code }: CliResult): Answer {
  assert.match(stdout, /^\{.*\}\n$/, `exit code ${code}, stdout: ${stdout}, stderr: ${stderr}`);
  return JSON.parse(stdout) as Answer; // checked by what the test asserts of it
}

describe('copilot', function () {
  this.timeout(180_000);
  let world: World;
  let env: Record<string, string>;
  const copilot = (...args: string[]): Promise<CliResult> => runCli(args, env);

  before(async () => {
    world = await startWorld();
    env = programEnvironment(world.server);
  });
  after(() => world.stop());
  beforeEach(() => playTeam(world.model));

  it('start --wait --json prints the session and its turn, send the same turn, and nothing else on stdout', async () => {
    playTeam(world.model, { files: ['x.txt'], answer: 'it is written' });
    const file = join(await mkdtemp(join(world.server.homeDir, 'in-')), 'notes.md');
    await writeFile(file, '# notes');
    const started = await copilot(
      'start',
      'write a file',
      '--wait',
      '--json',
      '--attach',
      file,
      '--context',
      'city=Ulm',
      '--user',
      'ada',
    );
    assert.equal(started.code, 0, started.stderr);
    const { sessionId, turn } = json(started);
    assert.match(sessionId, /^ses_/);
    assert.deepEqual(turn, {
      id: 'turn-1',
      messageId: turn.messageId,
      number: 1,
      status: 'completed',
      route: 'planned',
      reply: 'it is written',
      steps: [
        {
          number: 1,
          agent: 'engineer',
          task: 'write x.txt',
          status: 'completed',
          attempts: 1,
          summary: turn.steps[0]?.summary,
        },
      ],
      artifacts: ['x.txt'],
      usage: turn.usage,
    });
    assert.equal(turn.usage.modelCalls, 4);
    assert.equal(existsSync(join(world.server.homeDir, 'workspaces', sessionId, 'notes.md')), true);

    playTeam(world.model, { answer: 'again' });
    const sent = json(await copilot('send', sessionId, 'once more', '--wait', '--json', '--message-id', 'm2'));
    assert.deepEqual(Object.keys(sent), ['sessionId', 'turn']);
    assert.deepEqual(Object.keys(sent.turn), [
      'id',
      'messageId',
      'number',
      'status',
      'route',
      'reply',
      'steps',
      'artifacts',
      'usage',
    ]);
    const { messageId, number, status, reply } = sent.turn;
    assert.deepEqual([messageId, number, status, reply], ['m2', 2, 'completed', 'again']);
    assert.deepEqual(
      json(await copilot('send', sessionId, 'once more', '--wait', '--json', '--message-id', 'm2')),
      sent,
    );
  });

  it('start without --wait prints the id, and with "-" takes the message from stdin', async () => {
    const plain = await copilot('start', '--mode', 'one-shot', '--name', 'Empty one');
    assert.match(plain.stdout, /^ses_[0-9A-Z]{26}\nhttp.*\/namespaces\/default\/workflows\/ses_[0-9A-Z]{26}\n$/);
    playTeam(world.model, { answer: 'piped' });
    const piped = await runCli(['start', '-', '--mode', 'one-shot', '--wait'], env, 'a question\nin two lines');
    assert.equal(piped.stdout, 'piped\n');
    assert.match(piped.stderr, /^Session ses_/);
    assert.match(JSON.stringify(world.model.requests.at(-1)?.body.messages), /a question\\nin two lines/);
  });

  itInFull('streams the text to stderr while it comes when the answer goes into a file or pipe', async () => {
    const answer = `one ${'more '.repeat(40)}last `;
    playTeam(world.model, { answer, wordDelayMs: 200 });
    const running = startCli(['start', 'talk', '--mode', 'one-shot', '--wait'], env);
    running.process.stdin.end();
    await until('the first word', async () => running.stderr().includes('one '));
    assert.equal(running.stderr().includes('last'), false);
    const { code, stdout, stderr } = await running.ended;
    assert.equal(code, 0);
    assert.equal(stdout, `${answer}\n`);
    assert.ok(stderr.includes(answer), stderr);
  });

  it('list, show, transcript and plan read a session, open and closed', async () => {
    playTeam(world.model, { files: ['r.txt'], answer: 'read me' });
    const { sessionId } = json(
      await copilot('start', 'write a file', '--wait', '--json', '--user', 'reader', '--name', 'Read me'),
    );
    for (const status of ['active', 'completed']) {
      if (status === 'completed') await copilot('complete', sessionId);
      const listed = await until('it is listed', async () => {
        const page = json(await copilot('list', '--user', 'reader', '--status', status, '--json'));
        return page.sessions.length === 1 ? page : undefined;
      });
      assert.equal(listed.next, null);
      const [row] = listed.sessions;
      assert.deepEqual(Object.keys(row ?? {}).toSorted(), [
        'createdAt',
        'id',
        'lastActiveAt',
        'mode',
        'name',
        'phase',
        'status',
        'step',
        'updatedAt',
        'user',
      ]);
      assert.deepEqual([row?.['id'], row?.['name'], row?.['status']], [sessionId, 'Read me', status]);
      const shown = json(await copilot('show', sessionId, '--json'));
      assert.equal(shown.status, status);
      assert.deepEqual(
        shown.recentTurns.map(({ reply }) => reply),
        ['read me'],
      );
      assert.equal(shown.webUrl, `${world.server.uiUrl}/namespaces/default/workflows/${sessionId}`);
      const { messages } = json(await copilot('transcript', sessionId, '--json'));
      assert.deepEqual(
        messages.map(({ role, text }) => [role, text]),
        [
          ['user', 'write a file'],
          ['assistant', 'read me'],
        ],
      );
      const { steps } = json(await copilot('plan', sessionId, '--json'));
      assert.deepEqual(
        steps.map((step) => [step.task, step.status]),
        [['write r.txt', 'completed']],
      );
    }
    assert.match(
      (await copilot('list', '--user', 'reader')).stdout,
      /^ID +NAME +USER +MODE +STATUS.*\nses_\w+ +Read me +reader +copilot +completed/,
    );
    assert.match(
      (await copilot('show', sessionId)).stdout,
      /Status +completed[\s\S]*1\. \[completed\] write r\.txt \(engineer\)\nread me\nFiles: r\.txt/,
    );
    assert.equal((await copilot('plan', sessionId)).stdout.split('\n')[1], '1. [completed] write r.txt (engineer)');
    assert.equal((await copilot('list', '--user', 'nobody')).stdout, 'No sessions.\n');
  });

  it('suspend, continue, interrupt and complete say what they changed', async () => {
    const { sessionId } = json(await copilot('start', 'hello', '--mode', 'one-shot', '--wait', '--json'));
    const change = async (...args: string[]) => json(await copilot(...args, '--json'));
    assert.deepEqual(await change('suspend', sessionId, '--reason', 'lunch'), {
      sessionId,
      changed: true,
      status: 'suspended',
    });
    assert.deepEqual(await change('suspend', sessionId), { sessionId, changed: false, status: 'suspended' });
    assert.match((await copilot('show', sessionId)).stdout, /Status +suspended: lunch/);
    playTeam(world.model, { answer: 'back' });
    const { turn } = json(await copilot('continue', sessionId, 'are you there?', '--wait', '--json'));
    assert.deepEqual([turn.number, turn.status, turn.reply], [2, 'completed', 'back']);
    assert.deepEqual(await change('interrupt', sessionId), { sessionId, changed: false, status: 'active' });
    assert.equal((await copilot('complete', sessionId)).stdout, `${sessionId} is completed\n`);
    assert.equal((await copilot('complete', sessionId)).stdout, `${sessionId} is completed: nothing changed\n`);
  });

  itInFull('continue --wait shows the turn that was suspended to its end', async () => {
    playTeam(world.model, { files: ['one.txt', 'two.txt'], delayMs: 800, answer: 'both' });
    const session = await world.copilot.create({ message: 'write two files' });
    for await (const event of session.follow({ from: 0 })) if (event.type === 'step-ended') break;
    await session.suspend();
    const { code, stdout, stderr } = await copilot('continue', session.id, '--wait');
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'both\n');
    assert.match(stderr, /✓ step 2 completed/);
    assert.doesNotMatch(stderr, /✓ step 1 completed/);
  });

  itInFull('interrupt stops a reply, keeps what was said, and the waiting start fails', async () => {
    playTeam(world.model, { answer: 'word '.repeat(5_000), wordDelayMs: 50 });
    const running = startCli(['start', 'talk', '--id', 'stopped', '--mode', 'one-shot', '--wait', '--json'], env);
    running.process.stdin.end();
    const session = world.copilot.session('stopped');
    await until('the session', () => session.describe().catch(() => undefined));
    for await (const event of session.follow({ from: 0 })) if (event.type === 'token') break;
    assert.deepEqual(json(await copilot('interrupt', 'stopped', '--json')), {
      sessionId: 'stopped',
      changed: true,
      status: 'active',
    });
    const result = await running.ended;
    assert.equal(result.code, 1);
    const { turn } = json(result);
    assert.equal(turn.status, 'interrupted');
    assert.match(turn.reply, /^(word ?)+$/);
  });

  itInFull('a failed turn is exit code 1, with the reason', async () => {
    world.model.respond(() => ({ status: 401, error: { message: 'wrong key' } }));
    const text = await copilot('start', 'hello', '--mode', 'one-shot', '--wait');
    assert.equal(text.code, 1);
    assert.match(text.stderr, /Turn 1 failed: The model API refused the request .*Set the right key/);
    const result = await copilot('start', 'hello', '--mode', 'one-shot', '--wait', '--json');
    assert.equal(result.code, 1);
    assert.equal(json(result).turn.error.type, 'ModelRejected');
  });

  it('[U02] errors are one line on stderr, an exit code by kind, and a JSON document with --json', async () => {
    const { sessionId } = json(await copilot('start', '--json', '--id', 'erring'));
    const cases: [args: string[], code: number, type: string, message: RegExp][] = [
      [['show', 'ghost'], 3, 'SessionNotFound', /Session ghost does not exist/],
      [['start', 'x', '--team', 'ghost'], 3, 'TeamNotFound', /no team "ghost"/],
      [['start', 'x', '--mode', 'ghost'], 2, 'UnknownMode', /no mode "ghost"/],
      [['start', 'x', '--context', 'nokey'], 2, 'InvalidInput', /--context nokey/],
      [['start', 'x', '--attach', '/no/file'], 2, 'InvalidInput', /no such file/],
      [
        ['start', '--attach', '/etc/hosts', 'What is it?'],
        2,
        'InvalidInput',
        /"What is it\?" too: write the message before/,
      ],
      [
        ['start', '--ask', 'write', 'Say hi'],
        2,
        'InvalidInput',
        /no rule.*--ask takes all that follows it, "Say hi" too/,
      ],
      [['start', '--wait'], 2, 'InvalidInput', /no message; pass one, or leave --wait out\.$/m],
      [['start', 'x', '--id', sessionId], 4, 'SessionExists', /erring exists already/],
      [['send', sessionId, ' '], 2, 'InvalidInput', /it is empty/],
      [['list', '--status', 'asleep'], 2, 'InvalidInput', /status \("asleep"\)/],
      [['list', '--limit', 'all'], 2, 'InvalidInput', /--limit all/],
    ];
    for (const [args, code, type, message] of cases) {
      const [plain, result] = await Promise.all([copilot(...args), copilot(...args, '--json')]);
      assert.deepEqual([plain.code, plain.stdout], [code, ''], args.join(' '));
      assert.match(plain.stderr, /^error: [^\n]*\n$/);
      assert.match(plain.stderr, message);
      assert.equal(result.code, code);
      const { error } = json(result);
      assert.equal(error.type, type);
      assert.match(error.message, message);
    }
  });

  it('[U02] wrong use is exit code 2, help and version are not', async () => {
    for (const args of [['nonsense'], ['send'], ['list', '--nope'], ['show', 'a', 'b']]) {
      const { code, stderr } = await copilot(...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, /^error: /);
    }
    assert.equal(json(await copilot('list', '--nope', '--json')).error.type, 'InvalidInput');
    const help = await copilot('start', '--help');
    assert.equal(help.code, 0);
    assert.match(help.stdout, /Usage: copilot start \[options\] \[message\][\s\S]*Examples:/);
    assert.equal((await copilot('--version')).stdout, `${packageVersion}\n`);
  });

  it('no server is exit code 5, within seconds', async () => {
    const startedAt = Date.now();
    const { code, stdout } = await runCli(['list', '--json'], { ...env, TEMPORAL_ADDRESS: '127.0.0.1:1' });
    assert.equal(code, 5);
    assert.match(stdout, /"ServerUnreachable"/);
    assert.ok(Date.now() - startedAt < 60_000);
  });

  itInFull('follow shows tokens while they come, as text and as NDJSON, and ends with the session', async () => {
    playTeam(world.model, { answer: 'alpha beta gamma delta ', wordDelayMs: 150 });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const text = startCli(['follow', session.id], env);
    const lines = startCli(['follow', session.id, '--from-start', '--json'], env);
    await until('a follower that sees what is said', async () => {
      await session.send('is anybody there?');
      return text.stdout() !== '';
    });
    await session.send('go');
    await session.complete();
    const [plain, ndjson] = await Promise.all([text.ended, lines.ended]);
    assert.deepEqual([plain.code, ndjson.code], [0, 0]);
    assert.match(plain.stdout, /^Turn \d+: go\nalpha beta gamma delta ?\n/m);
    const events = ndjson.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; text?: string });
    const turns = events.filter(({ type }) => type === 'turn-ended').length;
    assert.equal(
      events
        .filter(({ type }) => type === 'token')
        .map((event) => event.text)
        .join(''),
      'alpha beta gamma delta '.repeat(turns),
    );
    assert.equal(events.at(-1)?.type, 'session');
  });

  itInFull('worker stops on SIGTERM with exit code 0', async () => {
    const worker = await world.startWorker();
    assert.match(worker.log(), /worker ready: copilot-\d+@\S+, task queue copilot at 127\.0\.0\.1:\d+, model http/);
    assert.equal(await worker.stop(), 0);
  });
});
