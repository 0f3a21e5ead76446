/**
 * Stores the history of one run of a session as evidence for `replay.test.ts`:
 *
 *   node test/replay/record.ts <workflow id> <name> [run id]
 *
 * for a workflow on the server of TEMPORAL_ADDRESS, by the `temporal` CLI that runs the server; without a run id its
 * present run. A stored history is never replaced: a change of the workflow must go on replaying it, behind `patched()`
 * where it has to behave differently. With COPILOT_ENCRYPTION_KEYS or COPILOT_PAYLOAD_STORE it is stored in plain text
 * and whole: evidence must not need a key.
 */
import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadConfig } from '../../src/config.ts';
import { packageDir } from '../../src/package-info.ts';
import { findServerProgram } from '../../src/server/program.ts';
import { startCodecServer } from '../../src/storage/codec-server.ts';

const [workflowId, name, runId] = process.argv.slice(2);
if (!workflowId || !name) throw new Error('Usage: node test/replay/record.ts <workflow id> <name> [run id]');
const file = fileURLToPath(new URL(`histories/${name}.json`, import.meta.url));
if (existsSync(file)) throw new Error(`${file} exists: a stored history is never replaced.`);
const config = loadConfig();
const temporal = await findServerProgram(config, console.error);
const run = runId === undefined ? [] : ['--run-id', runId];
const args = ['workflow', 'show', '--workflow-id', workflowId, ...run, '--output', 'json'];
const isPlain = config.encryptionKeys.length === 0 && config.payloadStore === undefined;
const codec = isPlain ? undefined : await startCodecServer(config, { origins: [] });
try {
  const through = codec === undefined ? [] : ['--codec-endpoint', codec.url];
  const { stdout } = await promisify(execFile)(temporal, [...args, ...through], { maxBuffer: 64 * 1024 * 1024 });
  // Stack traces of failures name the folder of the program.
  const history = JSON.stringify(JSON.parse(stdout)).replaceAll(join(packageDir, '/'), '');
  writeFileSync(file, `${history}\n`);
} finally {
  await codec?.close();
}
