/**
 * Stores the history of a session's present run as evidence for `replay.test.ts`:
 *
 *   npx tsx test/replay/record.ts <session id> <name>
 *
 * for a session on the server of TEMPORAL_ADDRESS. A stored history is never replaced: a change of the
 * workflow must go on replaying it, behind `patched()` where it has to behave differently.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

const [sessionId, name] = process.argv.slice(2);
if (!sessionId || !name) throw new Error('Usage: npx tsx test/replay/record.ts <session id> <name>');
const file = fileURLToPath(new URL(`histories/${name}.json`, import.meta.url));
if (existsSync(file)) throw new Error(`${file} exists: a stored history is never replaced.`);
const connection = await Connection.connect({ address: process.env['TEMPORAL_ADDRESS'] ?? 'localhost:7233' });
const history = await new Client({ connection }).workflow.getHandle(sessionId).fetchHistory();
writeFileSync(file, `${JSON.stringify(historyToJSON(history))}\n`);
await connection.close();
