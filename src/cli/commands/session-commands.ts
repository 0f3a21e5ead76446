/** Commands that create, drive, read and copy sessions. */
import { type Command, Option } from 'commander';
import { basename } from 'node:path';
import {
  addManyOptions,
  addSettingOptions,
  type Declare,
  declareGroup,
  EXPECTED_VERSION,
  THINKING,
  WAIT,
} from './declare.ts';

export function declareConversation(command: Declare): void {
  addCreateOptions(
    command('start [message]', 'create a session, optionally with its first message; "-" reads it from stdin', [
      'start "Profile data.csv and write a report" --attach data.csv --wait',
      'start --mode one-shot --user ada --json',
      'start - --wait < question.txt',
    ]),
  )
    .option(...WAIT)
    .option(...THINKING)
    .action(async (message, flags) => (await import('../conversation/turns.ts')).runStart(message, flags));

  command('send <id> <message>', 'send a message; "-" reads it from stdin', [
    'send ses_… "And now in French" --wait',
    'send ses_… "What does this show?" --attach chart.png --wait',
  ])
    .option(...WAIT)
    .option(...THINKING)
    .option('--attach <file...>', 'files to copy into the workspace; models see images')
    .option('--message-id <id>', 'id of the message; a message id is delivered once, however often it is sent')
    .action(async (id, message, flags) => (await import('../conversation/turns.ts')).runSend(id, message, flags));

  addCreateOptions(
    command('chat [id]', 'talk to a new session, or to the given one', ['chat', 'chat ses_…', 'chat --mode one-shot']),
  )
    .option(...THINKING)
    .action(async (id, flags) => (await import('../conversation/chat.ts')).runChat(id, flags));

  command('follow <id>', 'show what happens in a session while it happens')
    .option('--from-start', 'show everything that has happened first')
    .option(...THINKING)
    .action(async (id, flags) => (await import('../conversation/follow.ts')).runFollow(id, flags));
}

/** Options of the commands that create a session. */
function addCreateOptions(command: Command): Command {
  return addSettingOptions(
    command
      .option('--team <name>', 'team of agents', 'default')
      .option('--mode <name>', 'copilot, planning-control, one-shot, hitl-interactive or a mode of the team', 'copilot')
      .option('--model <name>', 'model of every agent in this session; default as the team says')
      .option('--agent <id>', 'agent that answers; default as the team and its router say')
      .option('--user <name>', 'owner of the session')
      .option('--name <title>', 'title; default the first words of the first message')
      .option('--id <id>', 'id of the session; default a new one')
      .option('--attach <file...>', 'files to copy into the workspace; models see images')
      .option('--workspace <folder>', 'existing folder of the workers to work in; default a new one for the session')
      .option('--context <key=value...>', 'values for the context of the session')
      .option('--history-limit <events>', 'events of a run after which the session continues as new'),
  );
}

export function declareStates(command: Declare): void {
  addManyOptions(
    command('suspend [id]', 'finish the running activity, then start nothing new', [
      'suspend ses_…',
      'suspend --all --user ada --yes',
    ]),
  )
    .option('--reason <text>', 'shown with the session')
    .option('--now', 'cancel the running activity; it is repeated later')
    .action(async (id, flags) => (await import('../session/states.ts')).runSuspend(id, flags));

  addManyOptions(
    command('continue [id] [message]', 'resume a suspended session, or retry the failed step of the last turn', [
      'continue ses_…',
      'continue --all --user ada --status suspended',
    ]),
  )
    .option(...WAIT)
    .action(async (id, message, flags) => (await import('../conversation/turns.ts')).runContinue(id, message, flags));

  addManyOptions(command('interrupt [id]', 'stop the running turn and keep its text')).action(async (id, flags) =>
    (await import('../session/states.ts')).runInterrupt(id, flags),
  );

  addManyOptions(command('complete [id]', 'end a session; it stays readable')).action(async (id, flags) =>
    (await import('../session/states.ts')).runComplete(id, flags),
  );
}

export function declareReading(command: Declare): void {
  command('list', 'list sessions, newest updated first', [
    'list --status suspended --user ada',
    'list --name-prefix copilot_2026 --limit 20',
    'list --user ada --count --json',
  ])
    .option('--status <status>', 'active, suspended, completed, expired, terminated or failed')
    .option('--user <name>')
    .option('--mode <name>')
    .option('--name <title>', 'the whole title')
    .option('--name-prefix <text>', 'beginning of the title')
    .option('--limit <number>', 'rows on a page, at most 1000', '100')
    .option('--after <cursor>', 'print the page after the one that gave this cursor')
    .option('--count', 'print only the number of sessions by status')
    .action(async (flags) => (await import('../session/list.ts')).runList(flags));

  command('show <id>', 'show a session and its recent turns, or all of one request', [
    'show ses_…',
    'show ses_… --request req-3',
  ])
    .option('--request <id>', 'show this request with all of its arguments or steps, and its digest')
    .action(async (id, flags) => (await import('../session/show.ts')).runShow(id, flags));

  command('transcript <id>', 'print the conversation')
    .option('--from <index>', 'index of the first message', '0')
    .option('--all', 'include the messages that a summary has replaced')
    .action(async (id, flags) => (await import('../session/show.ts')).runTranscript(id, flags));

  command('load <id>', 'print what `save` replaces: conversation, context, phase, step and plan', [
    'load ses_… --json > session.json',
  ]).action(async (id, flags) => (await import('../session/save-load.ts')).runLoad(id, flags));
}

export function declareFiles(program: Command): void {
  const command = declareGroup(program, 'files', "read and write files of a session's workspace");

  command('list <id>', 'list the files', ['files list ses_…']).action(async (id, flags) =>
    (await import('../session/files.ts')).runFilesList(id, flags),
  );

  command('get <id> <path> [file]', 'get a file; default its own name, in this folder; "-" is stdout', [
    'files get ses_… report.md',
    'files get ses_… results/rivers.csv - | head',
  ])
    .option('--force', 'replace a file that is here already')
    .action(async (id, path, to, flags) =>
      (await import('../session/files.ts')).runFilesGet(id, path, to ?? basename(path), flags),
    );

  command('put <id> <file> [path]', 'write a file into the workspace; default under its own name; "-" reads stdin', [
    'files put ses_… sales.csv',
    'files put ses_… sales.csv data/sales-2026.csv',
  ])
    .option('--keep', 'fail if there is another file of this name')
    .action(async (id, from, path, flags) => (await import('../session/files.ts')).runFilesPut(id, from, path, flags));
  command('delete <id> <path>', 'delete a file', ['files delete ses_… draft.md']).action(async (id, path, flags) =>
    (await import('../session/files.ts')).runFilesDelete(id, path, flags),
  );
}

export function declareCopies(command: Declare): void {
  command('save <id> <file>', 'replace conversation, context, phase, step and, if given, plan; "-" reads stdin', [
    'save ses_… session.json',
    'save ses_… - --expected-version 7 < session.json',
  ])
    .option(...EXPECTED_VERSION)
    .addHelpText('after', '\nA file that `load --json` wrote carries its version; `save` checks it.')
    .action(async (id, path, flags) => (await import('../session/save-load.ts')).runSave(id, path, flags));

  addManyOptions(
    command('delete [id]', 'delete a session with its history and files, after a question', [
      'delete ses_… --yes',
      'delete --all --status expired',
    ]),
  ).action(async (id, flags) => (await import('../session/save-load.ts')).runDelete(id, flags));

  addManyOptions(
    command('fork [id]', 'create a session from any turn or snapshot of another one, open or closed', [
      'fork ses_…',
      'fork ses_… --turn 2',
      'fork ses_… --snapshot snap-7 --name "another try"',
    ]),
  )
    .addOption(new Option('--turn <number>', 'last turn that the fork knows').conflicts('snapshot'))
    .option('--snapshot <ref>', 'snapshot to begin at: its id, its version, or "latest"')
    .option('--id <id>', 'id of the new session; default a new one')
    .option('--name <title>', 'title; default the old one and "(fork)"')
    .action(async (id, flags) => (await import('../session/export-import.ts')).runFork(id, flags));

  command('export <id> [file]', 'write a session as JSON, without the files of its workspace; default stdout', [
    'export ses_… session.json',
    'export ses_… | jq .conversation',
  ]).action(async (id, path, flags) => (await import('../session/export-import.ts')).runExport(id, path ?? '-', flags));

  command('import [file]', 'create a session from an exported one; "-" reads stdin', [
    'import session.json --keep-id',
    'import --archived ses_… --keep-id',
    'import - --name "a copy" < session.json',
    'import my-own.json --trust',
  ])
    .addOption(new Option('--id <id>', 'id of the session; default a new one').conflicts('keepId'))
    .option('--archived <id>', "in place of a file: what the workers' archive has of this session")
    .option('--keep-id', 'use the id in the file')
    .option('--name <title>', 'default the one in the file')
    .option('--user <name>', 'default the one in the file')
    .option('--trust', 'take over what the file grants: approvals, code, its workspace, its team as it is')
    .action(async (path, flags) => (await import('../session/export-import.ts')).runImport(path, flags));
}
