/**
 * What each peer implements, and the loops that use it. A peer runs in a process of its own, which `peer-process.ts`
 * starts. The times are taken in that process, so that they contain nothing of the benchmark's own messages.
 */
import process from 'node:process';

export interface Peer {
  /** Opens a conversation. @returns its id, once the conversation is durable */
  create(): Promise<string>;
  /** Sends a message. @returns the reply, once that is durable */
  send(conversation: string, text: string): Promise<string>;
  readonly pids: Pids;
  close(): Promise<void>;
}

/** Processes, without the one of the driver. */
export interface Pids {
  /** Workers and services with the application's code. */
  readonly application: readonly number[];
  /** Servers and databases. Their child processes belong to them. */
  readonly servers: readonly number[];
}

/** What the benchmark asks of a driver. */
export type Command =
  /** Opens conversations, `atOnce` at a time, in place of those that `talk` used until now. */
  | { readonly kind: 'open'; readonly count: number; readonly atOnce: number }
  /** Every open conversation takes turns, one after the other, all conversations at the same time. */
  | { readonly kind: 'talk'; readonly turns: number }
  | { readonly kind: 'close' };

export interface Measured {
  readonly totalMs: number;
  /** Of each turn. */
  readonly turnMs: readonly number[];
}

export type FromDriver =
  | { readonly kind: 'ready'; readonly pids: Pids }
  | { readonly kind: 'measured'; readonly measured: Measured }
  | { readonly kind: 'failed'; readonly error: string };

/** 200 bytes, as the replies. */
const MESSAGE = 'text '.repeat(40);
const REPLY = 'word '.repeat(40).trim();

/** Serves the benchmark until it ends or says `close`. `start` gets the address of the model and further arguments. */
export async function servePeer(start: (modelUrl: string, variant: string) => Promise<Peer>): Promise<void> {
  const [modelUrl = '', variant = ''] = process.argv.slice(2);
  const peer = await start(modelUrl, variant);
  let conversations: string[] = [];
  const obey = async (command: Command): Promise<Measured> => {
    const turnMs: number[] = [];
    const startedAt = performance.now();
    if (command.kind === 'open') conversations = await openMany(peer, command.count, command.atOnce);
    if (command.kind === 'talk') await Promise.all(conversations.map((one) => talk(peer, one, command.turns, turnMs)));
    return { totalMs: performance.now() - startedAt, turnMs };
  };
  process.on('message', (command: Command) => {
    if (command.kind === 'close') {
      process.disconnect?.();
      return;
    }
    obey(command).then(
      (measured) => tell({ kind: 'measured', measured }),
      (error: unknown) => tell({ kind: 'failed', error: String(error) }),
    );
  });
  // Also when the benchmark was killed.
  process.once('disconnect', () => {
    peer.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
  tell({ kind: 'ready', pids: { ...peer.pids, application: [process.pid, ...peer.pids.application] } });
}

function tell(message: FromDriver): void {
  process.send?.(message);
}

async function openMany(peer: Peer, count: number, atOnce: number): Promise<string[]> {
  const opened: string[] = [];
  let left = count;
  const openNext = async (): Promise<void> => {
    while (left-- > 0) opened.push(await peer.create());
  };
  await Promise.all(Array.from({ length: atOnce }, openNext));
  return opened;
}

async function talk(peer: Peer, conversation: string, turns: number, turnMs: number[]): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    const startedAt = performance.now();
    const reply = await peer.send(conversation, MESSAGE);
    turnMs.push(performance.now() - startedAt);
    if (reply.trim() !== REPLY) throw new Error(`The reply is not that of the model: ${reply.slice(0, 100)}`);
  }
}
