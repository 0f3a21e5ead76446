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
import { cutLongText, err, out, sayJson, endWithReader } from './terminal.ts';

const WRONG_USE = 2;

/** Runs the command in `arguments_` and sets the exit code of the process. */
export async function runProgram(arguments_: readonly string[]): Promise<void> {
  endWithReader();
  const isJson = arguments_.includes('--json');
  try {
    await declareProgram().parseAsync(arguments_, { from: 'user' });
  } catch (error) {
    process.exitCode =
      error instanceof CommanderError
        ? reportWrongUse(error, isJson)
        : (await import('./error-report.ts')).reportError(error, isJson);
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
function reportWrongUse({ exitCode, message }: CommanderError, isJson: boolean): number {
  if (exitCode === 0) return 0;
  if (isJson) sayJson({ error: { type: 'InvalidInput', message: message.replace(/^error: /, ''), details: {} } });
  return WRONG_USE;
}
