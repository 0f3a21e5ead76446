/** The command line with odd arguments: an exit code that says what is wrong, one line, no stack trace, no hanging. */
import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { type CliResult, runCli } from '../../helpers/cli.ts';
import { isFull } from '../../helpers/full.ts';
import { seed } from '../../helpers/random.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import { startWorld, type World } from '../../helpers/world.ts';

const TIMEOUT_MS = 45_000;
const NO_END: CliResult = { code: null, stdout: '', stderr: '' };
const AT_ONCE = 2;
/** Draws for each command; in the short form half of them have one. */
const DRAWN = isFull ? 40 : 1;
/** They run until they are stopped, where nothing is wrong. */
const LASTING = ['dev', 'worker', 'demo', 'codec', 'gateway'];
/** These, as long as a session that there is goes on. */
const LASTING_WITH_SESSION = ['follow'];
/** Done, wrong use, not found, wrong state, no server; 1 is a failed run, or a defect. */
const EXIT_CODES = [0, 2, 3, 4, 5];
/** Commands that answer no by the exit code 1. */
const SAYING_NO = ['context has', 'doctor'];

/** Files are written under some of these names: they must lead nowhere but to the working directory. */
const ODD = [
  '',
  ' ',
  '-',
  '--',
  '-1',
  '-0',
  '0',
  '1e999',
  'NaN',
  '0x10',
  '99999999999999999999',
  '1,5',
  'true',
  'null',
  '[]',
  '{"a": {"__proto__": 1}}',
  '__proto__',
  'constructor',
  'toString',
  'latest',
  'a/b',
  './a/../b',
  '/no/such/file',
  'a\nb',
  '\u001b[31m',
  '\ud800',
  '💥',
  '\u202e',
  '%s%n',
  '$(true)',
  "' OR 1=1 --",
  '*',
  '=',
  'key=',
  '=value',
  '__proto__=1',
  'x'.repeat(100_000),
  '['.repeat(50_000),
  'ses_',
  'req-1',
  'turn-1',
] as const;

interface Declared {
  readonly words: readonly string[];
  readonly parameters: number;
  readonly options: readonly string[];
  readonly valued: readonly string[];
}

describe(`[R06] the command line with odd arguments (seed ${seed})`, function () {
  this.timeout(isFull ? 7_200_000 : 400_000);
  let world: World;
  let env: Record<string, string>;
  let sessionId: string;
  let commands: Declared[];
  let cwd: string;

  before(async () => {
    world = await startWorld();
    playTeam(world.model, { answer: 'still here' });
    env = programEnvironment(world.server);
    cwd = await mkdtemp(join(world.server.homeDir, 'cwd-'));
    const session = await world.copilot.create({ id: 'here', mode: 'one-shot' });
    sessionId = session.id;
    commands = await allCommands();
  });
  after(() => world?.stop());

  async function run(args: readonly string[]): Promise<CliResult> {
    return await Promise.race([runCli(args, env, '', cwd), sleep(TIMEOUT_MS, NO_END, { ref: false })]);
  }

  async function saysWhatIsWrong(args: readonly string[]): Promise<void> {
    const { code, stdout, stderr } = await run(args);
    const what = `copilot ${args.map((arg) => JSON.stringify(arg.slice(0, 80))).join(' ')}\n${stderr.slice(0, 2_000)}`;
    assert.ok(code !== null, `no end within ${TIMEOUT_MS} ms: ${what}`);
    const isNo = code === 1 && SAYING_NO.some((words) => args.join(' ').startsWith(words));
    assert.ok(isNo || EXIT_CODES.includes(code), `exit code ${code}: ${what}`);
    assert.doesNotMatch(stderr, /^ +at |Node\.js v\d|\[object Object\]|is not a function|of undefined/m, what);
    if (code === 0 || isNo) return;
    assert.match(stderr, /^error: \S/m, what);
    assert.ok(stderr.length < 5_000, `${stderr.length} characters: ${what}`);
    if (args.includes('--json')) assert.ok('error' in JSON.parse(stdout), what);
  }

  /** Of every command what its help says, which so is asked for, too. */
  async function allCommands(words: readonly string[] = []): Promise<Declared[]> {
    const { code, stdout } = await run([...words, '--help']);
    assert.equal(code, 0, words.join(' '));
    const names = commandNames(stdout);
    if (names.length > 0) {
      const found: Declared[] = [];
      await eachOf(names, async (name) => void found.push(...(await allCommands([...words, name]))));
      return found.sort((one, other) => one.words.join(' ').localeCompare(other.words.join(' ')));
    }
    const usage = /^Usage: copilot (.*)$/m.exec(stdout)?.[1] ?? '';
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)( [<[])?/gm)];
    return [
      {
        words,
        parameters: usage.match(/ (<|\[(?!options))/g)?.length ?? 0,
        options: options.map(([, name = '']) => name),
        valued: options.flatMap(([, name = '', value]) => (value === undefined ? [] : [name])),
      },
    ];
  }

  /** Names in all groups of commands, which are all sections but these three. */
  function commandNames(help: string): string[] {
    const sections = [...help.matchAll(/^([A-Z][a-z ]+):\n((?: {2}.*\n?)+)/gm)];
    return sections
      .filter(([, title = '']) => !['Options', 'Arguments', 'Examples'].includes(title))
      .flatMap(([, , lines = '']) => [...lines.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name))
      .filter((name) => name !== 'help');
  }

  it('knows its commands', () => {
    assert.ok(commands.length > 35, commands.map(({ words }) => words.join(' ')).join());
  });

  it('ends with an exit code that says what is wrong, and with no stack trace', async () => {
    const length = Math.ceil(commands.length / (isFull ? 1 : 6));
    const some = fc.shuffledSubarray(commands, { minLength: length, maxLength: length });
    const [tried = []] = fc.sample(some, { seed, numRuns: 1 });
    const drawn = tried.flatMap((command) => fc.sample(argumentsOf(command), { seed, numRuns: DRAWN }));
    await eachOf(drawn, saysWhatIsWrong);
    assert.equal((await world.copilot.session(sessionId).info()).id, sessionId);
  });

  function argumentsOf({ words, parameters, options, valued }: Declared): fc.Arbitrary<readonly string[]> {
    const odd = fc.constantFrom(...ODD);
    const given = fc.tuple(fc.boolean(), fc.array(odd, { minLength: parameters, maxLength: parameters }));
    const option = valued.length === 0 ? fc.constant('--no-such-flag=') : fc.constantFrom(...valued);
    const flag = fc.tuple(option, odd).map(([name, value]) => `${name}=${value}`);
    return fc
      .record({ given, flag, json: fc.boolean(), isFlagged: fc.boolean(), extra: fc.nat(4) })
      .map(({ given: [isReal, values], flag: odds, json, isFlagged, extra }) => {
        const [first, ...rest] = values;
        const isOdd = isFlagged || LASTING.includes(words[0] ?? '');
        const hasSession = isReal && !LASTING_WITH_SESSION.includes(words[0] ?? '');
        return [
          ...words,
          // What begins with a hyphen would be an option, and be refused as one.
          ...(isOdd ? [odds] : []),
          ...(LASTING.includes(words[0] ?? '') ? ['--no-such-flag'] : []),
          ...(json && options.includes('--json') ? ['--json'] : []),
          ...(first === undefined ? [] : ['--', hasSession ? sessionId : first, ...rest]),
          ...(extra === 0 ? ['one too many'] : []),
        ];
      });
  }
});

/** A few at a time. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
