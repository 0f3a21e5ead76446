/** A process that exchanges a folder and a link out of the workspace, as fast as it can. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ToolWorld } from '../tool-world.ts';

export interface Swapper {
  isRunning(): boolean;
  stop(): Promise<void>;
}

/** Exchanges `target` of the workspace, which must be there, and a link to `secrets` beside the workspace. */
export async function startSwapper({ folder, workspace }: ToolWorld): Promise<Swapper> {
  const script = `
    const fs = require('fs');
    fs.symlinkSync(${JSON.stringify(join(folder, 'secrets'))}, 'link');
    console.log('swapping');
    const end = Date.now() + 100000;
    while (Date.now() < end) {
      try {
        fs.renameSync('target', 'real'); fs.renameSync('link', 'target');
        fs.renameSync('target', 'link'); fs.renameSync('real', 'target');
      } catch {
        // The writer has created a folder of its own in the gap.
        while (Date.now() < end) {
          try {
            fs.rmSync('target', { recursive: true, force: true });
            fs.renameSync('real', 'target');
            break;
          } catch {}
        }
      }
    }`;
  const swapper = spawn(process.execPath, ['-e', script], { cwd: workspace, stdio: ['ignore', 'pipe', 'inherit'] });
  await once(swapper.stdout, 'data');
  return {
    isRunning: () => swapper.exitCode === null,
    stop: async () => {
      swapper.kill('SIGKILL');
      await once(swapper, 'exit');
    },
  };
}
