/** What the documents say of commands, settings, files and code is what there is. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Command, CommanderError } from 'commander';
import { cliDocument } from '../../scripts/documents/cli-document.ts';
import { clientDocument } from '../../scripts/documents/client-document.ts';
import { teamsDocument } from '../../scripts/documents/tool-table.ts';
import { declareProgram } from '../../src/cli/program.ts';
import { packageDir } from '../../src/package-info.ts';
import { guideCommands } from '../helpers/operations-guide.ts';

const PAGES = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...markdownIn('docs')];
const MAX_README_WORDS = 1_200;

describe('documents', () => {
  it('[U04] docs/cli.md, docs/client.md and the tools in docs/teams.md are as `npm run documents` makes them', () => {
    assert.ok(source('docs/cli.md') === cliDocument(), 'docs/cli.md is old: run `npm run documents`');
    assert.ok(source('docs/client.md') === clientDocument(), 'docs/client.md is old: run `npm run documents`');
    assert.ok(
      source('docs/teams.md') === teamsDocument(),
      'the tools in docs/teams.md are old: run `npm run documents`',
    );
  });

  it('README.md is short, and shows examples/start-session.ts as it is', () => {
    const readme = source('README.md');
    assert.ok(readme.split(/\s+/).length <= MAX_README_WORDS, 'README.md is too long');
    const code = source('examples/start-session.ts').replace(/^\/\*\*[^]*?\*\/\n/, '');
    assert.ok(readme.includes(`\`\`\`ts\n${code}\`\`\``), 'the snippet differs from the example');
  });

  it('docs/operations.md names every variable that the program reads, and no other of its own', () => {
    const schema = /const Environment = z\.object\(\{([^]*?)\n\}\);/.exec(source('src/config.ts'))?.[1] ?? '';
    const read = [...schema.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name]) => name);
    const named = [...source('docs/operations.md').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name);
    assert.ok(read.length > 0);
    assert.deepEqual(named.toSorted(), read.toSorted());
  });

  it('[P01] [P02] [P03] [P04] [P05] [P06] [P07] [P08] [P09] [P10] each have a benchmark, which docs/performance.md names', () => {
    const page = source('docs/performance.md').split('## All benchmarks\n')[1] ?? '';
    const named = [...page.matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name);
    const runnable = /BENCHMARKS = \{ (.*) \}/.exec(source('bench/run.ts'))?.[1]?.split(', ') ?? [];
    assert.deepEqual(named.toSorted(), [...runnable, 'raw'].toSorted());
    const measured = runnable.flatMap((name) => {
      const [about = ''] = source(`bench/${name}.ts`).split('*/');
      return [...about.matchAll(/\[(P\d\d)\]/g)].map(([, id = '']) => id);
    });
    const ids = Array.from({ length: 10 }, (_, index) => `P${String(index + 1).padStart(2, '0')}`);
    assert.deepEqual([...new Set(measured)].toSorted(), ids);
  });

  it('[O04] docs/operations.md says how to size, retain, back up, restore, upgrade and rotate keys, and what Temporal Cloud counts; tests run its commands as they stand there', () => {
    const page = source('docs/operations.md');
    const section = (heading: string): string =>
      page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? assert.fail(`there is no ${heading}`);
    assert.match(section('Sizing'), /`npm run bench -- actions`/);
    assert.match(section('Storage: history, payloads, archive'), /\*\*Retention\.\*\*/);
    assert.match(section('Temporal Cloud'), /\| sum \| \*\*[\d.]+\*\* \| \*\*[\d.]+\*\* \|/);
    const runners = {
      'Backup and restore': 'test/helpers/postgres-server.ts',
      'New versions': 'test/chaos/upgrade.test.ts',
    };
    for (const [heading, file] of Object.entries(runners)) {
      assert.ok(guideCommands(heading).length > 1);
      assert.ok(source(file).includes(`guideCommands('${heading}')`), file);
    }
    // Key rotation has its commands in a table, beside the tests that run them.
    const tests = [...section('Rotation of keys').matchAll(/`(test\/\S+\.test\.ts)`/g)].map(([, file = '']) => file);
    assert.ok(tests.length > 1);
    for (const file of tests) assert.ok(existsSync(join(packageDir, file)), file);
  });

  it('docs/tools.md names every key of copilot.config.ts, and the variables that go before them', () => {
    const schema = /const ConfigFile = z\.strictObject\(\{([^]*?)\n\}\);/.exec(source('src/config-file.ts'))?.[1] ?? '';
    const keys = [...schema.matchAll(/^ {2}(\w+):/gm)].map(([, key]) => key);
    const table = source('docs/tools.md').split('## The config file')[1] ?? '';
    const rows = [...table.matchAll(/^\| (`.+?`) \| .+ \| (.*)\|$/gm)];
    const named = rows.flatMap(([, first = '']) => [...first.matchAll(/`(\w+)/g)].map(([, key]) => key));
    assert.ok(keys.length > 5);
    assert.deepEqual(named.toSorted(), keys.toSorted());
    for (const [, , variables = ''] of rows) {
      for (const [, variable = ''] of variables.matchAll(/`([A-Z_]+)`/g)) {
        assert.ok(source('src/config.ts').includes(`  ${variable}:`), variable);
      }
    }
  });

  it('docs/architecture.md says why there is each package that the program depends on', () => {
    const { dependencies, optionalDependencies, peerDependencies } = JSON.parse(source('package.json')) as Record<
      string,
      object
    >;
    const [, table = ''] = /## Why each library\n([^]*?)\n## /.exec(source('docs/architecture.md')) ?? [];
    const named = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(
      ([, cell = '']) => cell.match(/(?<=`)[^`, ]+(?=`)/g) ?? [],
    );
    assert.deepEqual(
      named.toSorted(),
      Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }).toSorted(),
    );
  });

  for (const page of PAGES) {
    it(`${page} links to files and headings that there are`, () => {
      for (const [, inline, reference] of withoutCode(source(page)).matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)/gm)) {
        const target = inline ?? reference ?? '';
        if (/^https?:/.test(target)) continue;
        const [path = '', anchor] = target.split('#');
        const file = path === '' ? page : join(dirname(page), path);
        assert.ok(existsSync(join(packageDir, file)), `${page} links to ${target}`);
        if (anchor !== undefined) assert.ok(anchorsOf(source(file)).has(anchor), `${page} links to ${target}`);
      }
    });

    it(`${page} shows commands that the program takes, and scripts that there are`, () => {
      const { scripts } = JSON.parse(source('package.json')) as { scripts: Record<string, string> };
      for (const [, name = ''] of source(page).matchAll(/npm run (?:-s )?([a-z:]+)/g)) {
        assert.ok(name in scripts, `npm run ${name}`);
      }
      const blocks = [...source(page).matchAll(/```sh\n([^]*?)```/g)].map(([, text]) => text).join('\n');
      for (const words of commandLines(blocks)) assertTaken(words, { isWhole: true });
      for (const [, text = ''] of source(page).matchAll(/`(copilot [^`\n]+)`/g)) {
        for (const words of commandLines(text)) assertTaken(words, { isWhole: false });
      }
    });
  }
});

function source(path: string): string {
  return readFileSync(join(packageDir, path), 'utf8');
}

function markdownIn(folder: string): string[] {
  return readdirSync(join(packageDir, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`);
}

function withoutCode(text: string): string {
  return text.replaceAll(/```[^]*?```/g, '').replaceAll(/`[^`\n]*`/g, '');
}

/** As GitHub names them. */
function anchorsOf(text: string): Set<string> {
  return new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** The words of each call of `copilot` in a shell block, without its name. */
function commandLines(block: string): string[][] {
  const lines = block.replaceAll(/\\\n/g, ' ').split('\n');
  return lines.flatMap((line) =>
    shellParts(line)
      .map((words) => words.filter((word) => !/^[A-Z_]+=/.test(word)))
      .filter(([first]) => first === 'copilot')
      .map((words) => words.slice(1)),
  );
}

/** One list of words for each command of a line; quotes hold words together. */
function shellParts(line: string): string[][] {
  const parts: string[][] = [[]];
  for (const [token, single, double] of line.matchAll(/'([^']*)'|"([^"]*)"|&&|[|;&]|#.*$|[^\s'"|;&#]\S*/g)) {
    if (token.startsWith('#')) break;
    if (/^(?:&&|[|;&])$/.test(token)) parts.push([]);
    else parts.at(-1)?.push(single ?? double ?? token);
  }
  return parts;
}

/**
 * Has the program's own parser read the words; nothing runs. Placeholders such as `<id>` and `…` are taken as values.
 * A text may name a command without its arguments, a shell block may not.
 */
function assertTaken(words: readonly string[], { isWhole }: { readonly isWhole: boolean }): void {
  const program = declareProgram();
  for (const command of [program, ...leavesOf(program)]) {
    command.configureOutput({ writeErr: () => undefined, writeOut: () => undefined }).action(() => undefined);
  }
  try {
    program.parse(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const isTaken = error.exitCode === 0 || (!isWhole && error.code === 'commander.missingArgument');
    if (!isTaken) assert.fail(`copilot ${words.join(' ')}: ${error.message}`);
  }
}

function leavesOf(command: Command): Command[] {
  return command.commands.flatMap((child) => (child.commands.length === 0 ? [child] : leavesOf(child)));
}
