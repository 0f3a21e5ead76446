/** Which Temporal server a client uses, and how it signs in there. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClientConnectConfig, loadClientConnectConfig } from '@temporalio/envconfig';
import { z } from 'zod';
import type { Config } from '../config.ts';
import { CopilotError } from '../contracts/errors.ts';

const DEFAULT_ADDRESS = 'localhost:7233';
const DEFAULT_PORT = 7233;

/** `server.json` of a home folder, as the process that started the server left it. */
const ServerRecord = z.object({ address: z.string(), namespace: z.string(), uiUrl: z.string().optional() });
type ServerRecord = z.infer<typeof ServerRecord>;

export interface ServerAddress {
  /** `host:port` */
  readonly address: string;
  readonly namespace: string;
  /** What named it: the caller, a variable, the profile, the `server.json` of this home; else it is the default. */
  readonly source: 'caller' | 'TEMPORAL_ADDRESS' | 'profile' | 'home' | 'default';
  /** Web UI, where it is known: COPILOT_UI_URL, else that of the server in `server.json`. */
  readonly uiUrl: string | undefined;
  /** TLS, API key and headers. */
  readonly credentials: Pick<ClientConnectConfig['connectionOptions'], 'apiKey' | 'tls' | 'metadata'>;
}

/** A server that the user names, and how to sign in there. */
export interface TemporalProfile extends Pick<ServerAddress, 'credentials'> {
  /** `host:port`, undefined where nothing names one. */
  readonly address: string | undefined;
  readonly namespace: string | undefined;
}

/**
 * In this order: what is given, TEMPORAL_ADDRESS or the profile, the server that serves this home folder,
 * `localhost:7233`.
 * @throws CopilotError `InvalidConfig` for a profile that cannot be read
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
 * What Temporal's own variables and configuration file say: https://docs.temporal.io/develop/environment-configuration
 * @throws CopilotError `InvalidConfig` where they cannot be read
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
    // No server was started from here, or its file is unreadable: then there is nothing to go by.
    return undefined;
  }
}

const withPort = (address: string): string => (/:\d+$/.test(address) ? address : `${address}:${DEFAULT_PORT}`);
