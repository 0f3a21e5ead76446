/** Fills what a server's declaration leaves to the worker: `${NAME}` and the environment of its process. */
import { CopilotError } from '../../contracts/errors.ts';
import { secretOfFile } from '../../secret-files.ts';

export type Environment = Readonly<Record<string, string>>;

/** Names the server in messages. */
export interface ServerName {
  readonly team: string;
  readonly server: string;
}

/** Variables that programs need to run. Nothing else of the worker's environment reaches a server. */
const SAFE_VARIABLES = ['HOME', 'LANG', 'LC_ALL', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'TMPDIR', 'TZ', 'USER'];

/** Characters that a header may contain (RFC 9110). We check them, because the errors of HTTP clients quote the value. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * The environment of a server's process.
 * @throws CopilotError `McpNotConfigured` with the variable that this worker does not have
 */
export function processEnvironment(
  declared: Readonly<Record<string, string>>,
  environment: Environment,
  name: ServerName,
): Record<string, string> {
  const safe = SAFE_VARIABLES.flatMap((variable) => {
    const value = valueOf(environment, variable);
    return value === undefined ? [] : [[variable, value]];
  });
  return { ...Object.fromEntries(safe), ...fillIn(declared, 'env', environment, name) };
}

/** @throws CopilotError `McpNotConfigured` as {@link processEnvironment}, and for a value that is not valid in a header */
export function requestHeaders(
  declared: Readonly<Record<string, string>>,
  environment: Environment,
  name: ServerName,
): Record<string, string> {
  const headers = fillIn(declared, 'headers', environment, name);
  for (const [header, value] of Object.entries(headers)) {
    if (!HEADER_VALUE.test(value))
      throw unusable(
        name,
        `headers.${header} contains a line break or another character that is not valid in a header; correct it, or the variable that fills it`,
      );
  }
  return headers;
}

function fillIn(
  declared: Readonly<Record<string, string>>,
  part: string,
  environment: Environment,
  name: ServerName,
): Record<string, string> {
  const fill = (key: string, text: string): string =>
    text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, variable: string) => {
      const value = valueOf(environment, variable) ?? secretOfFile(environment, variable);
      if (value !== undefined) return value;
      throw unusable(
        name,
        `${part}.${key} needs the environment variable ${variable}, which is not set; set it and restart the worker`,
      );
    });
  return Object.fromEntries(Object.entries(declared).map(([key, text]) => [key, fill(key, text)]));
}

function valueOf(environment: Environment, variable: string): string | undefined {
  return Object.hasOwn(environment, variable) ? environment[variable] : undefined;
}

function unusable({ team, server }: ServerName, problem: string): CopilotError {
  return new CopilotError('McpNotConfigured', { team, server, problem });
}
