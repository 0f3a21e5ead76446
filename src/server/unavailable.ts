/** Errors if there is no server to use, each with three ways out. */
import { CopilotError } from '../contracts/errors.ts';

const NO_SERVER =
  '(1) set TEMPORAL_ADDRESS to a Temporal server that is running; ' +
  '(2) install the temporal CLI so that it is on PATH, https://docs.temporal.io/cli#install; ' +
  '(3) install Go 1.25 or newer, https://go.dev/dl, so that the server can be built once.';

/** @param flag the CLI's option for this port */
const portTaken = (flag: string): string =>
  `(1) stop what listens there; (2) choose another port with \`${flag}\`; ` +
  '(3) set TEMPORAL_ADDRESS to a Temporal server that is running.';

const stillRunning = (pid: number): string =>
  `(1) stop it, \`kill ${pid}\`, and start again; (2) use another folder by COPILOT_HOME; ` +
  '(3) set TEMPORAL_ADDRESS to a Temporal server that is running.';

/** There is no server program, or it does not run. @param problem whole sentences */
export function noServer(problem: string, cause?: unknown): CopilotError {
  return new CopilotError('ServerUnavailable', { problem, waysOut: NO_SERVER }, { cause });
}

/** A new server ended since another process listens on its port. @param problem whole sentences */
export function portLost(problem: string): CopilotError {
  return new CopilotError('ServerUnavailable', { problem, waysOut: NO_SERVER, reason: PORT_LOST });
}

const PORT_LOST = 'port-lost';

export function isPortLost(error: unknown): boolean {
  return error instanceof CopilotError && error.details['reason'] === PORT_LOST;
}

export function portInUse(port: number, flag: '--port' | '--ui-port'): CopilotError {
  const problem = `Port ${port} on 127.0.0.1 is in use.`;
  return new CopilotError('ServerUnavailable', { problem, waysOut: portTaken(flag), port });
}

/** A server process has the database open, and only one may. */
export function databaseInUse(problem: string, pid: number): CopilotError {
  return new CopilotError('ServerUnavailable', { problem, waysOut: stillRunning(pid), pid });
}
