/** Finds the Temporal server and how to sign in. */
import type { Config } from '../../config.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { type GivenServer, givenCredentials, givenSettings } from './given.ts';
import { findHomeServer, type ServerRecord } from './home-server.ts';
import { readProfile, type TemporalProfile, withPort } from './profile.ts';

const DEFAULT_ADDRESS = 'localhost:7233';

export interface ServerAddress extends Pick<TemporalProfile, 'credentials' | 'settings'> {
  /** `host:port` */
  readonly address: string;
  readonly namespace: string;
  /** Where the address comes from: the caller, a variable, the Temporal profile, `server.json`, or the default. */
  readonly source: 'caller' | 'TEMPORAL_ADDRESS' | 'profile' | 'home' | 'default';
  /** The home folder, if nobody named a server and that of the home folder is not running. */
  readonly downHome: string | undefined;
  /** Address of the Web UI: COPILOT_UI_URL, else that in `server.json`. */
  readonly uiUrl: string | undefined;
}

/**
 * Takes the first of: the given address, TEMPORAL_ADDRESS or the Temporal profile, the server that was started from this
 * home folder, `localhost:7233`.
 * @throws CopilotError `InvalidConfig` if the profile cannot be read
 */
export async function findServer(config: Config, given: GivenServer = {}): Promise<ServerAddress> {
  const { address: named, namespace, credentials, settings } = readProfile(config);
  const { record, isDown } = await findHomeServer(config.homeDir);
  const { address, source } = chooseAddress(config, given.address, named, record);
  const isRecorded = record !== undefined && record.address === address;
  return {
    address,
    source,
    namespace: given.namespace ?? namespace ?? (isRecorded ? record.namespace : 'default'),
    downHome: isDown && (source === 'home' || source === 'default') ? config.homeDir : undefined,
    uiUrl: config.temporal.uiUrl ?? (isRecorded ? record.uiUrl : undefined),
    credentials: { ...credentials, ...givenCredentials(given) },
    settings: { ...settings, ...givenSettings(given) },
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

/** Which server is used and why, if nobody named it. Undefined if somebody did. */
export function describeGuess({ address, source, downHome }: ServerAddress): string | undefined {
  if (downHome !== undefined) {
    return `The Temporal server of ${downHome} is not running; this is what ${address} has, which may be another one.`;
  }
  return source === 'default' ? `No Temporal server is named or runs for this folder; using ${address}.` : undefined;
}

/**
 * Sessions of this home are on its own server. While that is down, another server may listen at the same address.
 * @throws CopilotError `HomeServerDown`
 */
export function refuseGuess({ address, downHome }: ServerAddress): void {
  if (downHome !== undefined) throw new CopilotError('HomeServerDown', { home: downHome, address });
}
