/** Options of many values take all that follows them, the message too. Says so when a command then lacks its argument. */
import type { Command } from 'commander';
import { shortenText } from '../contracts/text-cut.ts';

const MAX_SHOWN = 60;
const END_OF_OPTIONS = '--';

/**
 * What to do about an argument that an option has probably taken. Undefined if none is missing, or none was taken.
 * @param isAbout whether the error may come from the option of this name, such as `--attach`
 */
export function swallowedArgument(
  program: Command,
  arguments_: readonly string[],
  isAbout: (option: string) => boolean,
): string | undefined {
  const command = commandIn(program, arguments_);
  const missing = command.registeredArguments[command.args.length];
  if (missing === undefined) return undefined;
  for (const { long, variadic } of command.options) {
    if (!long || !variadic || !isAbout(long)) continue;
    const taken = lastValueOf(long, arguments_);
    if (taken === undefined) continue;
    return `${long} takes all that follows it, ${JSON.stringify(shortenText(taken, MAX_SHOWN))} too: write the ${missing.name()} before ${long}, or after ${END_OF_OPTIONS}.`;
  }
  return undefined;
}

function commandIn(program: Command, arguments_: readonly string[]): Command {
  let command = program;
  for (const word of arguments_) {
    const next = command.commands.find((inner) => inner.name() === word);
    if (next === undefined) break;
    command = next;
  }
  return command;
}

/** The last of several values, or the only one. The first belongs to the option if there is another. */
function lastValueOf(option: string, arguments_: readonly string[]): string | undefined {
  const at = arguments_.lastIndexOf(option);
  if (at < 0) return undefined;
  const rest = arguments_.slice(at + 1);
  const end = rest.findIndex((value) => value.startsWith('-'));
  const values = end < 0 ? rest : rest.slice(0, end);
  return values.length > 1 ? values.at(-1) : undefined;
}
