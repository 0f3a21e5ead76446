/** What README.md quotes is what is there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { declareProgram } from '../../src/cli/program.ts';
import { packageDir } from '../../src/package-info.ts';

describe('README.md', () => {
  const readme = source('README.md');

  it('shows examples/start-session.ts as it is', () => {
    const code = source('examples/start-session.ts').replace(/^\/\*\*[^]*?\*\/\n/, '');
    assert.ok(readme.includes(`\`\`\`ts\n${code}\`\`\``), 'the snippet differs from the example');
  });

  it('names every variable that the program reads, and no other of its own', () => {
    const schema = /const Environment = z\.object\(\{([^]*?)\n\}\);/.exec(source('src/config.ts'))?.[1] ?? '';
    const read = [...schema.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name]) => name);
    const named = [...readme.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name);
    assert.ok(read.length > 0);
    assert.deepEqual(named.toSorted(), read.toSorted());
  });

  it('names only commands and scripts that there are', () => {
    const commands = declareProgram().commands.map((command) => command.name());
    const { scripts } = JSON.parse(source('package.json')) as { scripts: Record<string, string> };
    const shell = [...readme.matchAll(/```sh\n([^]*?)```/g)].map(([, text]) => text).join('');
    for (const [, name = ''] of shell.matchAll(/^copilot ([a-z]+)/gm))
      assert.ok(commands.includes(name), `copilot ${name}`);
    for (const [, name = ''] of `${readme}${source('CONTRIBUTING.md')}`.matchAll(/npm run ([a-z:]+)/g)) {
      assert.ok(name in scripts, `npm run ${name}`);
    }
  });
});

function source(path: string): string {
  return readFileSync(join(packageDir, path), 'utf8');
}
