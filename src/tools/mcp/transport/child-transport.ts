/**
 * A server as a child process that speaks over stdin and stdout. The SDK's own transport kills only the child, which
 * leaks what the child started (`npx` starts the real server), and may take four seconds for that.
 * https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type JSONRPCMessage, JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js';
import { ProcessTree } from '../../code/process-tree.ts';
import { endsWithin } from '../../ends-within.ts';
import { type Line, LineReader } from './line-reader.ts';
import { findId, MAX_MESSAGE_BYTES, parseMessages, tooLarge } from './mend-message.ts';

export interface ChildCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the child, apart from the mark that identifies its process tree. */
  readonly environment: Readonly<Record<string, string>>;
}

/** How much of its stderr is kept, in UTF-16 units. */
const MAX_STDERR_TEXT = 2_000;
/** How long it may take to exit after its input is closed, and then after SIGTERM. */
const END_GRACE_MS = 500;
const TERM_GRACE_MS = 1_000;
/** How long to wait for the last output after the process has exited. */
const DRAIN_MS = 200;
/** Variable in the environment of the whole process tree. Its value is unique to the tree. */
const MARK = 'COPILOT_MCP_INSTANCE';

/** Leaders of the running process trees. */
const running = new Set<number>();
let watchesExit = false;

export class ChildTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #command: ChildCommand;
  readonly #mark = randomUUID();
  readonly #lines = new LineReader(MAX_MESSAGE_BYTES);
  #child: ChildProcessWithoutNullStreams | undefined;
  #ended: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #stderr = '';

  constructor(command: ChildCommand) {
    this.#command = command;
  }

  /** Process id once it has started. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The end of what the server wrote to stderr. */
  get stderr(): string {
    return this.#stderr.trim();
  }

  /** @throws the error of `spawn`, such as ENOENT */
  async start(): Promise<void> {
    const { command, args, environment } = this.#command;
    // With a group of its own the whole tree can be killed, and Ctrl-C in our terminal does not reach it.
    const child = spawn(command, args, {
      env: { ...environment, [MARK]: this.#mark },
      stdio: 'pipe',
      detached: true,
    });
    this.#child = child;
    await once(child, 'spawn');
    const { pid } = child;
    if (pid === undefined) throw new Error(`${command} did not start`);
    killAtExit(pid);
    this.#ended = emitted(child, 'exit').then(() => this.#finish(child, pid));
    child.on('error', (error) => this.onerror?.(error));
    child.stdin.on('error', (error) => this.onerror?.(error));
    child.stdout.on('error', (error) => this.onerror?.(error));
    child.stdout.on('data', (chunk: Buffer) => this.#read(chunk));
    child.stderr.on('error', () => undefined);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-MAX_STDERR_TEXT);
    });
  }

  send(message: JSONRPCMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#child || this.#closing) {
        reject(Object.assign(new Error('the server is not running'), { code: 'ENOTCONN' }));
        return;
      }
      this.#child.stdin.write(serializeMessage(message), (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Resolves when the process and everything it started are gone. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    const [child, ended] = [this.#child, this.#ended];
    if (!child || !ended) return;
    child.stdin.end();
    if (await endsWithin(ended, END_GRACE_MS)) return;
    signalGroup(child.pid, 'SIGTERM');
    if (await endsWithin(ended, TERM_GRACE_MS)) return;
    signalGroup(child.pid, 'SIGKILL');
    await ended;
  }

  /** Cleans up after the process has exited for any reason. */
  async #finish(child: ChildProcessWithoutNullStreams, pid: number): Promise<void> {
    // A process that it started may hold its output open, so this wait is limited.
    if (!child.stdout.closed) await endsWithin(emitted(child, 'close'), DRAIN_MS);
    await new ProcessTree(pid, this.#mark).kill();
    running.delete(pid);
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
    this.onclose?.();
  }

  #read(chunk: Buffer): void {
    for (const line of this.#lines.read(chunk)) {
      try {
        for (const message of messagesIn(line)) this.onmessage?.(JSONRPCMessageSchema.parse(message));
      } catch (error) {
        // This line is not a message; it may be a greeting. Read on.
        this.onerror?.(asError(error));
      }
    }
  }
}

/** @throws SyntaxError if the line is not JSON */
function messagesIn(line: Line): unknown[] {
  if ('text' in line) return parseMessages(line.text);
  const id = findId(line.head, line.tail);
  if (id === undefined)
    throw new Error(`A message of ${line.bytes} bytes was dropped; the limit is ${MAX_MESSAGE_BYTES}.`);
  return [tooLarge(id, line.bytes)];
}

/** Unlike Node's `once`, it does not reject on an `error` event. */
function emitted(child: ChildProcessWithoutNullStreams, event: 'exit' | 'close'): Promise<void> {
  return new Promise((resolve) => child.once(event, () => resolve()));
}

/** Kills the server if this program exits without closing its teams; as a group of its own it would survive. */
function killAtExit(pid: number): void {
  running.add(pid);
  if (watchesExit) return;
  watchesExit = true;
  process.once('exit', () => {
    for (const leader of running) signalGroup(leader, 'SIGKILL');
  });
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has exited.
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
