/** Forms of the values of environment variables. */
import { resolve } from 'node:path';
import { isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { CopilotError } from './contracts/errors.ts';
import { parseJson } from './contracts/json.ts';

export const wholeNumber = z
  .string()
  .regex(/^[1-9][0-9]{0,5}$/, 'use a whole number of at least 1')
  .transform(Number);
export const positiveInteger = (fallback: number) => wholeNumber.default(fallback);

/** A URL without a trailing slash, so that paths can be appended. */
export const webAddress = (example: string) =>
  z.url({ protocol: /^https?$/, error: `use a URL such as ${example}` }).transform((url) => url.replace(/\/+$/, ''));

export const optionalText = z.string().min(1, 'it is empty').optional();

/** Files of variables are read without a shell, which alone replaces `~` and takes quotation marks away. */
export const optionalFolder = optionalText
  .refine((path) => !path?.startsWith('~'), 'it begins with ~, which only a shell replaces; give the whole path')
  .refine((path) => !/^["']/.test(path ?? ''), 'it begins with a quotation mark; leave the quotation marks out');

export const hostPatterns = z.string().transform((text, check) => {
  const patterns = text.split(',').map((pattern) => hostPattern(pattern.trim()));
  if (patterns.includes(undefined)) {
    check.addIssue('use host names separated by commas, such as example.org,*.example.org; no scheme, port or path');
  }
  return patterns.filter((pattern) => pattern !== undefined);
});

/** The host in the form of URLs: lower case, international names in ASCII, IPv6 shortened and without brackets. */
function hostPattern(text: string): string | undefined {
  const address = text.replace(/^\[(.*)\]$/, '$1');
  if (isIPv6(address) && !address.includes('%')) return new URL(`http://[${address}]`).hostname.slice(1, -1);
  const wildcard = text.startsWith('*.') ? '*.' : '';
  // The URL parser would silently drop what follows these characters.
  const host = /[/?#%\\]/.test(text) ? '' : domainToASCII(text.slice(wildcard.length).replace(/\.$/, ''));
  return /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host) ? wildcard + host : undefined;
}

/** Names separated by commas or blanks. */
export const names = z.string().transform((text) => text.split(/[\s,]+/).filter((name) => name !== ''));

const HEADERS_HINT = 'use a JSON object of texts, such as {"x-team": "support"}';

export const headers = z.string().transform((text, check): Record<string, string> => {
  const parsed = z.record(z.string().regex(/^[\w-]+$/), z.string().regex(/^[^\r\n]*$/)).safeParse(parseJson(text));
  if (!parsed.success) check.addIssue(HEADERS_HINT);
  return parsed.data ?? {};
});

/** `docker:` or `podman:`, and an image. */
export const codeRunner = z
  .string()
  .regex(/^(docker|podman):\w[\w./:@-]*$/, 'use docker:<image> or podman:<image>, such as docker:node:24');

const LISTEN_HINT = 'use host and port, such as 0.0.0.0:7290';

/** Host and port to listen on. IPv6 addresses stand in brackets. */
export const listenAddress = z.string().transform((text, check): { host: string; port: number } => {
  const [, host = '', port = ''] = /^(\[[0-9a-fA-F:.]+\]|[\w.-]+):([1-9][0-9]{0,4})$/.exec(text) ?? [];
  if (host === '' || Number(port) > 65_535) check.addIssue(LISTEN_HINT);
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
});

/** The folder of all teams, or those of single ones, by absolute paths. */
export function teamFolders(teams: string | readonly string[]): string | readonly string[] {
  if (typeof teams === 'string') return resolve(teams);
  return Object.freeze(teams.map((path) => resolve(path).replace(/[/\\]team\.yaml$/, '')));
}

/** Addresses of proxies, and the hosts that need none. */
interface ProxySettings {
  readonly httpProxy?: string;
  readonly httpsProxy?: string;
  readonly noProxy?: string;
}

/** @throws CopilotError `InvalidConfig` */
export function readProxy(given: Readonly<Record<string, string>>): { proxy?: ProxySettings } {
  const [httpProxy, httpsProxy, noProxy] = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'].map(
    (name) => given[name.toLowerCase()] ?? given[name],
  );
  for (const [name, value] of Object.entries({ HTTP_PROXY: httpProxy, HTTPS_PROXY: httpsProxy })) {
    if (value !== undefined && !/^https?:\/\//.test(value)) {
      throw new CopilotError('InvalidConfig', { name, value, problem: 'use a URL such as http://proxy.example:3128' });
    }
  }
  if (httpProxy === undefined && httpsProxy === undefined) return {};
  return {
    proxy: {
      ...(httpProxy === undefined ? {} : { httpProxy }),
      ...(httpsProxy === undefined ? {} : { httpsProxy }),
      ...(noProxy === undefined ? {} : { noProxy }),
    },
  };
}

/** Whether a host is this machine by a name that no other machine gives out. */
export function isLoopbackName(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || name === '::1' || /^127(?:\.\d{1,3}){3}$/.test(name);
}
