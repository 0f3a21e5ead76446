/** The errors of a server that cannot be had, each with exactly three ways out. */
import { CopilotError } from '../contracts/errors.ts';

const NO_SERVER =
  '(1) set TEMPORAL_ADDRESS to a Temporal server that is running; ' +
  '(2) install the temporal CLI so that it is on PATH, https://docs.temporal.io/cli#install; ' +
  '(3) install Go 1.25 or newer, https://go.dev/dl, so that the server can be built once.';

/** @param flag the option of the CLI that chooses this port */
const portTaken = (flag: string): string =>
  `(1) stop what listens there; (2) choose another port with \`${flag}\`; ` +
  '(3) set TEMPORAL_ADDRESS to a Temporal server that is running.';

const stillRunning = (pid: number): string =>
  `(1) stop it, \`kill ${pid}\`, and start again; (2) use another folder by COPILOT_HOME; ` +
  '(3) set TEMPORAL_ADDRESS to a Temporal server that is running.';

/** There is no server program, or it does not run. `problem` is whole sentences. */
export function noServer(problem: string, cause?: unknown): CopilotError {
  return new CopilotError('ServerUnavailable', { problem, waysOut: NO_SERVER }, { cause });
}

export function portInUse(port: number, flag: '--port' | '--ui-port'): CopilotError {
  const problem = `Port ${port} on 127.0.0.1 is in use.`;
  return new CopilotError('ServerUnavailable', { problem, waysOut: portTaken(flag), port });
}

/** A server process has the database open, so that no second one may. */
export function databaseInUse(problem: string, pid: number): CopilotError {
  return new CopilotError('ServerUnavailable', { problem, waysOut: stillRunning(pid), pid });
}
