/** The command line: declares all commands and runs the one that was given. Each command loads its own code. */
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../package-info.ts';
import { declareContext, declareSnapshots } from './commands/context-commands.ts';
import { declareIn } from './commands/declare.ts';
import { declareCare, declareServing } from './commands/operation-commands.ts';
import { declareChanges, declareDecisions, declarePlan } from './commands/people-commands.ts';
import {
  declareConversation,
  declareCopies,
  declareFiles,
  declareReading,
  declareStates,
} from './commands/session-commands.ts';
import { swallowedArgument } from './swallowed-argument.ts';
import { cutLongText, err, out, sayJson, endWithReader } from './terminal.ts';

const WRONG_USE = 2;

/** Runs the command in `arguments_` and sets the exit code of the process. Ends when all output has left the process. */
export async function runProgram(arguments_: readonly string[]): Promise<void> {
  endWithReader();
  try {
    await runCommand(arguments_);
  } finally {
    await Promise.all([out.written(), err.written()]);
  }
}

async function runCommand(arguments_: readonly string[]): Promise<void> {
  const isJson = arguments_.includes('--json');
  const program = declareProgram();
  try {
    await program.parseAsync(arguments_, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      const hint =
        error.code === 'commander.missingArgument' ? swallowedArgument(program, arguments_, () => true) : undefined;
      if (hint !== undefined) err.write(`${hint}\n`);
      process.exitCode = reportWrongUse(error, isJson, hint);
      return;
    }
    const { isAboutOption, reportError } = await import('./error-report.ts');
    const hint = swallowedArgument(program, arguments_, (option) => isAboutOption(error, option));
    process.exitCode = reportError(error, isJson, hint);
  }
}

export function declareProgram(): Command {
  const program = new Command('copilot')
    .description('Durable copilot sessions: each session is a long-running Temporal workflow.')
    .version(packageVersion)
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => out.write(text),
      writeErr: (text) => err.write(text),
      outputError: (text, write) => write(`${cutLongText(text.trimEnd())}\n`),
    })
    .exitOverride()
    .addHelpText('after', EXAMPLES);
  const command = declareIn(program);
  program.commandsGroup('Run:');
  declareServing(command);
  program.commandsGroup('Talk:');
  declareConversation(command);
  declareStates(command);
  program.commandsGroup('Read:');
  declareReading(command);
  declarePlan(command);
  program.commandsGroup('Decide and steer:');
  declareDecisions(command);
  declareChanges(command);
  program.commandsGroup('Context:');
  declareContext(program);
  declareSnapshots(command);
  program.commandsGroup('Files, copies and deletion:');
  declareFiles(program);
  declareCopies(command);
  program.commandsGroup('Look after:');
  declareCare(program, command);
  return program;
}

const EXAMPLES = `
Examples:
  copilot dev                                        run server, worker and Web UI until Ctrl-C
  copilot chat                                       talk to a new session
  copilot start "Summarise notes.md" --attach notes.md --wait
  copilot send ses_… "And now in French" --wait --json
  copilot list --status active

Every command takes --json. Exit codes: 0 done, 1 failed, 2 wrong use, 3 not found, 4 wrong state, 5 no server or worker.`;

/** Commander has already written what was wrong to stderr. Help and version are not errors. */
function reportWrongUse(
  { exitCode, message: said }: CommanderError,
  isJson: boolean,
  hint: string | undefined,
): number {
  if (exitCode === 0) return 0;
  const message = [said.replace(/^error: /, ''), ...(hint === undefined ? [] : [hint])].join('. ');
  if (isJson) sayJson({ error: { type: 'InvalidInput', message, details: {} } });
  return WRONG_USE;
}
