/** The worker of `copilot dev`: a process of its own, which is started again if it dies. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { CopilotError, type ErrorType } from '../../contracts/errors.ts';
import type { RunningWorker } from '../../worker.ts';
import { remark } from '../terminal.ts';
import { type Death, Restarts } from './restarts.ts';

/** What the worker tells the process that started it. */
const Report = z.union([
  z.object({ identity: z.string(), model: z.string() }),
  z.object({ error: z.object({ type: z.custom<ErrorType>(), details: z.record(z.string(), z.any()) }) }),
]);
type Report = z.infer<typeof Report>;

/** In a supervised worker: tells that it is ready, or why it is not. In any other worker it does nothing. */
export async function reportToSupervisor(report: Report): Promise<void> {
  if (!process.connected) return;
  await new Promise<void>((resolve) => process.send?.(report, undefined, undefined, () => resolve()));
}

/** Lets a supervised worker end. */
export function leaveSupervisor(): void {
  if (process.connected) process.disconnect();
}

/** Whether another process supervises this one. */
export const isSupervised = process.send !== undefined;

/** Never settles in a worker that nobody supervises. */
export async function supervisorGone(): Promise<void> {
  if (!isSupervised) await new Promise(() => undefined);
  if (process.connected) await once(process, 'disconnect');
}

/**
 * Starts `copilot worker` with this environment, which names the server, and keeps it running.
 * @throws CopilotError what the worker ends with before it is ready for the first time
 */
export async function startSupervised(environment: NodeJS.ProcessEnv): Promise<RunningWorker> {
  let life = beginLife(environment);
  const first = await life.ready;
  const stopping = new AbortController();
  const restarts = new Restarts('The worker');
  const supervise = async (): Promise<void> => {
    for (;;) {
      const death = await life.ended;
      if (stopping.signal.aborted) return;
      await sleep(restarts.pauseAfter(death), undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      life = beginLife(environment);
      life.ready.catch((error: unknown) => remark(error instanceof Error ? error.message : String(error)));
    }
  };
  const stopped = supervise();
  stopped.catch(() => undefined); // whoever waits for it gets the error
  return {
    ...first,
    stopped,
    stop: async () => {
      stopping.abort();
      if (life.process.connected) life.process.disconnect();
      await stopped;
    },
  };
}

interface Life {
  readonly process: ChildProcess;
  readonly ready: Promise<{ identity: string; model: string }>;
  readonly ended: Promise<Death>;
}

function beginLife(environment: NodeJS.ProcessEnv): Life {
  const startedMs = Date.now();
  // A group of its own: Ctrl-C in a terminal reaches only this process, which then stops the worker.
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', 'worker'], {
    detached: true,
    env: environment,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit').then(() => ({
    how: child.signalCode ?? `exit code ${child.exitCode}`,
    ms: Date.now() - startedMs,
  }));
  const told = once(child, 'message').then(([message]) => Report.parse(message));
  const died = ended.then(({ how }): Report => ({
    error: { type: 'Internal', details: { problem: `It ended with ${how}.` } },
  }));
  const ready = Promise.race([told, died]).then((report) => {
    if ('error' in report) throw new CopilotError(report.error.type, report.error.details);
    return report;
  });
  return { process: child, ready, ended };
}
