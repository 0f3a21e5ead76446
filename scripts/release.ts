/**
 * Makes a version of the package from a clean checkout, and publishes nothing.
 *
 *   npm run release -- 0.1.0              commits, tags, and leaves the tarball here
 *   npm run release -- 0.1.0 --dry-run    does the same work and leaves nothing
 *
 * It works in a git worktree of its own, so a version that fails leaves the checkout as it was.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';

const USAGE = `Usage: npm run release -- <version> [--dry-run] [--files-only]

  --dry-run     leaves no commit, tag or tarball
  --files-only  neither replays, packs nor installs: for a look at the commit`;
const VERSION = /^\d+\.\d+\.\d+(-[\da-z.-]+)?$/;
const UNRELEASED = /^## \[Unreleased\]$/m;
const HISTORIES = 'test/replay/histories';
/** Histories of released versions. They never change. */
const RELEASED = 'test/replay/released';
const KUSTOMIZATION = 'deploy/kubernetes/kustomization.yaml';
/** Everything that the package exports for programs. */
const ENTRIES = ['durable-copilot', 'durable-copilot/models', 'durable-copilot/worker', 'durable-copilot/workflows'];
/** Lists of what npm packs are long. */
const MAX_OUTPUT_BYTES = 64 * 1_024 * 1_024;

const root = process.cwd();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'dry-run': { type: 'boolean' }, 'files-only': { type: 'boolean' } },
});
const [version = '', ...others] = positionals;
try {
  if (others.length > 0 || !VERSION.test(version))
    throw new Error(`${USAGE}\n\n"${version}" is no version such as 0.1.0.`);
  await checkCheckout();
  await release();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function checkCheckout(): Promise<void> {
  const changes = await git('status', '--porcelain');
  if (changes !== '') throw new Error(`The checkout has changes. Commit them or put them away first:\n${changes}`);
  const changelog = await readFile(join(root, 'CHANGELOG.md'), 'utf8');
  if ((await git('tag', '--list', `v${version}`)) !== '' || changelog.includes(`\n## [${version}]`))
    throw new Error(`Version ${version} exists already. Choose another one.`);
}

async function release(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'copilot-release-'));
  const tree = join(folder, 'tree');
  await git('worktree', 'add', '--detach', tree, 'HEAD');
  try {
    await symlink(await realpath(join(root, 'node_modules')), join(tree, 'node_modules'));
    await writeFiles(tree);
    const tarball = values['files-only'] ? undefined : await packAndTry(tree, folder);
    const commit = await commitIn(tree);
    console.log(await git('show', '--stat', '--format=%s', commit, '--', '.', `:!${RELEASED}`));
    if (values['dry-run'])
      return console.log(`Version ${version} can be made. This was a dry run: nothing is left of it.`);
    await git('merge', '--ff-only', '--quiet', commit);
    await git('tag', '--annotate', '--message', `Version ${version}`, `v${version}`, commit);
    if (tarball !== undefined) await copyFile(tarball, join(root, basename(tarball)));
    await sayWhatIsNext(tarball);
  } finally {
    await git('worktree', 'remove', '--force', tree);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Version, changelog, the image's tag, and the histories that have to replay from now on. */
async function writeFiles(tree: string): Promise<void> {
  await run('npm', ['version', version, '--no-git-tag-version', '--allow-same-version', '--ignore-scripts'], tree);
  const date = new Date().toISOString().slice(0, 10);
  await edit(join(tree, 'CHANGELOG.md'), UNRELEASED, `## [Unreleased]\n\n## [${version}] - ${date}`);
  await edit(join(tree, KUSTOMIZATION), /newTag: .*/, `newTag: ${version}`);
  const frozen = await freezeHistories(tree);
  console.log(`${frozen} histories are frozen in ${RELEASED}/${version}.`);
}

async function edit(file: string, line: RegExp, replacement: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  if (!line.test(text)) throw new Error(`${basename(file)} has no line ${line.source}.`);
  await writeFile(file, text.replace(line, replacement));
}

/** Copies those that no earlier version has. @returns their number */
async function freezeHistories(tree: string): Promise<number> {
  await mkdir(join(tree, RELEASED, version), { recursive: true });
  const earlier = await readdir(join(tree, RELEASED), { recursive: true });
  const known = new Set(
    await Promise.all(
      earlier.filter((name) => name.endsWith('.json')).map((name) => readFile(join(tree, RELEASED, name), 'utf8')),
    ),
  );
  let frozen = 0;
  for (const name of await readdir(join(tree, HISTORIES))) {
    const history = await readFile(join(tree, HISTORIES, name), 'utf8');
    if (known.has(history)) continue;
    await writeFile(join(tree, RELEASED, version, name), history);
    frozen += 1;
  }
  return frozen;
}

/** @returns path of the tarball, which works where it was installed */
async function packAndTry(tree: string, folder: string): Promise<string> {
  console.log('Replaying the histories, frozen ones included …');
  await run(join(tree, 'node_modules/.bin/mocha'), ['--reporter', 'dot', 'test/replay/replay.test.ts'], tree);
  console.log('Building and packing …');
  const packed = await run('npm', ['pack', '--silent', '--pack-destination', folder], tree);
  const tarball = join(folder, packed.trim().split('\n').at(-1) ?? '');
  console.log('Installing the tarball in an empty folder, and using it there …');
  const project = join(folder, 'project');
  await mkdir(project);
  await writeFile(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  await run('npm', ['install', '--no-audit', '--no-fund', tarball], project);
  const printed = await run('npx', ['--no-install', 'copilot', '--version'], project);
  if (printed.trim() !== version) throw new Error(`The installed program calls itself ${printed.trim()}.`);
  for (const entry of ENTRIES)
    await run(process.execPath, ['--input-type=module', '-e', `await import('${entry}')`], project);
  // A server, a worker and a turn by a plan, with the offline model.
  console.log(await run('npx', ['--no-install', 'copilot', 'demo'], project));
  return tarball;
}

async function commitIn(tree: string): Promise<string> {
  await run('git', ['add', '--all'], tree);
  await run('git', ['commit', '--quiet', '--message', `build: version ${version}`], tree);
  return (await run('git', ['rev-parse', 'HEAD'], tree)).trim();
}

async function sayWhatIsNext(tarball: string | undefined): Promise<void> {
  const branch = await git('branch', '--show-current');
  console.log(`Version ${version} is committed and tagged here. To publish it:

  git push origin ${branch} v${version}
  npm publish ${tarball === undefined ? `durable-copilot-${version}.tgz` : basename(tarball)}
  docker build --tag durable-copilot:${version} . && docker push …`);
}

async function git(...args: readonly string[]): Promise<string> {
  return (await run('git', args, root)).trimEnd();
}

/** @returns its stdout. @throws Error with what it printed */
async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    return (await promisify(execFile)(command, [...args], { cwd, maxBuffer: MAX_OUTPUT_BYTES })).stdout;
  } catch (cause) {
    const { stdout, stderr } = cause as { readonly stdout?: string; readonly stderr?: string }; // of execFile
    throw new Error(`${[command, ...args].join(' ')} failed:\n${stdout ?? ''}${stderr ?? ''}`, { cause });
  }
}
