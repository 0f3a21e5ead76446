/** Team files with anything in them: a clear error with file and line, soon. `COPILOT_TEST_SEED` draws the same ones again. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { loadTeam } from '../../../../src/agents/files/load-team.ts';
import { CopilotError } from '../../../../src/contracts/errors.ts';
import { builtInTools as tools } from '../../../../src/tools/registry.ts';
import { cpuTimer } from '../../../helpers/cpu-time.ts';
import { isFull, someOf } from '../../../helpers/full.ts';
import { draw, seed } from '../../../helpers/random.ts';
import { agentsFolder, FILES, removeFolders } from './team-folder.ts';

/** Of the processor, and far above what it takes; what grows without bound takes longer. */
const SOON_MS = 20_000;
const DEPTH = 60_000;
const WIDTH = 60_000;

const bomb = [
  'a: &a0 [x]',
  ...Array.from({ length: 30 }, (_, n) => `b${n}: &a${n + 1} [${Array(9).fill(`*a${n}`).join()}]`),
];

/** What may stand in the place of any value. */
const VALUES: Readonly<Record<string, string>> = {
  nothing: '',
  null: 'null',
  'a number': '1e999',
  'not a number': '.nan',
  'a time': '2001-12-14t21:59:43.10-05:00',
  'a set': '!!set {a, b}',
  bytes: '!!binary "////"',
  'a class': '!!js/function "() => process.exit(1)"',
  'an unknown tag': '!<tag:example.org,2000:x> y',
  'an unknown alias': '*nobody',
  itself: '&self [*self]',
  'merged keys': '{<<: {description: x}, description: y}',
  'a reserved key': '{__proto__: {instructions: x}}',
  'other reserved keys': '{constructor: {prototype: {isAdmin: true}}, toString: x}',
  'a key that is a list': '{? [a, b] : c}',
  'a tab': '\n\tx: y',
  NUL: '"\\0"',
  'half of a surrogate pair': '"\\ud800"',
  'a long text': `"${'x'.repeat(200_000)}"`,
  'a long number': '9'.repeat(200_000),
  'many items': `[${'x,'.repeat(WIDTH)}]`,
  'many keys': `{${Array.from({ length: WIDTH / 4 }, (_, n) => `k${n}: 1`).join()}}`,
  'lists in each other': '['.repeat(DEPTH) + ']'.repeat(DEPTH),
  'unclosed lists in each other': '['.repeat(DEPTH),
  'maps in each other': '{a: '.repeat(DEPTH / 2) + '}'.repeat(DEPTH / 2),
  'indents in each other': Array.from({ length: 500 }, (_, n) => `\n${' '.repeat(n + 1)}a:`).join(''),
  'dashes in each other': `\n${'- '.repeat(DEPTH)}x`,
  'a template in each other': `"${'{{#if a}}'.repeat(5_000)}"`,
};

/** Places in a file that each value is put in, drawn by the seed. `COPILOT_TEST_FULL` takes all. */
const PLACES = 5;
/** Of those, where long values are put. */
const PLACES_OF_LONG = 1;

const FILES_OF_TEXT: Readonly<Record<string, string | Buffer>> = {
  'a bomb of aliases': bomb.join('\n'),
  'two documents': 'a: 1\n---\nb: 2\n',
  'a directive': '%YAML 9.9\n---\na: 1\n',
  'a byte order mark': '\ufeffdescription: x\n',
  'UTF-16': Buffer.from('description: x\n', 'utf16le'),
  'broken UTF-8': Buffer.from([0x61, 0x3a, 0x20, 0xc3, 0x28, 0xed, 0xa0, 0x80]),
  'NUL bytes': Buffer.alloc(1_000),
  'every byte': Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  'the same key often': 'description: x\n'.repeat(5_000),
  anchors: Array.from({ length: 5_000 }, (_, n) => `k${n}: &a${n} x`).join('\n'),
  aliases: `a: &a x\nb:\n${'- *a\n'.repeat(40_000)}`,
  'many keys': Array.from({ length: 20_000 }, (_, n) => `k${n}: x`).join('\n'),
  comments: '# x\n'.repeat(50_000),
  'quotes that do not end': '"'.repeat(50_001),
  colons: ':'.repeat(100_000),
  'question marks': '? '.repeat(50_000),
  'percent signs': '%'.repeat(100_000),
  'a flow in each other': '{a: ['.repeat(5_000),
};

describe(`[R06] agents: loading team files with anything in them (seed ${seed})`, function () {
  this.timeout(isFull ? 1_800_000 : 180_000);
  let folder: string;

  before(async () => void (folder = await agentsFolder()));
  after(removeFolders);

  /** Writes the file, loads the team, and puts the good file back. */
  async function loadsOrSaysWhy(file: string, content: string | Buffer, what: string): Promise<boolean> {
    await writeFile(join(folder, 'small', file), content);
    const computedMs = cpuTimer();
    try {
      await loadTeam(folder, 'small', tools);
      return true;
    } catch (error) {
      assert.ok(error instanceof CopilotError, `${what}: ${String(error)}`);
      assert.equal(error.type, 'InvalidTeam', what);
      assert.match(error.message, /^small\/[a-z]+\.yaml:[1-9]\d*: ./, what);
      assert.ok(error.message.length < 2_000, `${what}: ${error.message.length} characters`);
      assert.doesNotMatch(error.message, /is not a function|undefined|\[object|at .*:\d+:\d+/, what);
      return false;
    } finally {
      const tookMs = computedMs();
      assert.ok(tookMs < SOON_MS, `${what}: ${tookMs} ms`);
      await writeFile(join(folder, 'small', file), FILES[file] ?? '');
    }
  }

  for (const [what, text] of someOf(Object.entries(FILES_OF_TEXT), 2)) {
    it(`${what} in a file`, async () => {
      for (const file of ['team.yaml', 'writer.yaml']) {
        assert.equal(await loadsOrSaysWhy(file, text, `${what} in ${file}`), false);
      }
    });
  }

  for (const [what, value] of someOf(Object.entries(VALUES), 2)) {
    it(`${what} in the place of each value`, async () => {
      for (const file of ['team.yaml', 'writer.yaml']) {
        const lines = (FILES[file] ?? '').split('\n');
        const places = lines.flatMap((line, index) => {
          const key = /^ *[a-z]+:/.exec(line)?.[0];
          return key === undefined ? [] : [{ index, key }];
        });
        const count = value.length > 1_000 ? PLACES_OF_LONG : PLACES;
        for (const { index, key } of isFull ? places : draw(places, count, seed + what.length)) {
          const changed = lines.with(index, `${key} ${value}`).join('\n');
          await loadsOrSaysWhy(file, changed, `${what} at ${key} in ${file}`);
        }
      }
    });
  }

  it('lines and characters put in anywhere', async () => {
    const insert = fc.oneof(
      fc.constantFrom(...Object.values(VALUES).filter(({ length }) => length < 1_000)),
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom(
        '\t',
        '&a ',
        '*a',
        '- ',
        '? ',
        ': ',
        '|',
        '>',
        '---\n',
        '...\n',
        '{{',
        '}}',
        "'",
        '\u2028',
        '\u0085',
      ),
    );
    const change = fc.record({
      file: fc.constantFrom('team.yaml', 'writer.yaml', 'router.yaml'),
      inserts: fc.array(fc.record({ at: fc.nat(400), insert, removes: fc.nat(5) }), { minLength: 1, maxLength: 4 }),
    });
    const isWhole = async ({
      file,
      inserts,
    }: {
      file: string;
      inserts: { at: number; insert: string; removes: number }[];
    }) => {
      const original = FILES[file] ?? '';
      const text = inserts.reduce((before, { at, insert: put, removes }) => {
        const place = at % (before.length + 1);
        return before.slice(0, place) + put + before.slice(place + removes);
      }, original);
      await loadsOrSaysWhy(file, text, JSON.stringify(text));
    };
    await fc.assert(fc.asyncProperty(change, isWhole), { seed, numRuns: isFull ? 20_000 : 50 });
  });

  it('leave nothing behind: the team loads as before', async () => {
    const { definition } = await loadTeam(folder, 'small', tools);
    assert.equal(definition.description, 'A small team');
    assert.equal(Reflect.get({}, 'isAdmin'), undefined);
  });
});
