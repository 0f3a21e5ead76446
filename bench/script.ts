/** Scripts of this folder as processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const QUIET = new URL('../src/worker/workflow-threads.ts', import.meta.url).href;
/** Preloaded, it has a process and its threads collect their garbage on SIGUSR2. */
export const COLLECTS_GARBAGE = new URL('collect-garbage.ts', import.meta.url).href;

export interface ScriptProcess {
  readonly ready: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Runs a script of this folder until `stop`. It is ready when its log matches `sign`; `ready` is the first group. */
export async function startScript(name: string, args: readonly string[], sign: RegExp): Promise<ScriptProcess> {
  const script = fileURLToPath(new URL(name, import.meta.url));
  // With the same setting as the product's own worker.
  const program = ['--import', QUIET, '--import', COLLECTS_GARBAGE, script, ...args];
  const child = spawn(process.execPath, program, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  let log = '';
  const ready = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      const found = sign.exec(log);
      if (found) resolve(found[1] ?? '');
    });
    child.once('exit', () => reject(new Error(`${name} ended before it was ready:\n${log}`)));
  });
  return {
    ready,
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
