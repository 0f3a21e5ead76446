/** The server of `copilot dev` and `demo`: it is started again if it dies. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { RunningServer, ServerOptions } from '../../server/ensure-server.ts';
import { toCopilotError } from '../error-report.ts';
import { remark } from '../terminal.ts';
import { type Death, Restarts } from './restarts.ts';

export interface SupervisedServer extends Omit<RunningServer, 'ended' | 'pid' | 'ports'> {
  /** Resolves after `stop`. Rejects with `Internal` or `ServerUnavailable` when the server is given up. */
  readonly stopped: Promise<void>;
}

/**
 * Ensures a server like `ensureServer`, and keeps the one that this process starts running, on the same ports and
 * database. One that ran already is the business of whoever started it.
 */
export async function startSupervisedServer(config: Config, options: ServerOptions): Promise<SupervisedServer> {
  const { ensureServer } = await import('../../server/ensure-server.ts');
  const first = await ensureServer(config, options);
  const { address, namespace, uiUrl, started } = first;
  const stopping = new AbortController();
  const asked = new Promise<undefined>((resolve) =>
    stopping.signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  );
  const restarts = new Restarts('The Temporal server');
  let running: RunningServer | undefined = first;

  /** What ended it, or why it did not start. Undefined as soon as this process stops it. */
  const untilDead = async (): Promise<Death | undefined> => {
    const startedMs = Date.now();
    try {
      running ??= await ensureServer(config, { ...options, ...first.ports });
    } catch (error) {
      const { message } = toCopilotError(error);
      return { how: `an error (${message})`, ms: 0 };
    }
    if (running.address !== address) {
      const problem = `Another Temporal server serves ${config.homeDir} meanwhile, at ${running.address}. Start again.`;
      throw new CopilotError('Internal', { problem });
    }
    if (running !== first) remark(`The Temporal server runs again at ${address}.`);
    const how = await Promise.race([running.ended, asked]);
    return how === undefined ? undefined : { how, ms: Date.now() - startedMs };
  };

  const supervise = async (): Promise<void> => {
    for (;;) {
      const death = await untilDead();
      if (stopping.signal.aborted || death === undefined) break;
      running = undefined;
      await sleep(restarts.pauseAfter(death), undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) break;
    }
    await running?.stop();
  };
  const stopped = supervise();
  stopped.catch(() => undefined); // whoever waits for it gets the error
  return {
    address,
    namespace,
    uiUrl,
    started,
    stopped,
    stop: async () => {
      stopping.abort();
      await stopped.catch(() => undefined);
    },
  };
}
