import assert from 'node:assert/strict';
import { once } from 'node:events';
import { startCli } from '../../helpers/cli.ts';

describe('a command of which nobody reads an output', () => {
  const env = { PATH: process.env['PATH'] ?? '' };

  it('[U02] is done where it has no remarks and nobody reads them', async () => {
    const command = startCli(['--help'], env);
    command.process.stderr.destroy();
    const { code, stdout } = await command.ended;
    assert.equal(code, 0);
    assert.match(stdout, /Usage: copilot/);
  });

  it('[U02] ends without an error where nobody reads its result', async () => {
    const command = startCli(['--help'], env);
    command.process.stdout.destroy();
    await once(command.process, 'exit');
    assert.deepEqual([command.process.exitCode, command.stderr()], [0, '']);
  });
});
