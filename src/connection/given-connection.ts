/** A connection that the caller of `connect` has opened. */
import { type Client, type ClientOptions, Connection, type ConnectionLike } from '@temporalio/client';
import type { Config } from '../config.ts';
import { CopilotError } from '../contracts/errors.ts';
import type { GivenServer } from './address/given.ts';
import type { Setting } from './address/profile.ts';
import type { ServerAddress } from './address/server-address.ts';

export interface GivenOptions extends GivenServer {
  readonly client?: Pick<Client, 'connection' | 'options'> | undefined;
  readonly connection?: ConnectionLike | undefined;
}

export interface GivenConnection {
  readonly connection: ConnectionLike;
  readonly server: ServerAddress;
  /** Of the given client. */
  readonly clientOptions?: Pick<ClientOptions, 'identity' | 'interceptors' | 'dataConverter'>;
}

/**
 * Undefined if the caller gave no connection.
 * @throws CopilotError `InvalidInput` if the caller gave two, or says how to open one as well
 */
export function takeGiven(config: Config, options: GivenOptions): GivenConnection | undefined {
  const { client, connection = client?.connection } = options;
  if (connection === undefined) return undefined;
  const what = client === undefined ? 'connection' : 'client';
  const other = (['connection', 'address', 'tls', 'apiKey'] as const).find(
    (name) => name !== what && options[name] !== undefined,
  );
  if (other !== undefined) {
    const problem = `${other} is given too, and an open connection has its own; leave one of them out`;
    throw new CopilotError('InvalidInput', { what, problem });
  }
  const { environment, uiUrl } = config.temporal;
  const namespace = options.namespace ?? client?.options.namespace ?? environment['TEMPORAL_NAMESPACE'] ?? 'default';
  const given: Setting = { name: what, value: '(given)' };
  const server: ServerAddress = {
    address: connection instanceof Connection ? connection.options.address : 'the given connection',
    namespace,
    source: 'caller',
    downHome: undefined,
    uiUrl,
    credentials: {},
    settings: {
      address: given,
      apiKey: given,
      tls: given,
      serverName: given,
      serverCa: given,
      clientCert: given,
      clientKey: given,
    },
  };
  return { connection, server, ...(client === undefined ? {} : { clientOptions: optionsOf(client) }) };
}

function optionsOf({ options }: Pick<Client, 'options'>): GivenConnection['clientOptions'] & {} {
  const { identity, interceptors, dataConverter } = options;
  // A client that nobody gave a data converter has an empty one.
  const isGiven = Object.keys(dataConverter).length > 0;
  return { identity, interceptors, ...(isGiven ? { dataConverter } : {}) };
}
