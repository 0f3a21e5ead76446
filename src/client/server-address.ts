/** Which Temporal server a client uses, and how it signs in there. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionOptions } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
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
  /** Web UI, where it is known: that of the server in `server.json`. */
  readonly uiUrl: string | undefined;
  /** TLS, API key and headers. */
  readonly credentials: Pick<ConnectionOptions, 'apiKey' | 'tls' | 'metadata'>;
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
  const { connectionOptions, namespace } = readProfile(config);
  const { apiKey, tls, metadata } = connectionOptions;
  const record = await readRecord(config.homeDir);
  const named = given.address ?? connectionOptions.address;
  const address = named === undefined ? (record?.address ?? DEFAULT_ADDRESS) : withPort(named);
  const isRecorded = record !== undefined && record.address === address;
  return {
    address,
    namespace: given.namespace ?? namespace ?? (isRecorded ? record.namespace : 'default'),
    uiUrl: isRecorded ? record.uiUrl : undefined,
    credentials: {
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(tls === undefined ? {} : { tls }),
      ...(metadata === undefined ? {} : { metadata }),
    },
  };
}

function readProfile(config: Config): ReturnType<typeof loadClientConnectConfig> {
  const { environment } = config.temporal;
  try {
    return loadClientConnectConfig({ overrideEnvVars: { ...environment } });
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
