/**
 * Decides whether a URL may be fetched and which addresses to connect to. A host is looked up once, and the connection
 * uses the addresses that were checked, so DNS rebinding does not work.
 */
import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import type { NetworkRules } from '../../contracts/tool.ts';
import { refusal, shown } from '../refusal.ts';
import type { Scope } from '../workspace/paths.ts';

/** Looks up names and judges addresses. Tests use their own. */
export interface Internet {
  /** All addresses of a host name. */
  resolve(host: string): Promise<readonly LookupAddress[]>;
  isPublic(address: string): boolean;
}

/**
 * Parses and checks the URL of a request and removes its fragment.
 * @param base base of a relative URL
 * @throws CopilotError `ToolFailed` if it is not a URL, its scheme is not http or https, it contains a user name, or its
 * host is not allowed or is a private address
 */
export function checkedUrl(
  scope: Pick<Scope, 'tool'>,
  text: string,
  { rules, internet, base }: { readonly rules: NetworkRules; readonly internet: Internet; readonly base?: URL },
): URL {
  if (!URL.canParse(text, base?.href)) {
    throw refusal(scope, `${shown(text)} is not a URL. Give a whole one, such as https://example.org/page.`);
  }
  const url = new URL(text, base);
  url.hash = '';
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw refusal(scope, `${shown(text)} has a scheme other than http and https. To read a file use read_file.`);
  }
  if (url.username !== '' || url.password !== '') {
    throw refusal(
      scope,
      `the URL for ${shown(url.host)} contains a user name or password, which fetch_url does not send. Give it without.`,
    );
  }
  const host = hostOf(url);
  if (rules.allow.length > 0 && !rules.allow.some((pattern) => isMatch(host, pattern))) {
    throw refusal(
      scope,
      `${shown(host)} is not allowed. Allowed hosts: ${rules.allow.join(', ')}. Use one of these; the operator can add hosts in COPILOT_FETCH_ALLOW.`,
    );
  }
  // The addresses of a name are checked when it is looked up.
  if (isIP(host) !== 0 && !mayReach(host, rules, internet)) throw notPublic(scope, host);
  return url;
}

/** The host as a name or address, without brackets and without a dot at its end. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}

/**
 * Looks up the addresses to connect to. One forbidden address rules out the host, because a name with public and private
 * addresses is an attack.
 * @throws CopilotError `ToolFailed` if it has no address or a forbidden one; what the lookup throws
 */
export async function checkedAddresses(
  scope: Pick<Scope, 'tool'>,
  host: string,
  rules: NetworkRules,
  internet: Internet,
): Promise<readonly LookupAddress[]> {
  const addresses = await internet.resolve(host);
  if (addresses.length === 0) throw refusal(scope, `${shown(host)} has no address. Check the name.`);
  const forbidden = addresses.find(({ address }) => !mayReach(address, rules, internet));
  if (forbidden !== undefined) throw notPublic(scope, host, forbidden.address);
  return addresses;
}

/** A lookup for a connection that gives the checked addresses and asks no name server again. */
export function pinnedLookup(addresses: readonly LookupAddress[]): LookupFunction {
  return (_host, options, callback) => {
    const [first] = addresses;
    if (options.all || first === undefined) callback(null, [...addresses]);
    else callback(null, first.address, first.family);
  };
}

function isMatch(host: string, pattern: string): boolean {
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;
}

function mayReach(address: string, rules: NetworkRules, internet: Internet): boolean {
  return rules.private || internet.isPublic(address);
}

function notPublic(scope: Pick<Scope, 'tool'>, host: string, address?: string): Error {
  const which = address === undefined || address === host ? 'is' : `has the address ${address}, which is`;
  return refusal(
    scope,
    `${shown(host)} ${which} not a public address. Use a public site; the operator can allow others with COPILOT_FETCH_PRIVATE=1.`,
  );
}
