/** Commands that read and change the context of a session. */
import type { Command } from 'commander';
import { type Declare, declareGroup, EXPECTED_VERSION } from './declare.ts';

export function declareContext(program: Command): void {
  const command = declareGroup(program, 'context', 'read and change the context of a session');

  command('get <id> [key]', 'print the context, or one value; a path such as copilot.plan reads a part of a value', [
    'context get ses_…',
    'context get ses_… city --default Ulm',
  ])
    .option('--default <value>', 'printed if the key has no value')
    .action(async (id, key, flags) => (await import('../session/context.ts')).runContextGet(id, key, flags));

  command('has <id> <key>', 'print whether a key has a value; if not, the exit code is 1', [
    'context has ses_… city',
  ]).action(async (id, key, flags) => (await import('../session/context.ts')).runContextHas(id, key, flags));

  command('set <id> <key> <value>', 'set a value; valid JSON is stored as JSON, anything else as text', [
    'context set ses_… city Ulm',
    `context set ses_… limits '{"rows": 100}' --protect`,
  ])
    .option('--protect', 'never let the value of this key change again')
    .option('--ephemeral', 'keep the value out of snapshots and exports, until it is cleared or the session ends')
    .option(...EXPECTED_VERSION)
    .action(async (id, key, value, flags) =>
      (await import('../session/context.ts')).runContextSet(id, key, value, flags),
    );

  command('delete <id> <key>', 'delete a value', ['context delete ses_… city'])
    .option(...EXPECTED_VERSION)
    .action(async (id, key, flags) => (await import('../session/context.ts')).runContextDelete(id, key, flags));

  command('merge <id> <file>', 'merge the values of a JSON object; "-" reads stdin', [
    'context merge ses_… facts.json',
    'context merge ses_… facts.json --strategy prefixed --prefix facts_',
  ])
    .option('--strategy <name>', 'safe (only new keys), update, replace, or prefixed', 'safe')
    .option('--prefix <text>', 'prefix for each key with "prefixed"')
    .option(...EXPECTED_VERSION)
    .action(async (id, path, flags) => (await import('../session/context.ts')).runContextMerge(id, path, flags));

  command('clear <id>', 'delete all ephemeral values', ['context clear ses_…'])
    .option(...EXPECTED_VERSION)
    .action(async (id, flags) => (await import('../session/context.ts')).runContextClear(id, flags));

  command('save <id> [file]', 'write values, snapshots and changes as JSON; default stdout', [
    'context save ses_… context.json',
  ]).action(async (id, path, flags) => (await import('../session/context.ts')).runContextSave(id, path ?? '-', flags));

  command(
    'load <id> <file>',
    'go back to a context that `context save` or `export` wrote, as one new version; "-" reads stdin',
    ['context load ses_… context.json'],
  )
    .option(...EXPECTED_VERSION)
    .action(async (id, path, flags) => (await import('../session/context.ts')).runContextLoad(id, path, flags));

  command('snapshot <id> <reason>', 'take a snapshot and print its id', [
    'context snapshot ses_… "before the cleanup"',
    'context snapshot ses_… "before the cleanup" --metadata ticket=17 by=ada',
  ])
    .option('--metadata <key=value...>', 'values to keep with it')
    .option(...EXPECTED_VERSION)
    .action(async (id, reason, flags) => (await import('../session/context.ts')).runContextSnapshot(id, reason, flags));

  command('changes <id>', 'print the newest changes, oldest first', ['context changes ses_…']).action(
    async (id, flags) => (await import('../session/context.ts')).runContextChanges(id, flags),
  );

  command('size <id>', 'print the size of each key and of the whole context', ['context size ses_…']).action(
    async (id, flags) => (await import('../session/context.ts')).runContextSize(id, flags),
  );
}

export function declareSnapshots(command: Declare): void {
  command('snapshots <id> [ref]', 'list the snapshots of the context, or print one with its data and metadata', [
    'snapshots ses_…',
    'snapshots ses_… snap-3',
  ]).action(async (id, ref, flags) => (await import('../session/context.ts')).runSnapshots(id, ref, flags));

  command('restore <id> <ref>', 'restore the context from a snapshot: its id, its version, or "latest"', [
    'restore ses_… latest',
    'restore ses_… snap-3 --expected-version 12',
  ])
    .option(...EXPECTED_VERSION)
    .action(async (id, ref, flags) => (await import('../session/context.ts')).runRestore(id, ref, flags));

  command('diff <id> <from> [to]', 'compare two snapshots, or a snapshot and the present context', [
    'diff ses_… snap-1 snap-4',
    'diff ses_… latest',
  ]).action(async (id, from, to, flags) => (await import('../session/context.ts')).runDiff(id, from, to, flags));
}
