/** Secrets that orchestrators mount as files: `NAME_FILE` names the file that has the value of `NAME`. */
import { readFileSync } from 'node:fs';
import { CopilotError } from './contracts/errors.ts';
import { type EncryptionKey, parseKeys } from './storage/keys.ts';

const KEYS = 'COPILOT_ENCRYPTION_KEYS';

/** The variables that hold secrets. */
const SECRETS: readonly string[] = [
  'OPENAI_API_KEY',
  'COPILOT_MODEL_HEADERS',
  KEYS,
  'COPILOT_CODEC_TOKEN',
  'TEMPORAL_API_KEY',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
];

/** Whether no message may show the value of this variable. */
export function isSecret(name: string): boolean {
  return SECRETS.includes(name);
}

/**
 * The environment with the content of these files in place of their names.
 * @throws CopilotError `InvalidConfig` if a file cannot be read or is empty, or if both are set. No message has a secret
 */
export function withSecretsOfFiles(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const filled = { ...environment };
  for (const name of SECRETS) {
    const file = environment[fileVariable(name)];
    if (file === undefined) continue;
    if (environment[name] !== undefined) fail(fileVariable(name), file, `${name} is set too; use one of them`);
    filled[name] = readSecretFile(fileVariable(name), file);
    delete filled[fileVariable(name)];
  }
  return filled;
}

/** The value of a variable that is not known ahead, such as one of an MCP server. @throws as {@link withSecretsOfFiles} */
export function secretOfFile(environment: Readonly<Record<string, string>>, name: string): string | undefined {
  const variable = fileVariable(name);
  return Object.hasOwn(environment, variable) ? readSecretFile(variable, environment[variable] ?? '') : undefined;
}

/** @throws CopilotError `InvalidConfig`, without a part of any key */
export function readKeys({ [KEYS]: text }: NodeJS.ProcessEnv): readonly EncryptionKey[] {
  // An empty value is a secret that was not passed on. Falling back to plain text would be unsafe.
  if (text === '') return fail(KEYS, '', 'it is empty; unset it if you do not want encryption');
  const keys = text === undefined ? [] : parseKeys(text);
  return typeof keys === 'string' ? fail(KEYS, '(hidden)', keys) : keys;
}

function fileVariable(name: string): string {
  return `${name}_FILE`;
}

function readSecretFile(name: string, file: string): string {
  if (file === '') return fail(name, file, 'it is empty; name a file, or unset it');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return fail(name, file, `it cannot be read (${why})`);
  }
  // Editors and `echo` end files with a line break, which is no part of a key.
  return text.trim() || fail(name, file, 'the file is empty');
}

function fail(name: string, value: string, problem: string): never {
  throw new CopilotError('InvalidConfig', { name, value, problem });
}
