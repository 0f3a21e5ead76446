/**
 * Stores the history of a session's present run as evidence for `replay.test.ts`:
 *
 *   npx tsx test/replay/record.ts <session id> <name>
 *
 * for a session on the server of TEMPORAL_ADDRESS, by the `temporal` CLI that runs the server. A stored
 * history is never replaced: a change of the workflow must go on replaying it, behind `patched()` where it
 * has to behave differently. With COPILOT_ENCRYPTION_KEYS or COPILOT_PAYLOAD_STORE it is stored in plain text and
 * whole: evidence must not need a key.
 */
import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadConfig } from '../../src/config.ts';
import { findServerProgram } from '../../src/server/binary.ts';
import { startCodecServer } from '../../src/storage/codec-server.ts';

const [sessionId, name] = process.argv.slice(2);
if (!sessionId || !name) throw new Error('Usage: npx tsx test/replay/record.ts <session id> <name>');
const file = fileURLToPath(new URL(`histories/${name}.json`, import.meta.url));
if (existsSync(file)) throw new Error(`${file} exists: a stored history is never replaced.`);
const config = loadConfig();
const temporal = await findServerProgram(config, console.error);
const args = ['workflow', 'show', '--workflow-id', sessionId, '--output', 'json'];
const isPlain = config.encryptionKeys.length === 0 && config.payloadStore === undefined;
const codec = isPlain ? undefined : await startCodecServer(config, { origins: [] });
try {
  const through = codec === undefined ? [] : ['--codec-endpoint', codec.url];
  const { stdout } = await promisify(execFile)(temporal, [...args, ...through], { maxBuffer: 64 * 1024 * 1024 });
  writeFileSync(file, `${JSON.stringify(JSON.parse(stdout))}\n`);
} finally {
  await codec?.close();
}
