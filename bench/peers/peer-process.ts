/** A peer as the benchmark sees it: the process of its driver, and those that the driver has started. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Command, FromDriver, Measured, Pids } from './driver.ts';
import { type Usage, usageOf } from './usage.ts';

/** Each takes longer on a busy machine. */
const COMMAND_TIMEOUT_MS = 300_000;

export interface PeerDefinition {
  /** As the table shows it. */
  readonly name: string;
  /** File in `drivers`, without `.ts`. */
  readonly driver: string;
  /** Second argument of the driver. */
  readonly variant?: string;
}

export interface PeerProcess extends PeerDefinition {
  open(count: number, atOnce: number): Promise<Measured>;
  talk(turns: number): Promise<Measured>;
  /** Of everything with the application's code, client included, and of servers and databases. */
  usage(): { readonly application: Usage; readonly servers: Usage };
  close(): Promise<void>;
}

export async function startPeer(definition: PeerDefinition, modelUrl: string): Promise<PeerProcess> {
  const script = fileURLToPath(new URL(`drivers/${definition.driver}.ts`, import.meta.url));
  const child = fork(script, [modelUrl, definition.variant ?? ''], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4_000)));
  }
  const exited = once(child, 'exit');
  const next = async (): Promise<FromDriver> => {
    const controller = new AbortController();
    const { signal } = controller;
    const ended = exited.then((): never => {
      throw new Error(`${definition.name} ended:\n${log}`);
    });
    const timer = setTimeout(
      () => controller.abort(new Error(`${definition.name} does not answer.`)),
      COMMAND_TIMEOUT_MS,
    );
    try {
      const [message] = (await Promise.race([once(child, 'message', { signal }), ended])) as [FromDriver]; // of driver.ts
      if (message.kind === 'failed') throw new Error(`${definition.name}: ${message.error}\n${log}`);
      return message;
    } finally {
      clearTimeout(timer);
    }
  };
  const ready = await next();
  const pids: Pids = ready.kind === 'ready' ? ready.pids : { application: [], servers: [] };
  const measure = async (command: Command): Promise<Measured> => {
    child.send(command);
    const answer = await next();
    if (answer.kind !== 'measured') throw new Error(`${definition.name} gave no measurement.`);
    return answer.measured;
  };
  return {
    ...definition,
    open: (count, atOnce) => measure({ kind: 'open', count, atOnce }),
    talk: (turns) => measure({ kind: 'talk', turns }),
    usage: () => ({ application: usageOf(pids.application, false), servers: usageOf(pids.servers, true) }),
    close: async () => {
      if (child.connected) child.send({ kind: 'close' } satisfies Command);
      await exited;
    },
  };
}
