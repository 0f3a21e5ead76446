/** What the caller of `connect` says of the server. It goes before variables and profiles. */
import type { Credentials, Setting, Settings } from './profile.ts';

export interface GivenServer {
  readonly address?: string | undefined;
  readonly namespace?: string | undefined;
  readonly tls?: Credentials['tls'] | undefined;
  readonly apiKey?: string | undefined;
}

export function givenCredentials({ tls, apiKey }: GivenServer): Credentials {
  return { ...(tls === undefined ? {} : { tls }), ...(apiKey === undefined ? {} : { apiKey }) };
}

/** The given settings under the names that the caller knows. */
export function givenSettings({ tls, apiKey }: GivenServer): Partial<Settings> {
  return { ...(tls === undefined ? {} : tlsSettings(tls)), ...(apiKey === undefined ? {} : { apiKey: KEY }) };
}

const KEY: Setting = { name: 'apiKey', value: '(hidden)' };

function tlsSettings(tls: NonNullable<GivenServer['tls']> | null): Partial<Settings> {
  const { serverRootCACertificate, clientCertPair, serverNameOverride } = typeof tls === 'object' && tls ? tls : {};
  const given = (name: string, part: unknown): Setting => ({ name, value: part ? '(given as data)' : undefined });
  return {
    tls: { name: 'tls', value: typeof tls === 'object' ? undefined : String(tls) },
    serverName: { name: 'tls.serverNameOverride', value: serverNameOverride },
    serverCa: given('tls.serverRootCACertificate', serverRootCACertificate),
    clientCert: given('tls.clientCertPair.crt', clientCertPair?.crt),
    clientKey: given('tls.clientCertPair.key', clientCertPair?.key),
  };
}
