/**
 * Lets shell scripts of a test run `copilot` as `runCli` does, so that commands share processes. A process of its own
 * for each was half of what the processor did for a script.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { runCli } from './cli.ts';

export interface Relay {
  /** What a shell runs in place of `copilot`; arguments follow. */
  readonly command: readonly string[];
  close(): void;
}

/**
 * @param folder in which the relay has its socket
 * @param env the whole environment of the commands
 */
export async function startRelay(folder: string, env: Record<string, string>): Promise<Relay> {
  const socketPath = join(folder, 'relay.sock');
  const server = createServer((asked, answer) => {
    void json(asked)
      .then((command) => command as { args: string[]; cwd: string }) // sent by relayed-command.ts
      .then(({ args, cwd }) => runCli(args, env, '', cwd))
      .then((result) => answer.end(JSON.stringify(result)))
      .catch((error: unknown) => answer.destroy(error as Error));
  });
  server.listen(socketPath);
  await once(server, 'listening');
  return {
    command: [process.execPath, join(import.meta.dirname, 'relayed-command.ts'), socketPath],
    close: () => void server.close(),
  };
}
