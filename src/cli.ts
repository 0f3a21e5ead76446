#!/usr/bin/env node
/** The command line: what commands and options there are. What a command does is loaded when it runs. */
import { Command, CommanderError } from 'commander';
import { packageVersion } from './config.ts';
import { reportError, sayJson } from './cli/terminal.ts';

const WRONG_USE = 2;

const program = new Command('copilot')
  .description('Copilot sessions that survive everything: each is a long-running Temporal workflow.')
  .version(packageVersion)
  .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
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

function command(usage: string, description: string, examples: readonly string[] = []): Command {
  const lines = examples.map((example) => `  copilot ${example}`);
  return program
    .command(usage)
    .description(description)
    .option('--json', 'answer in JSON on stdout')
    .exitOverride()
    .addHelpText('after', lines.length === 0 ? '' : `\nExamples:\n${lines.join('\n')}`);
}

/** Options of the commands that create a session. */
function creating(target: Command): Command {
  return target
    .option('--team <name>', 'team of agents', 'default')
    .option('--mode <name>', 'copilot, planning-control, one-shot, or a mode of the team', 'copilot')
    .option('--user <name>', 'whose session it is')
    .option('--name <title>', 'title; default <mode>_YYYYMMDD_HHMMSS in UTC')
    .option('--id <id>', 'id of the session; default a new one')
    .option('--attach <file...>', 'files to copy into the workspace')
    .option('--workspace <folder>', 'existing folder to work in, instead of one of its own')
    .option('--allow-code', 'let agents run code on the worker')
    .option('--context <key=value...>', 'values for the context of the session')
    .option('--history-limit <events>', 'events of a run before the session continues as new');
}

command('dev', 'run server, worker and Web UI in one, until Ctrl-C')
  .option('--port <port>', 'port of a server that is started; default 7233 or a free one')
  .option('--ui-port <port>', 'port of its Web UI; default 1000 above')
  .action(async (flags) => (await import('./cli/serve.ts')).dev(flags));

command('worker', 'run a worker; SIGTERM lets it finish what it does').action(async () =>
  (await import('./cli/serve.ts')).worker(),
);

command('demo', 'run a session on sample data; in a terminal, chat. Starts server and worker itself').action(async () =>
  (await import('./cli/serve.ts')).demo(),
);

creating(
  command('start [message]', 'create a session, with its first message; "-" reads it from stdin', [
    'start "Profile data.csv and write a report" --attach data.csv --wait',
    'start --mode one-shot --user ada --json',
    'start - --wait < question.txt',
  ]),
)
  .option('--wait', 'wait for the turn and print its outcome')
  .action(async (message, flags) => (await import('./cli/turns.ts')).start(message, flags));

command('send <id> <message>', 'send a message; "-" reads it from stdin', ['send ses_… "And now in French" --wait'])
  .option('--wait', 'wait for the turn and print its outcome')
  .option('--message-id <id>', 'the same id is the same message, however often it is sent')
  .action(async (id, message, flags) => (await import('./cli/turns.ts')).send(id, message, flags));

creating(
  command('chat [id]', 'talk to a session, a new one or an old one', ['chat', 'chat ses_…', 'chat --mode one-shot']),
).action(async (id, flags) => (await import('./cli/chat.ts')).chat(id, flags));

command('follow <id>', 'show what happens in a session, as it happens')
  .option('--from-start', 'begin with everything that has happened')
  .action(async (id, flags) => (await import('./cli/follow.ts')).followCommand(id, flags));

command('suspend <id>', 'suspend: what runs is finished and kept, nothing new starts')
  .option('--reason <text>', 'shown wherever the session is')
  .option('--now', 'stop what runs, to be done again later')
  .action(async (id, flags) => (await import('./cli/states.ts')).suspend(id, flags));

command('continue <id> [message]', 'take up a suspended session, or the failed step of its last turn')
  .option('--wait', 'wait for the turn and print its outcome')
  .action(async (id, message, flags) => (await import('./cli/turns.ts')).continueSession(id, message, flags));

command('interrupt <id>', 'stop the running turn and keep its text').action(async (id, flags) =>
  (await import('./cli/states.ts')).interrupt(id, flags),
);

command('complete <id>', 'end a session; reading it still works').action(async (id, flags) =>
  (await import('./cli/states.ts')).complete(id, flags),
);

command('list', 'list sessions, newest updated first', [
  'list --status suspended --user ada',
  'list --name-prefix copilot_2026 --limit 20',
])
  .option('--status <status>', 'active, suspended, completed, terminated or failed')
  .option('--user <name>')
  .option('--mode <name>')
  .option('--name <title>', 'the whole title')
  .option('--name-prefix <text>', 'what the title begins with')
  .option('--limit <number>', 'rows of a page, 1000 at most', '100')
  .option('--after <cursor>', 'the page after the one that gave this cursor')
  .action(async (flags) => (await import('./cli/read.ts')).list(flags));

command('show <id>', 'show a session and its recent turns').action(async (id, flags) =>
  (await import('./cli/read.ts')).show(id, flags),
);

command('transcript <id>', 'print the conversation')
  .option('--from <index>', 'index of the first message', '0')
  .action(async (id, flags) => (await import('./cli/read.ts')).transcript(id, flags));

command('plan <id>', 'print the plan of the latest turn that has one').action(async (id, flags) =>
  (await import('./cli/read.ts')).plan(id, flags),
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
