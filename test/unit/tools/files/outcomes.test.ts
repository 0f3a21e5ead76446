/** Calls that change files, and whose worker stood still or died: what others did meanwhile stays, and counts as theirs. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { inScope } from '../../../../src/activities/scope.ts';
import type { AnnouncedEffect } from '../../../../src/tools/definition/tool.ts';
import { builtInTools, runTool } from '../../../../src/tools/registry.ts';
import { announceEffect, type CallAttempt, settleEffect } from '../../../../src/tools/workspace/effects.ts';
import { createToolWorld, type ToolWorld } from '../tool-world.ts';

const TOOL = 'append_file';
/** More than the time after which a call may be with another worker. */
const PAUSE_MS = 4_500;

describe('changes of files by calls that were cut off', () => {
  let world: ToolWorld;
  beforeEach(async () => {
    world = await createToolWorld();
  });
  afterEach(() => world.remove());

  const callOf = (session: string, attempt = 1): CallAttempt => ({ session, key: '1/1/1/1', attempt });

  /** Appends as this call; if it is killed, right after it has said what it will do. */
  async function append(call: CallAttempt, content: string, { isKilled = false } = {}): Promise<void> {
    const announce = async (effect: AnnouncedEffect): Promise<void> => {
      await announceEffect({ tool: TOOL, workspace: world.workspace }, call, effect);
      if (isKilled) throw new Error('killed');
    };
    const input = JSON.stringify({ path: 'log.txt', content });
    const result = runTool(builtInTools, TOOL, input, { ...world.context, announce });
    await (isKilled ? assert.rejects(result, /killed/) : result);
  }

  /** What another worker finds out. */
  async function outcomeOf(call: CallAttempt): Promise<string | undefined> {
    const settled = await settleEffect({ tool: TOOL, workspace: world.workspace }, call);
    assert.equal(settled.state, 'announced');
    const { effect, others } = settled;
    return await builtInTools
      .get(TOOL)
      ?.settle?.(effect.trace, { session: 'ses_a', workspace: world.workspace, others });
  }

  it('an equal line that another session appended is not taken for the own one', async () => {
    await append(callOf('ses_a'), 'paid 10\n', { isKilled: true });
    assert.equal(await outcomeOf(callOf('ses_a')), 'not-done');
    await append(callOf('ses_b'), 'paid 10\n');
    assert.equal(await outcomeOf(callOf('ses_a')), 'unknown');
  });

  it('nor is the beginning of a longer text', async () => {
    await append(callOf('ses_a'), 'paid 10\n', { isKilled: true });
    await append(callOf('ses_b'), 'paid 10\npaid 20\n');
    assert.equal(await outcomeOf(callOf('ses_a')), 'unknown');
  });

  it('the own line is recognised beside those of others, and of an earlier attempt that wrote nothing', async () => {
    await append(callOf('ses_b'), 'paid 10\n');
    await append(callOf('ses_a', 1), 'paid 10\n', { isKilled: true });
    await append(callOf('ses_a', 2), 'paid 10\n');
    await append(callOf('ses_c'), 'paid 10\n');
    assert.equal(await outcomeOf(callOf('ses_a', 2)), 'done');
  });

  it('a file is not replaced by a call that was stopped, or that another worker may have', async () => {
    const path = join(world.workspace, 'a.txt');
    await writeFile(path, 'newer');
    const requireCurrent = (): void => {
      throw new Error('stood still');
    };
    const input = JSON.stringify({ path: 'a.txt', content: 'older' });
    await assert.rejects(
      runTool(builtInTools, 'write_file', input, { ...world.context, requireCurrent }),
      /stood still/,
    );
    assert.equal(await readFile(path, 'utf8'), 'newer');
    assert.deepEqual(await readdir(world.workspace), ['a.txt']);
  });

  it('a call knows that its process stood still, also after its heartbeats go on', async function () {
    this.timeout(60_000);
    const seen: boolean[] = [];
    await new MockActivityEnvironment().run(() =>
      inScope(async ({ isStale }) => {
        seen.push(isStale());
        // Nothing of this process runs meanwhile, as if it were stopped.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
        // The timer of the heartbeats runs first.
        await sleep(10);
        seen.push(isStale());
      }),
    );
    assert.deepEqual(seen, [false, true]);
  });
});
