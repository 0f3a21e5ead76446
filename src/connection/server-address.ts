/** Finds the Temporal server and how to sign in. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionOptions } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { z } from 'zod';
import type { Config } from '../config.ts';
import { CopilotError } from '../contracts/errors.ts';

const DEFAULT_ADDRESS = 'localhost:7233';
const DEFAULT_PORT = 7233;

/** `server.json` in the home folder. The process that started the server has written it. */
const ServerRecord = z.object({ address: z.string(), namespace: z.string(), uiUrl: z.string().optional() });
type ServerRecord = z.infer<typeof ServerRecord>;

export interface ServerAddress {
  /** `host:port` */
  readonly address: string;
  readonly namespace: string;
  /** Where the address comes from: the caller, a variable, the Temporal profile, `server.json`, or the default. */
  readonly source: 'caller' | 'TEMPORAL_ADDRESS' | 'profile' | 'home' | 'default';
  /** Address of the Web UI: COPILOT_UI_URL, else that in `server.json`. */
  readonly uiUrl: string | undefined;
  readonly credentials: Credentials;
}

/** How to sign in. Not the type of `@temporalio/envconfig`, which would bring the worker's types to users of the client. */
interface Credentials {
  readonly apiKey?: string;
  readonly tls?: Exclude<ConnectionOptions['tls'], undefined>;
  /** Headers of each call. */
  readonly metadata?: NonNullable<ConnectionOptions['metadata']>;
}

/** The server in Temporal's own configuration. */
export interface TemporalProfile extends Pick<ServerAddress, 'credentials'> {
  /** `host:port`; undefined if it is not configured. */
  readonly address: string | undefined;
  readonly namespace: string | undefined;
}

/**
 * Takes the first of: the given address, TEMPORAL_ADDRESS or the Temporal profile, the server that was started from this
 * home folder, `localhost:7233`.
 * @throws CopilotError `InvalidConfig` if the profile cannot be read
 */
export async function findServer(
  config: Config,
  given: { readonly address?: string | undefined; readonly namespace?: string | undefined } = {},
): Promise<ServerAddress> {
  const profile = readProfile(config);
  const record = await readRecord(config.homeDir);
  const { address, source } = chooseAddress(config, given.address, profile.address, record);
  const isRecorded = record !== undefined && record.address === address;
  return {
    address,
    source,
    namespace: given.namespace ?? profile.namespace ?? (isRecorded ? record.namespace : 'default'),
    uiUrl: config.temporal.uiUrl ?? (isRecorded ? record.uiUrl : undefined),
    credentials: profile.credentials,
  };
}

function chooseAddress(
  config: Config,
  given: string | undefined,
  named: string | undefined,
  record: ServerRecord | undefined,
): Pick<ServerAddress, 'address' | 'source'> {
  if (given !== undefined) return { address: withPort(given), source: 'caller' };
  if (named !== undefined) {
    return { address: named, source: config.temporal.address === undefined ? 'profile' : 'TEMPORAL_ADDRESS' };
  }
  return record === undefined
    ? { address: DEFAULT_ADDRESS, source: 'default' }
    : { address: record.address, source: 'home' };
}

/**
 * Reads Temporal's variables and configuration file: https://docs.temporal.io/develop/environment-configuration
 * @throws CopilotError `InvalidConfig` if they cannot be read
 */
export function readProfile(config: Config): TemporalProfile {
  const { environment } = config.temporal;
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: { ...environment } });
    const { address, apiKey, tls, metadata } = connectionOptions;
    return {
      address: address === undefined ? undefined : withPort(address),
      namespace,
      credentials: {
        ...(apiKey === undefined ? {} : { apiKey }),
        ...(tls === undefined ? {} : { tls }),
        ...(metadata === undefined ? {} : { metadata }),
      },
    };
  } catch (cause) {
    const name = environment['TEMPORAL_PROFILE'] === undefined ? 'TEMPORAL_CONFIG_FILE' : 'TEMPORAL_PROFILE';
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new CopilotError('InvalidConfig', { name, value: environment[name] ?? '', problem }, { cause });
  }
}

async function readRecord(homeDir: string): Promise<ServerRecord | undefined> {
  try {
    return ServerRecord.parse(JSON.parse(await readFile(join(homeDir, 'server.json'), 'utf8')));
  } catch {
    // No server was started from here, or its file is unreadable.
    return undefined;
  }
}

const withPort = (address: string): string => (/:\d+$/.test(address) ? address : `${address}:${DEFAULT_PORT}`);
