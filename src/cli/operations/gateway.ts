/** `copilot gateway` and `copilot keys`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CopilotClient } from '../../client/copilot-client.ts';
import { type Config, loadConfig } from '../../config.ts';
import { findServer } from '../../connection/address/server-address.ts';
import { Label } from '../../contracts/session.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { checkInput } from '../../client/checked-input.ts';
import { preparePage } from '../../gateway/browser/page-build.ts';
import { isLoopbackName } from '../../environment-values.ts';
import { startGateway } from '../../gateway/gateway.ts';
import { KeyStore } from '../../gateway/principals/key-file.ts';
import { Role } from '../../gateway/principals/principal.ts';
import { newOperated, openOperatorPort, type Operated } from '../../operator-port.ts';
import { createLogger } from '../../worker/logging.ts';
import { makeHomeFolder } from '../../storage/atomic-file.ts';
import { type CommonFlags, noteGuess, whenServed } from '../connected.ts';
import { parsePort } from '../numbers.ts';
import { paint, remark, say, sayJson } from '../terminal.ts';

const DEFAULT_PORT = 7280;
const MOVED_POLL_MS = 2_000;

export interface GatewayFlags extends CommonFlags {
  /** Default 7280. */
  readonly port?: string;
  readonly host: string;
}

/** Runs until SIGINT or SIGTERM. @throws CopilotError `InvalidInput`, `ServerUnreachable`, `InvalidConfig` */
export async function runGateway(flags: GatewayFlags): Promise<void> {
  const config = loadConfig();
  const operated = newOperated();
  const { metricsPort } = config;
  const operator = metricsPort === undefined ? undefined : await openOperatorPort(metricsPort, operated);
  try {
    let client = await whenServed(() => CopilotClient.connect({ config }));
    noteGuess(client);
    // The signal handlers come first: whoever reads that it is ready may stop it immediately.
    const asked = new AbortController();
    const stop = (): void => asked.abort();
    process.once('SIGINT', stop).once('SIGTERM', stop);
    let port = flags.port === undefined ? DEFAULT_PORT : parsePort('--port', flags.port);
    while (!asked.signal.aborted) {
      try {
        port = await serve({ config, client, operated, port, flags }, asked.signal);
      } finally {
        await client.close();
      }
      if (asked.signal.aborted) return;
      client = await whenServed(() => CopilotClient.connect({ config }));
    }
  } finally {
    await operator?.close();
  }
}

interface Serving {
  readonly config: Config;
  readonly client: CopilotClient;
  readonly operated: Operated;
  readonly port: number;
  readonly flags: GatewayFlags;
}

/** Until it is asked to end, or the server has moved. @returns its port */
async function serve({ config, client, operated, port, flags }: Serving, asked: AbortSignal): Promise<number> {
  const { host, json } = flags;
  const gateway = await startGateway({
    client,
    homeDir: config.homeDir,
    host,
    port,
    tokens: config.gatewayTokens,
    limits: config.gatewayLimits,
    preparePage: () => preparePage(config, remark),
    onLink: (link) => remark(`Another browser: ${link}`),
    operated,
    log: createLogger(config),
  });
  if (!isLoopbackName(host)) remark(`${paint('yellow', 'warning:')} this is plain HTTP: put TLS in front of ${host}`);
  const { url, link } = gateway;
  if (json) sayJson({ type: 'ready', url, ...(link === undefined ? {} : { link }) });
  else {
    say(`Gateway          ${url}, described at ${url}/openapi.json`);
    say(`Page             ${link ?? url}`);
    if (link !== undefined) say('There are no keys. The link works once, and only this machine gets in.');
  }
  await untilServerMoves(config, client.address, asked);
  await gateway.close();
  return Number(new URL(url).port);
}

/** `copilot dev` may start the server of the home folder at another port than before. */
async function untilServerMoves(config: Config, address: string, asked: AbortSignal): Promise<void> {
  while (!asked.aborted) {
    await sleep(MOVED_POLL_MS, undefined, { signal: asked }).catch(() => undefined);
    // A profile that cannot be read matters only to those who connect anew.
    const found = await findServer(config).catch(() => undefined);
    if (found?.source !== 'home' || found.downHome !== undefined || found.address === address) continue;
    return remark(`The Temporal server of ${config.homeDir} runs at ${found.address} now; going on there.`);
  }
}

/** @throws CopilotError `InvalidInput` */
export async function runKeysAdd(name: string, { role, json }: CommonFlags & { readonly role: string }): Promise<void> {
  if (name.trim() === '') {
    const problem = 'it is blank; name the person or program that gets the key: copilot keys add ada';
    throw new CopilotError('InvalidInput', { what: 'name', problem });
  }
  const { homeDir } = loadConfig();
  const [label, as] = [checkInput(Label, name, 'name'), checkInput(Role, role, '--role')];
  await makeHomeFolder(homeDir);
  const { key, info } = await new KeyStore(homeDir).add(label, as);
  if (json) return sayJson({ ...info, key });
  say(key);
  remark(`This is the only time that the key of ${name} (${role}) is shown. Its id is ${info.id}.`);
}

export async function runKeysList({ json }: CommonFlags): Promise<void> {
  const keys = await keyStore().list();
  if (json) return sayJson(keys);
  if (keys.length === 0) say('There are no keys. Add one: copilot keys add <name>');
  for (const { id, name, role, createdAt } of keys) say(`${id}  ${role.padEnd(8)}  ${createdAt}  ${name}`);
}

/** @throws CopilotError `InvalidInput` if there is no such key */
export async function runKeysRevoke(key: string, { json }: CommonFlags): Promise<void> {
  const revoked = await keyStore().revoke(key);
  if (revoked.length === 0) {
    throw new CopilotError('InvalidInput', { what: `key "${key}"`, problem: 'there is none; see copilot keys list' });
  }
  if (json) return sayJson(revoked);
  for (const { id, name } of revoked) say(`Revoked ${id} of ${name}.`);
}

const keyStore = (): KeyStore => new KeyStore(loadConfig().homeDir);
