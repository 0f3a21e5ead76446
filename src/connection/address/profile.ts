/** Temporal's own variables and configuration file: https://docs.temporal.io/develop/environment-configuration */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from '@temporalio/client';
import { type ClientConfigProfile, loadClientConfigProfile, toClientOptions } from '@temporalio/envconfig';
import type { Config } from '../../config.ts';
import { CopilotError } from '../../contracts/errors.ts';

const DEFAULT_PORT = 7233;

/** How to sign in. Not the type of `@temporalio/envconfig`, which would bring the worker's types to users of the client. */
export interface Credentials {
  readonly apiKey?: string;
  readonly tls?: Exclude<ConnectionOptions['tls'], undefined>;
  /** Headers of each call. */
  readonly metadata?: NonNullable<ConnectionOptions['metadata']>;
}

/** The server in Temporal's own configuration. */
export interface TemporalProfile {
  /** `host:port`; undefined if it is not configured. */
  readonly address: string | undefined;
  readonly namespace: string | undefined;
  readonly credentials: Credentials;
  readonly settings: Settings;
}

/** A setting under the name that its owner knows: a variable, or a field of a profile. */
export interface Setting {
  readonly name: string;
  /** Undefined if it is not set. A path, never a secret. */
  readonly value: string | undefined;
}

/** What decides whether a server takes a connection. */
export type Settings = Readonly<Record<keyof typeof VARIABLES, Setting>>;

const VARIABLES = {
  address: ['TEMPORAL_ADDRESS', 'address'],
  apiKey: ['TEMPORAL_API_KEY', 'api_key'],
  tls: ['TEMPORAL_TLS', 'tls.disabled'],
  serverName: ['TEMPORAL_TLS_SERVER_NAME', 'tls.server_name'],
  serverCa: ['TEMPORAL_TLS_SERVER_CA_CERT', 'tls.server_ca_cert'],
  clientCert: ['TEMPORAL_TLS_CLIENT_CERT', 'tls.client_cert'],
  clientKey: ['TEMPORAL_TLS_CLIENT_KEY', 'tls.client_key'],
} as const;

/** @throws CopilotError `InvalidConfig` if they cannot be read */
export function readProfile(config: Config): TemporalProfile {
  const { environment } = config.temporal;
  const profile = loadProfile(environment);
  const settings = nameSettings(environment, profile);
  checkFiles(profile, settings);
  const { connectionOptions, namespace } = toClientOptions(profile);
  const { address, apiKey, tls, metadata } = connectionOptions;
  return {
    address: address === undefined ? undefined : withPort(address),
    namespace,
    settings,
    credentials: {
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(tls === undefined ? {} : { tls }),
      ...(metadata === undefined ? {} : { metadata }),
    },
  };
}

export const withPort = (address: string): string => (/:\d+$/.test(address) ? address : `${address}:${DEFAULT_PORT}`);

function loadProfile(environment: Readonly<Record<string, string>>): ClientConfigProfile {
  try {
    return loadClientConfigProfile({ overrideEnvVars: { ...environment } });
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw invalid({ name: blamed(environment), value: environment[blamed(environment)] }, problem, cause);
  }
}

/** The file is at fault if it cannot be read without the profile either; then variables that exclude each other; then the profile. */
function blamed(environment: Readonly<Record<string, string>>): string {
  const { TEMPORAL_PROFILE: profile, ...others } = environment;
  const pair = ['SERVER_CA_CERT', 'CLIENT_CERT', 'CLIENT_KEY'].map((part) => `TEMPORAL_TLS_${part}`);
  const both = pair.find((name) => environment[`${name}_PATH`] && environment[`${name}_DATA`]);
  if (both !== undefined) return `${both}_PATH`;
  if (profile === undefined) return 'TEMPORAL_CONFIG_FILE';
  try {
    loadClientConfigProfile({ overrideEnvVars: others });
    return 'TEMPORAL_PROFILE';
  } catch {
    return 'TEMPORAL_CONFIG_FILE';
  }
}

function nameSettings(
  environment: Readonly<Record<string, string>>,
  { address, apiKey, tls }: ClientConfigProfile,
): Settings {
  const profile = environment['TEMPORAL_PROFILE'] ?? 'default';
  const named = (key: keyof typeof VARIABLES, value: string | undefined, ending = ''): Setting => {
    const [variable, field] = VARIABLES[key];
    const isVariable = value === undefined || environment[variable + ending.toUpperCase()] !== undefined;
    return { value, name: isVariable ? variable + ending.toUpperCase() : `${field}${ending} of profile "${profile}"` };
  };
  const file = (key: keyof typeof VARIABLES, source: NonNullable<typeof tls>['serverCACert']): Setting =>
    source === undefined
      ? named(key, undefined, '_path')
      : 'path' in source
        ? named(key, source.path, '_path')
        : named(key, '(given as data)', '_data');
  return {
    address: named('address', address),
    apiKey: named('apiKey', apiKey === undefined ? undefined : '(hidden)'),
    tls: named('tls', tls?.disabled === undefined ? undefined : String(!tls.disabled)),
    serverName: named('serverName', tls?.serverName),
    serverCa: file('serverCa', tls?.serverCACert),
    clientCert: file('clientCert', tls?.clientCert),
    clientKey: file('clientKey', tls?.clientKey),
  };
}

/** @throws CopilotError `InvalidConfig` that names the file, or the half of a pair that is missing */
function checkFiles({ tls }: ClientConfigProfile, settings: Settings): void {
  if (tls?.disabled === true) return;
  for (const [setting, source] of [
    [settings.serverCa, tls?.serverCACert],
    [settings.clientCert, tls?.clientCert],
    [settings.clientKey, tls?.clientKey],
  ] as const) {
    if (source === undefined || !('path' in source)) continue;
    try {
      readFileSync(source.path);
    } catch (cause) {
      throw invalid(setting, cause instanceof Error ? cause.message : String(cause), cause);
    }
  }
  const { clientCert, clientKey } = settings;
  if ((clientCert.value === undefined) === (clientKey.value === undefined)) return;
  const [missing, given] = clientCert.value === undefined ? [clientCert, clientKey] : [clientKey, clientCert];
  throw invalid(missing, `${given.name} is set; set both or neither`);
}

function invalid({ name, value = '' }: Setting, problem: string, cause?: unknown): CopilotError {
  return new CopilotError('InvalidConfig', { name, value, problem }, { cause });
}
