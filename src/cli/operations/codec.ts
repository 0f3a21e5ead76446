/** `copilot codec`: decrypts payloads for Temporal's Web UI and its `temporal` command. */
import { findServer } from '../../connection/address/server-address.ts';
import { type Config, loadConfig } from '../../config.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { isLoopbackName } from '../../environment-values.ts';
import { type CodecServer, startCodecServer } from '../../storage/codec-server.ts';
import type { CommonFlags } from '../connected.ts';
import { parsePort } from '../numbers.ts';
import { paint, remark, say, sayJson } from '../terminal.ts';

export interface CodecFlags extends CommonFlags {
  /** Default {@link DEFAULT_CODEC_PORT}. */
  readonly port?: string;
  readonly host: string;
  readonly origin?: readonly string[];
}

/** The port of the Web UI of `copilot dev` plus one. */
const DEFAULT_CODEC_PORT = 8234;

/** Runs until SIGINT or SIGTERM. @throws CopilotError `InvalidConfig`, `InvalidInput` */
export async function runCodec({ json, port, host, origin }: CodecFlags): Promise<void> {
  const config = loadConfig();
  checkConfig(config, host);
  const origins = origin ?? (await uiOrigins(config));
  for (const one of origins) checkOrigin(one);
  const server = await startCodecServer(config, {
    host,
    port: port === undefined ? DEFAULT_CODEC_PORT : parsePort('--port', port),
    origins,
    token: config.codecToken,
  });
  // The signal handlers come first: whoever reads that it is ready may stop it immediately.
  const asked = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve()).once('SIGTERM', () => resolve());
  });
  if (json) sayJson({ type: 'ready', url: server.url, origins });
  else {
    say(`Codec server     ${server.url}${config.codecToken === undefined ? '' : ', with a token'}`);
    say(`Web pages        ${origins.length === 0 ? 'none; name the Web UI with --origin' : origins.join(', ')}`);
    say(`Terminal         temporal workflow show --codec-endpoint ${server.url} --workflow-id …`);
  }
  await asked;
  await server.close();
}

/**
 * The codec server of `copilot dev` for its own Web UI, at the default port or a free one. It is not started if there is
 * nothing to decode, or if a token is set, which the Web UI could not send.
 */
export async function startDevCodec(config: Config): Promise<CodecServer | undefined> {
  const isNeeded = config.encryptionKeys.length > 0 || config.payloadStore !== undefined;
  if (!isNeeded || config.codecToken !== undefined) return undefined;
  try {
    return await startCodecServer(config, { port: DEFAULT_CODEC_PORT, origins: [] });
  } catch {
    return await startCodecServer(config, { origins: [] });
  }
}

function checkConfig({ encryptionKeys, payloadStore, codecToken }: Config, host: string): void {
  if (encryptionKeys.length === 0 && payloadStore === undefined) {
    const problem = 'neither it nor COPILOT_PAYLOAD_STORE is set, so all payloads are plain text already';
    throw new CopilotError('InvalidConfig', { name: 'COPILOT_ENCRYPTION_KEYS', value: '', problem });
  }
  if (isLoopbackName(host)) return;
  if (codecToken === undefined) {
    const problem = `everybody who can reach ${host} could read every session; set a token for callers`;
    throw new CopilotError('InvalidConfig', { name: 'COPILOT_CODEC_TOKEN', value: '', problem });
  }
  remark(`${paint('yellow', 'warning:')} this is plain HTTP: put TLS in front of ${host}`);
}

function checkOrigin(origin: string): void {
  if (URL.canParse(origin) && /^https?:$/.test(new URL(origin).protocol)) return;
  throw new CopilotError('InvalidInput', {
    what: `--origin ${origin}`,
    problem: 'use scheme, host and port of the Web UI',
  });
}

/** The origins of the Web UI, if it is known. */
async function uiOrigins(config: Config): Promise<string[]> {
  const { uiUrl } = await findServer(config);
  return uiUrl === undefined ? [] : sameMachine(uiUrl);
}

/** The origin of a page; both names of this machine for a page on loopback. */
export function sameMachine(url: string): string[] {
  const { protocol, hostname, port, origin } = new URL(url);
  if (hostname !== '127.0.0.1' && hostname !== 'localhost') return [origin];
  const suffix = port === '' ? '' : `:${port}`;
  return ['127.0.0.1', 'localhost'].map((name) => `${protocol}//${name}${suffix}`);
}
