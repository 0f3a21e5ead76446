/** A call of a tool whose worker stands still right before the effect. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mock } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { RunningCalls } from '../../../src/activities/running-calls.ts';
import { runTool, settleTool, type ToolParts } from '../../../src/activities/run-tool.ts';
import type { RunToolInput, RunToolResult } from '../../../src/contracts/activities.ts';
import { builtInTools } from '../../../src/tools/registry.ts';
import { createToolWorld, type ToolWorld } from '../tools/tool-world.ts';

/** More than the time after which another worker may have the call. */
const FROZEN_MS = 10_000;

describe('a call whose worker stands still before its effect', () => {
  let world: ToolWorld;
  beforeEach(async () => {
    world = await createToolWorld();
  });
  afterEach(async () => {
    mock.restoreAll();
    await world.remove();
  });

  it('has not begun, so the session makes it again and its agent hears nothing of it', async () => {
    const parts = {
      calls: new RunningCalls(),
      tools: builtInTools,
      ceilings: [],
      network: world.context.network,
      workspaceRoot: world.folder,
      identity: 'worker',
      log: { child: () => world.context.log },
    } as unknown as ToolParts; // all that a tool without a team uses
    const input = {
      tool: 'append_file',
      arguments: JSON.stringify({ path: 'log.txt', content: 'paid 10\n' }),
      key: 'turn-1/1/1/1',
      turnId: 'turn-1',
      digest: '',
      policies: { layers: [], granted: { categories: [], rules: [] } },
      isApproved: true,
      attempt: 1,
      workspace: world.workspace,
    } as RunToolInput;
    const run = async (activity: typeof runTool): Promise<RunToolResult> =>
      await new MockActivityEnvironment().run<[], RunToolResult, () => Promise<RunToolResult>>(() =>
        activity(parts, input),
      );
    const ended = run(runTool);
    const now = Date.now.bind(Date);
    mock.method(Date, 'now', () => now() + FROZEN_MS);
    assert.equal((await ended).status, 'not-begun');
    assert.equal(await readFile(join(world.workspace, 'log.txt'), 'utf8'), '');
    assert.equal((await run(settleTool)).status, 'not-begun');
  });
});
