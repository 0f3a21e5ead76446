/** `copilot codec`: encrypted payloads in plain text for Temporal's Web UI and its `temporal` command. */
import { findServer } from '../../connection/server-address.ts';
import { type Config, loadConfig } from '../../config.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { type CodecServer, startCodecServer } from '../../storage/codec-server.ts';
import type { CommonFlags } from '../connected.ts';
import { wholeNumber } from '../numbers.ts';
import { paint, remark, say, sayJson } from '../terminal.ts';

export interface CodecFlags extends CommonFlags {
  /** Default {@link DEFAULT_CODEC_PORT}. */
  readonly port?: string;
  readonly host: string;
  readonly origin?: readonly string[];
}

/** One above that of the Web UI of `copilot dev`. */
const DEFAULT_CODEC_PORT = 8234;

/** Until a signal asks for the end. @throws CopilotError `InvalidConfig`, `InvalidInput` */
export async function runCodec({ json, port, host, origin }: CodecFlags): Promise<void> {
  const config = loadConfig();
  checkConfig(config, host);
  const origins = origin ?? (await uiOrigins(config));
  for (const one of origins) checkOrigin(one);
  const server = await startCodecServer(config, {
    host,
    port: port === undefined ? DEFAULT_CODEC_PORT : wholeNumber('--port', port),
    origins,
    token: config.codecToken,
  });
  // Before anything is said: whoever reads that it is ready may ask for its end at once.
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
 * The codec server of `copilot dev`, for its own Web UI: on this machine, at the usual port or a free one. There is none
 * where there is nothing to decode, and with a token, which the Web UI could not show.
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
    const problem = 'it is not set, and neither is COPILOT_PAYLOAD_STORE: all payloads are plain text already';
    throw new CopilotError('InvalidConfig', { name: 'COPILOT_ENCRYPTION_KEYS', value: '', problem });
  }
  const isLocal = host === 'localhost' || host === '::1' || host.startsWith('127.');
  if (isLocal) return;
  if (codecToken === undefined) {
    const problem = `whoever reaches ${host} could read every session; set a token for callers`;
    throw new CopilotError('InvalidConfig', { name: 'COPILOT_CODEC_TOKEN', value: '', problem });
  }
  remark(`${paint('yellow', 'warning:', process.stderr)} this is plain HTTP: put TLS in front of ${host}`);
}

function checkOrigin(origin: string): void {
  if (URL.canParse(origin) && /^https?:$/.test(new URL(origin).protocol)) return;
  throw new CopilotError('InvalidInput', {
    what: `--origin ${origin}`,
    problem: 'use scheme, host and port of the Web UI',
  });
}

/** The Web UI, where it is known, under both names of this machine. */
async function uiOrigins(config: Config): Promise<string[]> {
  const { uiUrl } = await findServer(config);
  return uiUrl === undefined ? [] : sameMachine(uiUrl);
}

/** A page on loopback may have been opened by name or by address. */
export function sameMachine(url: string): string[] {
  const { protocol, hostname, port, origin } = new URL(url);
  if (hostname !== '127.0.0.1' && hostname !== 'localhost') return [origin];
  const suffix = port === '' ? '' : `:${port}`;
  return ['127.0.0.1', 'localhost'].map((name) => `${protocol}//${name}${suffix}`);
}
