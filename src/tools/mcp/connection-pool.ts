/**
 * The connections to one server of one team. All calls share one, until the server asks a person: over a connection
 * nobody can tell which of two calls asks, and it must not be the wrong person. From then on each connection has one
 * call at a time, and there are as many as calls run side by side.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { McpConnection } from './connection.ts';

/** Connections of a server that asks. */
const MAX_CONNECTIONS = 16;
/** How long one is kept that no call needs. */
const IDLE_MS = 60_000;
const POLL_MS = 50;

export class ConnectionPool {
  /** Opened with the team, and kept. It knows the tools. */
  readonly first: McpConnection;
  readonly #make: () => McpConnection;
  readonly #others = new Set<McpConnection>();
  readonly #busy = new Map<McpConnection, number>();
  readonly #timers = new Map<McpConnection, NodeJS.Timeout>();

  constructor(make: () => McpConnection) {
    this.first = make();
    this.#make = make;
  }

  /** Runs one call with a connection that it can have. */
  async use<T>(signal: AbortSignal, call: (connection: McpConnection) => Promise<T>): Promise<T> {
    const connection = await this.#take(signal);
    try {
      return await call(connection);
    } finally {
      this.#giveBack(connection);
    }
  }

  async close(): Promise<void> {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.all([this.first, ...this.#others].map((connection) => connection.close()));
  }

  async #take(signal: AbortSignal): Promise<McpConnection> {
    for (;;) {
      const connection = this.first.asks ? this.#free() : this.first;
      if (connection) {
        this.#busy.set(connection, (this.#busy.get(connection) ?? 0) + 1);
        clearTimeout(this.#timers.get(connection));
        return connection;
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  #free(): McpConnection | undefined {
    const free = [this.first, ...this.#others].find((connection) => !this.#busy.has(connection));
    if (free || this.#others.size + 1 >= MAX_CONNECTIONS) return free;
    const made = this.#make();
    this.#others.add(made);
    return made;
  }

  #giveBack(connection: McpConnection): void {
    const left = (this.#busy.get(connection) ?? 1) - 1;
    if (left > 0) this.#busy.set(connection, left);
    else this.#busy.delete(connection);
    if (connection === this.first || left > 0) return;
    const end = (): void => {
      this.#others.delete(connection);
      void connection.close();
    };
    this.#timers.set(connection, setTimeout(end, IDLE_MS).unref());
  }
}
