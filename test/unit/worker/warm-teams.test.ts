import assert from 'node:assert/strict';
import { mock } from 'node:test';
import type { AgentCache } from '../../../src/agents/cache/agent-cache.ts';
import { CopilotError } from '../../../src/contracts/errors.ts';
import { builtInTools as tools } from '../../../src/tools/registry.ts';
import type { TeamTrust } from '../../../src/tools/mcp/trust.ts';
import { warmTeams } from '../../../src/worker/host/warm-teams.ts';
import { agentsFolder, recordingLog, removeFolders } from '../agents/files/team-folder.ts';

const LONGEST_PAUSE_MS = 5 * 60_000;

describe('warming the teams of a worker', () => {
  afterEach(async () => {
    mock.timers.reset();
    await removeFolders();
  });

  it('[A16] tries a team again, tells each problem once, and a mistake in a file without a stack', async () => {
    const { log, lines } = recordingLog();
    const agentsDir = await agentsFolder();
    const mistake = new CopilotError('InvalidTeam', {
      file: 'small/team.yaml',
      line: 1,
      problem: 'no agents',
      others: 0,
    });
    const failures = [mistake, mistake, mistake, new Error('no server'), new Error('no server')];
    let attempts = 0;
    const warm = async (): Promise<void> => {
      const failure = failures[attempts++];
      if (failure) throw failure;
    };
    mock.timers.enable({ apis: ['setTimeout'] });
    const warming = warmTeams(
      { agentsDir, agentCacheSize: 4 },
      {
        agents: { warm } as unknown as AgentCache,
        trust: { remember: () => Promise.resolve() } as unknown as TeamTrust,
        tools,
        log,
      },
    );
    while (attempts <= failures.length) {
      await new Promise(setImmediate);
      mock.timers.tick(LONGEST_PAUSE_MS);
    }
    await warming.stop();
    assert.deepEqual(
      lines.map(({ problem, err }) => [problem, (err as Error | undefined)?.message]),
      [
        [mistake.message, undefined],
        [undefined, 'no server'],
      ],
    );
  });
});
