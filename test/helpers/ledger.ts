/** Something outside that notices what really happened: a small HTTP service with a file of its own. */
import { appendFile, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Ledger {
  /** A line of bash that enters `what`, and waits for the answer. */
  command(what: string): string;
  /** Everything entered so far, oldest first. */
  entries(): Promise<string[]>;
  /** Called as soon as something is entered, before it is answered. */
  onEntry: ((what: string) => void) | undefined;
  close(): Promise<void>;
}

/** @param answerMs between the entry and its answer: so long the caller is in the middle of it */
export async function openLedger(file: string, answerMs: number): Promise<Ledger> {
  await appendFile(file, '');
  const server = createServer((request, response) => {
    void (async () => {
      const what = decodeURIComponent((request.url ?? '/').slice(1));
      await appendFile(file, `${what}\n`);
      ledger.onEntry?.(what);
      await sleep(answerMs);
      response.end('entered');
    })();
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // of a server that listens on TCP
  const ledger: Ledger = {
    command: (what) => {
      const request = `printf 'GET /%s HTTP/1.0\\r\\n\\r\\n' '${encodeURIComponent(what)}'`;
      return `exec 3<>/dev/tcp/127.0.0.1/${port}; ${request} >&3; cat <&3`;
    },
    entries: async () => (await readFile(file, 'utf8')).split('\n').filter((line) => line !== ''),
    onEntry: undefined,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return ledger;
}
