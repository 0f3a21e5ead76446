/** docs/cli.md, from the help of the command line. */
import type { Command } from 'commander';
import { declareProgram } from '../../src/cli/program.ts';

const WIDTH = 110;

const INTRODUCTION = `# Command line

<!-- Made by \`npm run documents\` from the program's own help. Do not edit. -->

In a checkout, read \`copilot\` as \`npm run -s copilot --\`.
`;

export function cliDocument(): string {
  const program = declareProgram();
  const commands = program.commands.flatMap((command) =>
    command.commands.length === 0 ? [command] : command.commands,
  );
  return [
    INTRODUCTION,
    helpBlock(program),
    ...commands.map((command) => `## ${nameOf(command)}\n\n${helpBlock(command)}`),
  ]
    .map((part) => part.trim())
    .join('\n\n')
    .concat('\n');
}

function nameOf(command: Command): string {
  const { parent } = command;
  return parent === null ? command.name() : `${nameOf(parent)} ${command.name()}`;
}

function helpBlock(command: Command): string {
  let help = '';
  command.configureOutput({
    writeOut: (text) => (help += text),
    getOutHelpWidth: () => WIDTH,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return `\`\`\`text\n${help.trim()}\n\`\`\``;
}
