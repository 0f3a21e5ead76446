/** Where a worker gives followers the text of running calls, by its environment. */
import { CopilotError } from '../contracts/errors.ts';
import { isLoopbackName } from '../environment-values.ts';

export interface DirectTextSettings {
  /** Where the worker listens. Port 0: any that is free. */
  readonly listen: { readonly host: string; readonly port: number };
  /** How followers reach it. Default: as it listens. */
  readonly url?: string;
}

interface Variables {
  readonly COPILOT_DIRECT_TEXT: '0' | '1' | 'unencrypted';
  readonly COPILOT_DIRECT_TEXT_LISTEN: DirectTextSettings['listen'];
  readonly COPILOT_DIRECT_TEXT_URL?: string | undefined;
}

/** Addresses that stand for all of a machine, so that nobody can be sent there. */
const ANY_ADDRESS = ['0.0.0.0', '::'];

/**
 * @param isEncrypted whether payloads are encrypted: then text crosses the network in plain HTTP only if that is wanted
 * @throws CopilotError `InvalidConfig`
 */
export function readDirectText(
  { COPILOT_DIRECT_TEXT: wanted, COPILOT_DIRECT_TEXT_LISTEN: listen, COPILOT_DIRECT_TEXT_URL: url }: Variables,
  isEncrypted: boolean,
): { directText?: DirectTextSettings } {
  if (wanted === '0') return {};
  const fail = (name: string, value: string, problem: string): never => {
    throw new CopilotError('InvalidConfig', { name, value, problem });
  };
  const at = `${listen.host}:${listen.port}`;
  if (url === undefined && ANY_ADDRESS.includes(listen.host)) {
    fail('COPILOT_DIRECT_TEXT_LISTEN', at, 'say how followers reach this worker: set COPILOT_DIRECT_TEXT_URL as well');
  }
  const { protocol, hostname, pathname } = new URL(url ?? `http://${hostOf(listen.host)}`);
  if (url !== undefined && pathname !== '/') {
    fail('COPILOT_DIRECT_TEXT_URL', url, 'it has a path; use scheme, host and port alone');
  }
  const isPlain = protocol === 'http:' && !(isLoopbackName(hostname) && isLoopbackName(listen.host));
  if (isEncrypted && isPlain && wanted !== 'unencrypted') {
    const [name, value] = url === undefined ? ['COPILOT_DIRECT_TEXT_LISTEN', at] : ['COPILOT_DIRECT_TEXT_URL', url];
    const problem =
      'payloads are encrypted, and text would cross the network in plain HTTP; put TLS in front and use https, or set COPILOT_DIRECT_TEXT=unencrypted';
    fail(name, value, problem);
  }
  return { directText: Object.freeze({ listen, ...(url === undefined ? {} : { url }) }) };
}

const hostOf = (host: string): string => (host.includes(':') ? `[${host}]` : host);
