import assert from 'node:assert/strict';
import { declareProgram } from '../../../src/cli/program.ts';
import { swallowedArgument } from '../../../src/cli/swallowed-argument.ts';

/** What is said about a command line whose command has read its arguments, up to an error. */
function said(...args: string[]): string | undefined {
  const program = declareProgram().configureOutput({ writeErr: () => undefined });
  const command = program.commands.find((one) => one.name() === args[0]);
  command?.action(() => undefined);
  command?.configureOutput({ writeErr: () => undefined });
  try {
    program.parse(args, { from: 'user' });
  } catch {
    // `send` lacks its message.
  }
  return swallowedArgument(program, args, () => true);
}

describe('an option of many values that takes the message too', () => {
  it('[U02] is named, with what it took and where to write that', () => {
    const what =
      '--attach takes all that follows it, "What is it?" too: write the message before --attach, or after --.';
    assert.equal(said('send', 'ses_1', '--attach', 'a.csv', 'What is it?'), what);
    assert.equal(said('start', '--attach', 'a.csv', 'What is it?', '--wait'), what);
  });

  it('is not blamed for a message that is there, and not for a value that is its own', () => {
    assert.equal(said('start', 'hi', '--attach', 'a.csv', 'b.csv'), undefined);
    assert.equal(said('start', '--attach', 'a.csv'), undefined);
    assert.equal(said('start', '--attach', 'a.csv', '--', 'hi'), undefined);
    assert.equal(said('send', 'ses_1'), undefined);
  });
});
