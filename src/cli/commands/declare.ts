/** What the declarations of commands share. Only commander is loaded here: `--help` needs nothing else. */
import type { Command } from 'commander';

/** Declares one command below the program or below a group of commands. */
export type Declare = (usage: string, description: string, examples?: readonly string[]) => Command;

export const EXPECTED_VERSION = [
  '--expected-version <number>',
  'change nothing unless the session is still at this version',
] as const;
export const WAIT = ['--wait', 'wait for the turn and print its outcome'] as const;
export const THINKING = ['--thinking', "show the models' reasoning in full, not only its length"] as const;

export function declareIn(parent: Command): Declare {
  return (usage, description, examples = []) => {
    const lines = examples.map((example) => `  copilot ${example}`);
    return parent
      .command(usage)
      .description(description)
      .option('--json', 'print the result as JSON on stdout')
      .exitOverride()
      .addHelpText('after', lines.length === 0 ? '' : `\nExamples:\n${lines.join('\n')}`);
  };
}

/** Options of commands that take one session, or with `--all` many. */
export function addManyOptions(command: Command): Command {
  return command
    .option('--all', 'every session that the filters below match, as in `list`, after a question')
    .option('--yes', 'do not ask')
    .option('--user <name>', 'with --all: only sessions of this user')
    .option('--status <status>', 'with --all: only sessions of this status')
    .option('--mode <name>', 'with --all: only sessions of this mode')
    .option('--name-prefix <text>', 'with --all: only sessions whose title begins so');
}

/** A command that only groups others, such as `context`. */
export function declareGroup(parent: Command, name: string, description: string): Declare {
  return declareIn(
    parent.command(name).description(description).exitOverride().configureHelp({ sortSubcommands: false }),
  );
}

/** Options for approvals, tool policies and budgets. `start`, `chat` and `configure` have them. */
export function addSettingOptions(command: Command): Command {
  return command
    .option('--allow-code', 'let agents run code on the worker without asking; by default each call asks')
    .option('--no-code', 'never let agents run code')
    .option('--approve-plan', 'ask before a plan is executed')
    .option('--no-approve-plan')
    .option('--approve-before-step', 'ask before each step')
    .option('--no-approve-before-step')
    .option('--approve-after-step', "ask to accept each step's result")
    .option('--no-approve-after-step')
    .option(
      '--ask <category...>',
      'calls that need approval: read, write, code, shell, network, conversation, or a rule such as "shell: git push*"',
    )
    .option('--allow <category...>', 'calls that run without approval; categories or rules')
    .option('--deny <category...>', 'calls that are not made; categories or rules')
    .option('--approval-timeout <seconds>', 'time until a request expires; default 1800')
    .option('--input-timeout <seconds>', 'time until a question expires; default 3600')
    .option('--budget-tokens <number>', 'pause the turn after so many tokens')
    .option('--budget-cost <dollars>', "pause the turn at this cost, by the team's prices")
    .option('--budget-tool-calls <number>', 'pause the turn after so many tool calls')
    .option('--budget-seconds <number>', 'pause the turn after so much time; waiting for people does not count')
    .option('--budget-rounds <number>', 'pause the turn after so many model calls');
}
