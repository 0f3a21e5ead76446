/** The command line: what commands and options there are. What a command does is loaded when it runs. */
import { Command, CommanderError, Option } from 'commander';
import { packageVersion } from '../package-info.ts';
import { declareChanges, declareDecisions, settingOptions } from './people-commands.ts';
import { reportError, sayJson, writeUsageError } from './terminal.ts';

const WRONG_USE = 2;

const program = new Command('copilot')
  .description('Copilot sessions that survive everything: each is a long-running Temporal workflow.')
  .version(packageVersion)
  .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
  .configureOutput({ outputError: writeUsageError })
  .addHelpText(
    'after',
    `
Examples:
  copilot dev                                        server, worker and Web UI, until Ctrl-C
  copilot chat                                       talk to a new session
  copilot start "Summarise notes.md" --attach notes.md --wait
  copilot send ses_… "And now in French" --wait --json
  copilot list --status active

Every command takes --json. Exit codes: 0 done, 1 failed, 2 wrong use, 3 not found, 4 wrong state, 5 no server or worker.`,
  );

function command(usage: string, description: string, examples: readonly string[] = [], parent = program): Command {
  const lines = examples.map((example) => `  copilot ${example}`);
  return parent
    .command(usage)
    .description(description)
    .option('--json', 'answer in JSON on stdout')
    .exitOverride()
    .addHelpText('after', lines.length === 0 ? '' : `\nExamples:\n${lines.join('\n')}`);
}

/** Options of the commands that create a session. */
function creating(target: Command): Command {
  return settingOptions(
    target
      .option('--team <name>', 'team of agents', 'default')
      .option(
        '--mode <name>',
        'copilot, planning-control, one-shot, hitl-interactive, or a mode of the team',
        'copilot',
      )
      .option('--user <name>', 'whose session it is')
      .option('--name <title>', 'title; default <mode>_YYYYMMDD_HHMMSS in UTC')
      .option('--id <id>', 'id of the session; default a new one')
      .option('--attach <file...>', 'files to copy into the workspace')
      .option('--workspace <folder>', 'existing folder to work in, instead of one of its own')
      .option('--context <key=value...>', 'values for the context of the session')
      .option('--history-limit <events>', 'events of a run before the session continues as new'),
  );
}

command('dev', 'run server, worker and Web UI in one, until Ctrl-C')
  .option('--port <port>', 'port of a server that is started; default 7233 or a free one')
  .option('--ui-port <port>', 'port of its Web UI; default 1000 above')
  .action(async (flags) => (await import('./operate/serve.ts')).dev(flags));

command('worker', 'run a worker; SIGTERM lets it finish what it does').action(async () =>
  (await import('./operate/serve.ts')).worker(),
);

command('demo', 'run a session on sample data; in a terminal, chat. Starts server and worker itself').action(async () =>
  (await import('./operate/serve.ts')).demo(),
);

creating(
  command('start [message]', 'create a session, with its first message; "-" reads it from stdin', [
    'start "Profile data.csv and write a report" --attach data.csv --wait',
    'start --mode one-shot --user ada --json',
    'start - --wait < question.txt',
  ]),
)
  .option('--wait', 'wait for the turn and print its outcome')
  .action(async (message, flags) => (await import('./talk/turns.ts')).start(message, flags));

command('send <id> <message>', 'send a message; "-" reads it from stdin', ['send ses_… "And now in French" --wait'])
  .option('--wait', 'wait for the turn and print its outcome')
  .option('--message-id <id>', 'the same id is the same message, however often it is sent')
  .action(async (id, message, flags) => (await import('./talk/turns.ts')).send(id, message, flags));

creating(
  command('chat [id]', 'talk to a session, a new one or an old one', ['chat', 'chat ses_…', 'chat --mode one-shot']),
).action(async (id, flags) => (await import('./talk/chat.ts')).chat(id, flags));

command('follow <id>', 'show what happens in a session, as it happens')
  .option('--from-start', 'begin with everything that has happened')
  .action(async (id, flags) => (await import('./talk/follow.ts')).followCommand(id, flags));

command('suspend <id>', 'suspend: what runs is finished and kept, nothing new starts')
  .option('--reason <text>', 'shown wherever the session is')
  .option('--now', 'stop what runs, to be done again later')
  .action(async (id, flags) => (await import('./session/states.ts')).suspend(id, flags));

command('continue <id> [message]', 'take up a suspended session, or the failed step of its last turn')
  .option('--wait', 'wait for the turn and print its outcome')
  .action(async (id, message, flags) => (await import('./talk/turns.ts')).continueSession(id, message, flags));

command('interrupt <id>', 'stop the running turn and keep its text').action(async (id, flags) =>
  (await import('./session/states.ts')).interrupt(id, flags),
);

command('complete <id>', 'end a session; reading it still works').action(async (id, flags) =>
  (await import('./session/states.ts')).complete(id, flags),
);

command('list', 'list sessions, newest updated first', [
  'list --status suspended --user ada',
  'list --name-prefix copilot_2026 --limit 20',
  'list --user ada --count --json',
])
  .option('--status <status>', 'active, suspended, completed, expired, terminated or failed')
  .option('--user <name>')
  .option('--mode <name>')
  .option('--name <title>', 'the whole title')
  .option('--name-prefix <text>', 'what the title begins with')
  .option('--limit <number>', 'rows of a page, 1000 at most', '100')
  .option('--after <cursor>', 'the page after the one that gave this cursor')
  .option('--count', 'only how many there are, by status')
  .action(async (flags) => (await import('./session/read.ts')).list(flags));

command('show <id>', 'show a session and its recent turns').action(async (id, flags) =>
  (await import('./session/read.ts')).show(id, flags),
);

command('transcript <id>', 'print the conversation')
  .option('--from <index>', 'index of the first message', '0')
  .option('--all', 'also what was said before the part that a summary stands for')
  .action(async (id, flags) => (await import('./session/read.ts')).transcript(id, flags));

const plan = command('plan <id>', 'print the plan of the latest turn that has one').action(async (id, flags) =>
  (await import('./session/read.ts')).plan(id, flags),
);
declareDecisions(command);
declareChanges(command, plan);

const EXPECTED_VERSION = [
  '--expected-version <number>',
  'version of the session that you have seen; nothing changes where it is another',
] as const;

command('load <id>', 'print what `save` replaces: conversation, context, phase, step and plan', [
  'load ses_… --json > session.json',
]).action(async (id, flags) => (await import('./session/stored.ts')).load(id, flags));

command(
  'save <id> <file>',
  'replace conversation, context, phase and step, and the plan where given; "-" reads stdin',
  ['save ses_… session.json', 'save ses_… - --expected-version 7 < session.json'],
)
  .option(...EXPECTED_VERSION)
  .addHelpText('after', '\nA file that `load --json` wrote brings its own version.')
  .action(async (id, path, flags) => (await import('./session/stored.ts')).save(id, path, flags));

command('delete <id>', 'delete a session with its history and its files; asks first', ['delete ses_… --yes'])
  .option('--yes', 'do not ask')
  .action(async (id, flags) => (await import('./session/stored.ts')).remove(id, flags));

command('fork <id>', 'a new session from any turn or snapshot of another, also of a closed one', [
  'fork ses_…',
  'fork ses_… --turn 2',
  'fork ses_… --snapshot snap-7 --name "another try"',
])
  .addOption(new Option('--turn <number>', 'last turn that it knows').conflicts('snapshot'))
  .option('--snapshot <ref>', 'snapshot to begin at: its id, its version, or "latest"')
  .option('--id <id>', 'id of the new session; default a new one')
  .option('--name <title>', 'title; default the old one and "(fork)"')
  .action(async (id, flags) => (await import('./session/exported.ts')).fork(id, flags));

command('export <id> [file]', 'write a whole session as JSON, to stdout by default', [
  'export ses_… session.json',
  'export ses_… | jq .conversation',
]).action(async (id, path, flags) => (await import('./session/exported.ts')).exportSession(id, path ?? '-', flags));

command('import <file>', 'make a session of an exported one; "-" reads stdin', [
  'import session.json --keep-id',
  'import - --name "a copy" < session.json',
])
  .addOption(new Option('--id <id>', 'id of the session; default a new one').conflicts('keepId'))
  .option('--keep-id', 'the id that it had')
  .option('--name <title>', 'default as in the file')
  .option('--user <name>', 'default as in the file')
  .action(async (path, flags) => (await import('./session/exported.ts')).importSession(path, flags));

const context = program
  .command('context')
  .description('read and change the context of a session')
  .exitOverride()
  .configureHelp({ sortSubcommands: false });

command(
  'get <id> [key]',
  'print the context, or one value',
  ['context get ses_…', 'context get ses_… city'],
  context,
).action(async (id, key, flags) => (await import('./session/context.ts')).get(id, key, flags));

command(
  'set <id> <key> <value>',
  'set a value; JSON is taken as such, anything else as text',
  ['context set ses_… city Ulm', `context set ses_… limits '{"rows": 100}' --protect`],
  context,
)
  .option('--protect', 'the key keeps this value for good')
  .option('--ephemeral', 'keep it out of snapshots, exports and later runs')
  .option(...EXPECTED_VERSION)
  .action(async (id, key, value, flags) => (await import('./session/context.ts')).set(id, key, value, flags));

command('delete <id> <key>', 'delete a value', ['context delete ses_… city'], context)
  .option(...EXPECTED_VERSION)
  .action(async (id, key, flags) => (await import('./session/context.ts')).remove(id, key, flags));

command(
  'merge <id> <file>',
  'merge the values of a JSON object in; "-" reads stdin',
  ['context merge ses_… facts.json', 'context merge ses_… facts.json --strategy prefixed --prefix facts_'],
  context,
)
  .option('--strategy <name>', 'safe (only new keys), update, replace, or prefixed', 'safe')
  .option('--prefix <text>', 'what "prefixed" puts before each key')
  .option(...EXPECTED_VERSION)
  .action(async (id, path, flags) => (await import('./session/context.ts')).merge(id, path, flags));

command('snapshot <id> <reason>', 'take a snapshot', ['context snapshot ses_… "before the cleanup"'], context)
  .option(...EXPECTED_VERSION)
  .action(async (id, reason, flags) => (await import('./session/context.ts')).snapshot(id, reason, flags));

command('changes <id>', 'print the newest changes, oldest first', ['context changes ses_…'], context).action(
  async (id, flags) => (await import('./session/context.ts')).changes(id, flags),
);

command('size <id>', 'print how large it is, by key', ['context size ses_…'], context).action(async (id, flags) =>
  (await import('./session/context.ts')).size(id, flags),
);

command('snapshots <id>', 'list the snapshots of the context, oldest first', ['snapshots ses_…']).action(
  async (id, flags) => (await import('./session/context.ts')).snapshots(id, flags),
);

command('restore <id> <ref>', 'take the context back to a snapshot: its id, its version, or "latest"', [
  'restore ses_… latest',
  'restore ses_… snap-3 --expected-version 12',
])
  .option(...EXPECTED_VERSION)
  .action(async (id, ref, flags) => (await import('./session/context.ts')).restore(id, ref, flags));

command('diff <id> <from> [to]', 'what differs between two snapshots; without <to>, from the present context', [
  'diff ses_… snap-1 snap-4',
  'diff ses_… latest',
]).action(async (id, from, to, flags) => (await import('./session/context.ts')).diff(id, from, to, flags));

command('doctor', 'tell what is found and what is missing, and how to mend it; changes nothing', [
  'doctor',
  'doctor --json',
])
  .addHelpText('after', '\nExit code 1 where something is missing; warnings are none.')
  .action(async (flags) => (await import('./operate/doctor.ts')).doctor(flags));

command('replay [ids...]', 'try whether sessions go on with the workflow code of this program; changes nothing', [
  'replay ses_…',
  'replay --all --since 2026-11-01',
])
  .option('--all', 'every session there is')
  .option('--since <time>', 'with --all: only those that changed since then')
  .addHelpText('after', '\nExit code 1 where one does not replay. Run it before a new version goes to the workers.')
  .action(async (ids, flags) => (await import('./operate/replay.ts')).replay(ids, flags));

command('codec', 'decrypt payloads for the Web UI and the `temporal` command, until Ctrl-C', [
  'codec',
  'codec --origin http://localhost:8080',
])
  .option('--port <port>', 'default 8234')
  .option('--host <address>', 'address to listen at; any but loopback needs COPILOT_CODEC_TOKEN', '127.0.0.1')
  .option('--origin <url...>', 'Web UIs that may use it; default the one that is known')
  .action(async (flags) => (await import('./operate/codec.ts')).codec(flags));

const agents = program
  .command('agents')
  .description('what the workers of this machine have open')
  .exitOverride()
  .configureHelp({ sortSubcommands: false });

command('list', 'list teams and private agents of sessions', ['agents list --json'], agents).action(async (flags) =>
  (await import('./operate/workers.ts')).listAgents(flags),
);

command(
  'close [key]',
  'close one, or all; a digest may be cut after 8 digits',
  ['agents close default@1a2b3c4d', 'agents close writer#ses_…', 'agents close --all --force'],
  agents,
)
  .option('--all', 'everything that is open')
  .option('--force', 'at once, also what is in use: its calls fail, and are made again')
  .action(async (key, flags) => (await import('./operate/workers.ts')).close(key, flags));

command('stats', 'statistics of the agent caches of the workers of this machine').action(async (flags) =>
  (await import('./operate/workers.ts')).stats(flags),
);

// Whoever reads the answer may have seen enough, such as `head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
program.exitOverride();
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = error instanceof CommanderError ? wrongUse(error) : reportError(error, isJson());
}

/** Commander has said on stderr what was wrong; help and version are no errors. */
function wrongUse({ exitCode, message }: CommanderError): number {
  if (exitCode === 0) return 0;
  if (isJson()) sayJson({ error: { type: 'InvalidInput', message: message.replace(/^error: /, ''), details: {} } });
  return WRONG_USE;
}

function isJson(): boolean {
  return process.argv.includes('--json');
}
