/**
 * Stores the history of a session's present run as evidence for `replay.test.ts`:
 *
 *   npx tsx test/replay/record.ts <session id> <name>
 *
 * for a session on the server of TEMPORAL_ADDRESS, by the `temporal` CLI that runs the server. A stored
 * history is never replaced: a change of the workflow must go on replaying it, behind `patched()` where it
 * has to behave differently.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/config.ts';
import { findServerProgram } from '../../src/server/binary.ts';

const [sessionId, name] = process.argv.slice(2);
if (!sessionId || !name) throw new Error('Usage: npx tsx test/replay/record.ts <session id> <name>');
const file = fileURLToPath(new URL(`histories/${name}.json`, import.meta.url));
if (existsSync(file)) throw new Error(`${file} exists: a stored history is never replaced.`);
const temporal = await findServerProgram(loadConfig(), console.error);
const args = ['workflow', 'show', '--workflow-id', sessionId, '--output', 'json'];
const shown = execFileSync(temporal, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
writeFileSync(file, `${JSON.stringify(JSON.parse(shown))}\n`);
