/** Runs a command line that the person gives: `run the command: ls -l`. */
import { codeBlocks } from '../../language.ts';
import { COMMAND } from '../../phrases/split.ts';
import { describeRun } from '../code.ts';
import { CannotDo, use, type Finding, type Work } from '../skill.ts';

export function* runCommand(phrase: string): Work<Finding> {
  const [match] = phrase.matchAll(COMMAND);
  const given = phrase.slice(match?.[0].length).trim();
  const command = codeBlocks(given)[0]?.code ?? /^`([^`\n]+)`$/.exec(given)?.[1] ?? given;
  const result = yield* use('shell', { command }, `I run \`${command}\`.`);
  if (result.failed) throw new CannotDo(result.text);
  return describeRun(`Run of the command \`${command.split('\n')[0]}\``, 'The command', result.text);
}
