/**
 * Whether a URL may be fetched, and which addresses are connected to. A host is looked up once: the addresses that were
 * checked are the ones connected to, so that a name that changes its address in between gets nobody in.
 */
import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import type { NetworkRules } from '../../contracts/tool.ts';
import { refusal, shown } from '../refusal.ts';
import type { Scope } from '../workspace/paths.ts';

/** Where names and addresses come from; tests put in their own. */
export interface Internet {
  /** All addresses of a host name. */
  resolve(host: string): Promise<readonly LookupAddress[]>;
  isPublic(address: string): boolean;
}

/**
 * The URL of a request, without fragment.
 * @param base what a relative one is relative to
 * @throws CopilotError `ToolFailed` where it is none, has another scheme than http and https or a user name, or where
 * its host is not allowed or a private address
 */
export function checkedUrl(
  scope: Pick<Scope, 'tool'>,
  text: string,
  { rules, internet, base }: { readonly rules: NetworkRules; readonly internet: Internet; readonly base?: URL },
): URL {
  if (!URL.canParse(text, base?.href)) {
    throw refusal(scope, `${shown(text)} is no URL. Give a whole one, such as https://example.org/page.`);
  }
  const url = new URL(text, base);
  url.hash = '';
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw refusal(scope, `${shown(text)} is not fetched: only http and https are. To read a file use read_file.`);
  }
  if (url.username !== '' || url.password !== '') {
    throw refusal(
      scope,
      `the URL for ${shown(url.host)} has a user name or password in it, which is not sent. Give it without.`,
    );
  }
  const host = hostOf(url);
  if (rules.allow.length > 0 && !rules.allow.some((pattern) => fits(host, pattern))) {
    throw refusal(
      scope,
      `${shown(host)} is not allowed. Allowed hosts: ${rules.allow.join(', ')}. Use one of these; the operator sets them in COPILOT_FETCH_ALLOW.`,
    );
  }
  // A name has its addresses checked when it is looked up.
  if (isIP(host) !== 0 && !mayReach(host, rules, internet)) throw notPublic(scope, host);
  return url;
}

/** The host as name or address: without brackets and without a point at its end. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}

/**
 * The addresses to connect to. One that is not public refuses the host as a whole: a name with addresses of both kinds
 * is an attempt to get in.
 * @throws CopilotError `ToolFailed` where it has none or a forbidden one; what the look-up throws
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

/** For a connection: gives the addresses that were checked, and asks nobody again. */
export function lookupOf(addresses: readonly LookupAddress[]): LookupFunction {
  return (_host, options, callback) => {
    const [first] = addresses;
    if (options.all || first === undefined) callback(null, [...addresses]);
    else callback(null, first.address, first.family);
  };
}

function fits(host: string, pattern: string): boolean {
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;
}

function mayReach(address: string, rules: NetworkRules, internet: Internet): boolean {
  return rules.private || internet.isPublic(address);
}

function notPublic(scope: Pick<Scope, 'tool'>, host: string, address?: string): Error {
  const which = address === undefined || address === host ? 'is' : `has the address ${address}, which is`;
  return refusal(
    scope,
    `${shown(host)} ${which} not a public address. Use a public site; the operator may allow others by COPILOT_FETCH_PRIVATE=1.`,
  );
}
